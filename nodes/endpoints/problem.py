"""Why a call to a model failed, in the words that a retry is decided by."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from rlhf.state.records import FailureKind

TOOL_NAME: Final = "verdict"
"""What a structured answer is called where the protocol wants a name for it."""


class Message(BaseModel):
    """What crosses a process boundary: unknown keys are refused, nothing is changed on the way."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(Message):
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
