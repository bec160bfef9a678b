"""A prompt that is a conversation: its turns, what a policy is sent, and how people and judges read it."""

from collections.abc import Sequence
from typing import Final, Literal

from rlhf.state.read_only import Record

Role = Literal["system", "user", "assistant"]

Message = dict[str, str]
"""A turn as chat templates and endpoints take it: role and content."""

Asked = str | list[Message]
"""One question, or the messages of a conversation."""

_NAMES: Final = {"system": "System", "user": "User", "assistant": "Assistant"}


class Turn(Record):
    """One turn of a conversation."""

    role: Role
    """system: what the assistant was told beforehand; user: who asks; assistant: what was answered before."""
    content: str
    """What was said."""


def transcript(turns: Sequence[Turn]) -> str:
    """The conversation as text, each turn under its role: what checks and people read."""
    return "\n\n".join(f"{_NAMES[turn.role]}: {turn.content}" for turn in turns)


def asked_of(text: str, turns: Sequence[Turn] | None) -> Asked:
    """What is asked: the text, or of a conversation its messages."""
    return [{"role": turn.role, "content": turn.content} for turn in turns] if turns else text


def messages_of(asked: Asked) -> list[Message]:
    """What a policy is sent and a chat template renders."""
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
