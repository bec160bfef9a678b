"""What a worker is asked and what it answers: plain JSON, so that a pipe, a queue or a cluster can carry it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from rlhf.nodes.endpoints.problem import Message, Problem
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import FailureKind, Usage
from rlhf.state.records import JudgeReply as JudgeReply

Method = Literal["logprobs", "samples", "level"]


class ChatMessage(Message):
    """One message of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


class JudgeRequest(Message):
    """One response to be judged, on one dimension or on several in one call.

    Holds the name of the key's variable, never the key.
    """

    response_key: str
    """Requests with the same key are sent back to back: they share a prompt prefix."""
    dimensions: list[str] = Field(min_length=1)
    role: str
    goal: str
    backstory: str
    messages: list[ChatMessage] = Field(min_length=1)
    endpoint: Endpoint
    style: Literal["full", "compact"] = "full"
    """full: the JSON of `VerdictAnswer`, one per dimension if combined; compact: a single digit."""
    combined: bool = False
    """Whether the answer has an entry per dimension, asked in one call."""
    reasoning: bool = False
    """Whether the JSON has its rationale before its level."""
    samples: int = Field(default=1, ge=1, le=16)
    seed: int = Field(default=0, ge=0)
    traced: bool = False
    """Whether to tell each call to the model (`Attempt.calls`)."""

    @model_validator(mode="after")
    def _only_a_combined_answer_has_entries(self) -> Self:
        if not self.combined and len(self.dimensions) != 1:
            raise ValueError("several dimensions are asked in one combined call or in calls of their own")
        if self.combined and self.style == "compact":
            raise ValueError("a combined answer is JSON: it has no compact style")
        return self

    @property
    def name(self) -> str:
        """What the judge is called: its dimension, or combined."""
        return "combined" if self.combined else self.dimensions[0]


class ModelCall(Message):
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


class Attempt(Message):
    """One try at a request: a reply per dimension, or the problem that left it without any."""

    replies: dict[str, JudgeReply] = Field(default_factory=dict)
    """By dimension; some may have failed. What they cost together is `usage`."""
    problem: Problem | None = None
    usage: Usage = Usage()
    calls: list[ModelCall] = Field(default_factory=list)
    """In the order they were made; only of a traced request."""

    def reply(self, dimension: str) -> JudgeReply:
        """The reply on one dimension; without one, the failure that the problem amounts to."""
        if self.problem is None:
            return self.replies[dimension]
        return failed_reply(self.problem.kind, self.problem.message)


def failed_reply(kind: FailureKind, message: str) -> JudgeReply:
    """A failed judgement: a reason and no number."""
    return JudgeReply(status="failed", failure=kind, error=message)
