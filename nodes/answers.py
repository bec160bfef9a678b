"""What clients send as the answer to an interrupt, read as decisions; an unknown form is refused with the known ones.

Known are LangChain's human-in-the-loop middleware and agent-chat-ui ({"decisions": [{"type": "approve" | "edit" |
"reject" | "respond", ...}]}) and Agent Inbox ([{"type": "accept" | "edit" | "response" | "ignore", "args": ...}]).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from rlhf.nodes.approvals import (
    ActionRequest,
    Caller,
    Decision,
    GateAnswer,
    NotTaken,
    ask,
    caller,
    stars,
)
from rlhf.state.errors import InputError, first_mistake

REVIEW_FORMS: Final = (
    'answer with {"decisions": [{"type": "approve"}]}, {"type": "edit", "rating": 1 to 5} or {"type": "reject"}, '
    "one for each response in order, or with its response_id"
)
GATE_FORMS: Final = 'answer with {"decisions": [{"type": "approve"}]} or {"type": "reject", "message": "why"}'

_WORDS: Final = {"accept": "approve", "response": "respond"}
_SAID: Final = re.compile(r"(approve|reject|[1-5])\s*(?:$|:\s*(.*))", re.IGNORECASE | re.DOTALL)
"""A text that decides: `approve`, `reject` or a rating, alone or before a colon and a comment."""


def read_decision(entry: object, *, at_gate: bool = False) -> Decision | None:
    """One decision in whichever form a client sends it; None: put off. InputError says what is wrong with it."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        raise InputError("a decision is an object with a type")
    given: dict[str, Any] = dict(entry)
    given["type"] = kind = _WORDS.get(given["type"], given["type"])
    args = given.pop("args", None)
    if kind == "ignore":
        return None
    if kind == "respond":
        given.update(_of_text(given.get("message", "") if args is None else args, at_gate))
    elif isinstance(args, Mapping):
        if kind == "edit":
            given["edited_action"] = {"name": args.get("action", ""), "args": args.get("args")}
    elif args is not None:
        raise InputError("args is the action that was asked, with its args")
    try:
        return Decision.model_validate(given)
    except ValidationError as error:
        raise InputError(first_mistake(error, "decision")) from error


def read_review(answer: object) -> list[Decision | None]:
    """The decisions of an answer to `review`, by position; NotTaken with the known forms if one cannot be used."""
    return _read(answer, REVIEW_FORMS, at_gate=False)


def approved(request: ActionRequest, complaint: str) -> tuple[bool, str, str]:
    """Ask for a plain yes or no; returns it with the person's message and their name.

    Raises NotTaken for anything else, and for the answer of somebody who is no operator.
    """
    asked = request.model_copy(
        update={
            "description": f"{request.description}\n\nAccept to go on. To stop, respond with `reject`, or with "
            "`reject: why`."
        }
    )
    answer = ask([asked], ["approve", "reject"], GateAnswer, complaint)
    who = caller()
    decision = _gate_decision(answer, request.name, who)
    return decision.type == "approve", decision.message, who.name or decision.reviewer


def _gate_decision(answer: object, name: str, who: Caller) -> Decision:
    decisions = _read(answer, GATE_FORMS, at_gate=True)
    if not who.is_operator:
        raise NotTaken(f"{who.name} is a reviewer; {name} is answered by an operator.")
    if len(decisions) != 1:
        raise NotTaken(f"{len(decisions)} decisions where one is asked for: {GATE_FORMS}.")
    [decision] = decisions
    if decision is None:
        raise NotTaken
    if decision.type == "edit":
        raise NotTaken(f"{name} cannot be edited: {GATE_FORMS}.")
    return decision


def _read(answer: object, forms: str, *, at_gate: bool) -> list[Decision | None]:
    entries = _entries(answer)
    if not entries:
        raise NotTaken(f"No decision is in it: {forms}.")
    found = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read_decision(entry, at_gate=at_gate))
        except InputError as error:
            raise NotTaken(f"Decision {number}: {error}; {forms}.") from error
    return found


def _entries(answer: object) -> Sequence[object]:
    """The decisions in an answer: its list, the list it is, or the one decision that it is."""
    if isinstance(answer, str):  # a text box, such as Studio's, sends JSON as a text
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            return ()
    if isinstance(answer, Mapping):
        if "decisions" not in answer:
            return [answer] if "type" in answer else ()
        if len(answer) > 1:
            return ()
        answer = answer["decisions"]
    return answer if isinstance(answer, list) else ()


def _of_text(said: object, at_gate: bool) -> dict[str, Any]:
    """A text as a decision: what it begins with, else a comment beside the judges' rating, which a gate has not."""
    if not isinstance(said, str) or not said.strip():
        raise InputError("a response is a text")
    match = _SAID.fullmatch(said.strip())
    if match is None and at_gate:
        raise InputError("a comment alone decides nothing")
    if match is None:
        return {"type": "approve", "message": said.strip()}
    word, comment = match[1].lower(), (match[2] or "").strip()
    if (rating := stars(word)) is not None:
        return {"type": "edit", "rating": rating, "message": comment}
    return {"type": word, "message": comment}
