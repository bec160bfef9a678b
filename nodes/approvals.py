"""How the graphs ask people: interrupts in the shapes that Studio, Agent Inbox and agent-chat-ui know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, Self

from langgraph.config import get_config
from langgraph.types import interrupt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rlhf.state.errors import InputError, shown_key

DecisionType = Literal["approve", "edit", "reject"]

MESSAGE_LIMIT: Final = 4_000
"""Characters of what a person says about one response."""
_EDITABLE: Final = frozenset({"rating", "response_id"})


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a rating is a whole number from 1 to 5")
    return value


class EditedAction(BaseModel):
    """An edit as LangChain's middleware and Agent Inbox send it: the action with changed arguments."""

    name: str = ""
    """Name of the action, as it was asked."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Its arguments: `rating`, and `response_id` if the client sends it back; nothing else can be edited."""


class Decision(BaseModel):
    """One decision. Without `response_id` it answers the action request at the same position."""

    model_config = ConfigDict(extra="forbid")

    type: DecisionType
    """approve: the judges' rating stands, or go on; edit: the rating given; reject: rating 1, or stop."""
    response_id: str | None = None
    """Key of the response it is about; None: the request at the same position."""
    rating: Annotated[Annotated[int, Field(ge=1, le=5)] | None, BeforeValidator(_whole)] = None
    """The person's rating, for edit."""
    message: str = Field(default="", max_length=MESSAGE_LIMIT)
    """What the person says about it; empty for nothing."""
    reviewer: str = Field(default="", max_length=200)
    """Who decides; empty if not known. With accounts it is whoever sent the answer."""
    edited_action: EditedAction | None = None
    """An edit in LangChain's form; None in ours."""

    @model_validator(mode="after")
    def _an_edit_is_a_rating(self) -> Self:
        if self.edited_action and (others := sorted(self.edited_action.args.keys() - _EDITABLE)):
            raise ValueError(f"only the rating can be edited, not {shown_key(others[0][:40])}")
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
        """The person's rating, 1–5, whichever way the client sent it: their forms make texts of numbers."""
        return self.rating or stars(self.edited_action.args.get("rating") if self.edited_action else None)


class Answer(BaseModel):
    """The answer to an interrupt of `review`. It may hold fewer decisions than were asked for."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[Decision] = Field(min_length=1)
    """In any number, for requests that were made."""


class GateDecision(BaseModel):
    """A plain yes or no."""

    type: Literal["approve", "reject"]
    """approve: go on; reject: stop."""
    message: str = Field(default="", max_length=MESSAGE_LIMIT)
    """Why; empty for nothing."""


class GateAnswer(BaseModel):
    """The answer to a gate."""

    decisions: list[GateDecision] = Field(min_length=1, max_length=1)
    """One."""


class ActionRequest(BaseModel):
    """One thing a person is asked to decide."""

    name: str
    """review_response, approve_training or approve_deployment."""
    args: dict[str, Any]
    """What it is about: ids and figures."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What may be edited; Agent Inbox makes a form of it."""
    description: str
    """Markdown: the question in its first paragraph, then what a person needs and how to answer."""


@dataclass(frozen=True)
class Caller:
    """Who started the current run of the graph, as the server's `auth` found out."""

    name: str
    """The account; empty where there are none."""
    is_operator: bool
    """Whether gates are theirs to answer; whoever sits at the machine is one."""


class NotTaken(InputError):
    """An answer decides nothing: the run asks again, with this line. Without a line it was put off."""


def caller() -> Caller:
    """Who the current node works for. What a client writes into a config never gets here."""
    known = get_config()["configurable"]
    permissions = known.get("langgraph_auth_permissions")
    name = str(known.get("langgraph_auth_user_id") or "")
    return Caller("" if name == "local" else name, permissions is None or "operator" in permissions)


def ask(
    requests: Sequence[ActionRequest],
    allowed: Sequence[DecisionType],
    form: type[BaseModel] = Answer,
    complaint: str = "",
) -> object:
    """Interrupt the run until a person answers; returns the answer as it was sent.

    The node runs again from its top with the answer, so nothing may happen before this call. `complaint` says
    why the answer before was not taken. The server must not hold the answer against the schema, because a
    mistyped one would end the run: rlhf.nodes.answers reads it.
    """
    if complaint:
        first = requests[0]
        told = f"{first.description}\n\n**Not taken: {complaint}**"
        requests = [first.model_copy(update={"description": told}), *requests[1:]]
    names = sorted({request.name for request in requests})
    first = requests[0]
    return interrupt(
        {
            "action_requests": [request.model_dump() for request in requests],
            "review_configs": [{"action_name": name, "allowed_decisions": list(allowed)} for name in names],
            # Inboxes from before 2026 read these three and show the first request alone.
            "action_request": {"action": first.name, "args": first.arguments},
            "config": {
                "allow_accept": "approve" in allowed,
                "allow_edit": "edit" in allowed,
                "allow_respond": True,
                "allow_ignore": True,
            },
            "description": first.description,
        },
        response_schema=_schema(form),
    )


def question(request: Mapping[str, Any]) -> str:
    """What a request asks, in one line."""
    return str(request["description"]).partition("\n\n")[0]


def stars(value: object) -> int | None:
    """A rating of 1–5, also as clients' forms send it ("2"); None for anything else."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text in ("1", "2", "3", "4", "5") else None


@cache
def _schema(form: type[BaseModel]) -> dict[str, Any]:
    return form.model_json_schema()
