"""What a worker is asked and what it answers: plain JSON, so that a pipe, a queue or a cluster can carry it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from state.endpoints import Endpoint
from state.records import FailureKind, Usage

Method = Literal["logprobs", "samples", "level"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChatMessage(_Message):
    """One message of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


class JudgeRequest(_Message):
    """One response to be judged on one dimension. Holds the name of the key's variable, never the key."""

    response_key: str
    """Requests with the same key are sent back to back: they share a prompt prefix."""
    dimension: str
    role: str
    goal: str
    backstory: str
    messages: list[ChatMessage] = Field(min_length=1)
    endpoint: Endpoint
    style: Literal["full", "compact"] = "full"
    """full: the JSON of `VerdictAnswer`; compact: a single digit."""
    reasoning: bool = False
    """Whether the JSON has its rationale before its level."""
    samples: int = Field(1, ge=1, le=16)
    seed: int = Field(0, ge=0)
    traced: bool = False
    """Whether to tell each call to the model (`Attempt.calls`)."""


class JudgeReply(_Message):
    """A verdict as the judge gave it: scored, or failed and then without any number."""

    status: Literal["scored", "failed"]
    score: float | None = Field(None, ge=0.0, le=100.0)
    """Expected level × 20."""
    confidence: float | None = Field(None, ge=0.0, le=1.0)
    """1 − standard deviation of the level ÷ 2.5, the largest there can be; see `readings`."""
    method: Method | None = None
    strengths: list[str] = Field(default_factory=list)
    weaknesses: list[str] = Field(default_factory=list)
    rationale: str = ""
    failure: FailureKind | None = None
    error: str | None = None
    usage: Usage = Usage()


class Problem(_Message):
    """Why one attempt failed, with what is needed to decide about another."""

    kind: FailureKind
    message: str
    """One line for people; the key is blotted out."""
    status: int | None = None
    """HTTP status, where there was an answer."""
    retry_after: float | None = None
    """Seconds the server asks to wait."""
    final: bool = False
    """Whether asking again cannot help."""


class ModelCall(_Message):
    """One call to a model as it was made: a first answer, a sample, a repair, or one that failed."""

    started: float
    """Seconds since the epoch."""
    ended: float
    messages: list[ChatMessage]
    temperature: float
    answer: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    error: str | None = None
    """Why there is no answer; the key is blotted out."""


class Attempt(_Message):
    """One try at a request: its reply, and the problem if it failed."""

    reply: JudgeReply
    problem: Problem | None = None
    calls: list[ModelCall] = Field(default_factory=list)
    """In the order they were made; only of a traced request."""


def failed(problem: Problem, usage: Usage | None = None) -> Attempt:
    """The attempt a problem amounts to: a failed reply without numbers."""
    reply = JudgeReply(status="failed", failure=problem.kind, error=problem.message, usage=usage or Usage())
    return Attempt(reply=reply, problem=problem)
