"""How the graphs ask people: interrupts in the shape Studio and Agent Inbox know, and their answers."""

from typing import Any, Literal, Self

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field, model_validator

DecisionType = Literal["approve", "edit", "reject"]


class EditedAction(BaseModel):
    """An edit as Agent Inbox sends it: the action with changed arguments."""

    name: str = ""
    args: dict[str, Any] = Field(default_factory=dict)


class Decision(BaseModel):
    """One decision. Without `response_id` it answers the action request at the same position."""

    model_config = ConfigDict(extra="forbid")

    type: DecisionType
    response_id: str | None = None
    rating: int | None = Field(None, ge=1, le=5)
    """The person's rating, for edit."""
    message: str = ""
    reviewer: str = ""
    edited_action: EditedAction | None = None

    @model_validator(mode="after")
    def _an_edit_has_a_rating(self) -> Self:
        if self.type == "edit" and self.new_rating is None:
            raise ValueError("an edit needs a rating from 1 to 5")
        return self

    def on(self, response_id: str) -> Self:
        """The decision, about this response where it names none itself."""
        return self if self.about else self.model_copy(update={"response_id": response_id})

    @property
    def about(self) -> str | None:
        """Key of the response this decides on, if the answer names it."""
        named = self.edited_action.args.get("response_id") if self.edited_action else None
        return self.response_id or (named if isinstance(named, str) else None)

    @property
    def new_rating(self) -> int | None:
        """The person's rating, 1–5, whichever way the client sent it."""
        edited = self.edited_action.args.get("rating") if self.edited_action else None
        return self.rating or (edited if edited in (1, 2, 3, 4, 5) else None)


class Answer(BaseModel):
    """The answer to an interrupt. It may hold fewer decisions than were asked for."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[Decision] = Field(min_length=1)


class ActionRequest(BaseModel):
    """One thing a person is asked to decide."""

    name: str
    args: dict[str, Any]
    description: str


def ask(requests: list[ActionRequest], allowed: list[DecisionType]) -> Answer:
    """Interrupt the run until a person answers.

    The node runs again from its top with the answer, so nothing may happen before this call.
    """
    names = sorted({request.name for request in requests})
    return interrupt(
        {
            "action_requests": [request.model_dump() for request in requests],
            "review_configs": [{"action_name": name, "allowed_decisions": list(allowed)} for name in names],
        },
        response_schema=Answer,
    )


def approved(request: ActionRequest) -> tuple[bool, str]:
    """Ask for a plain yes or no; returns it with the person's message. Anything but an approval is a no."""
    answer = ask([request], ["approve", "reject"])
    decision = answer.decisions[0]
    return decision.type == "approve", decision.message
