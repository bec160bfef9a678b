"""How the graphs ask people: interrupts in the shape Studio and Agent Inbox know, and their answers."""

from typing import Any, Literal, Self

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field, model_validator

DecisionType = Literal["approve", "edit", "reject"]


class EditedAction(BaseModel):
    """An edit as Agent Inbox sends it: the action with changed arguments."""

    name: str = ""
    """Name of the action, as it was asked."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Its arguments; `response_id` and `rating` are read."""


class Decision(BaseModel):
    """One decision. Without `response_id` it answers the action request at the same position."""

    model_config = ConfigDict(extra="forbid")

    type: DecisionType
    """approve: the judges' rating stands, or go on; edit: the rating given; reject: rating 1, or stop."""
    response_id: str | None = None
    """Key of the response it is about; None: the request at the same position."""
    rating: int | None = Field(default=None, ge=1, le=5)
    """The person's rating, for edit."""
    message: str = ""
    """What the person says about it; empty for nothing."""
    reviewer: str = ""
    """Who decides; empty if not known."""
    edited_action: EditedAction | None = None
    """An edit in Agent Inbox's form; None in ours."""

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
    """In any number, for requests that were made."""


class ActionRequest(BaseModel):
    """One thing a person is asked to decide."""

    name: str
    """review_response, approve_training or approve_deployment."""
    args: dict[str, Any]
    """What it is about: ids, texts cut to a bound, figures."""
    description: str
    """The question in one line for people."""


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
