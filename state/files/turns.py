"""The shapes rows come in (prompt, messages, ShareGPT, alpaca, TRL, question) as one: a prompt and its responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rlhf.state.files.tables import folded, parsed_json, refuse, refuse_twice

_ROLES: Final = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "chatbot": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}
_FORM: Final = (
    "give one question, with a system turn before it or none, or write the conversation as text into prompt"
)
_OPTIONAL: Final = frozenset(
    {"id", "context", "task_type", "category", "criterion", "score", "scale", "label", "votes"}
)
_RESPONSES: Final = ("response", "output", "completion", "answer")


@dataclass(frozen=True)
class Shape:
    """What a row asks, and what it holds as answers, by the name that tells several of a row apart ("" for one)."""

    prompt: object
    """The prompt, unchecked; None if there is none."""
    responses: dict[str, object]
    """Answers by name, unchecked; None and "" are both an empty one."""
    used: frozenset[str]
    """Keys of the row, in lower case, that were read."""
    note: str = ""
    """What people should know of how the row was read."""


def fields(place: str, row: object) -> dict[str, Any]:
    """A row with its keys in lower case, an empty cell of what may be left out as None; InputError if it is none."""
    if not isinstance(row, dict):
        kinds = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
        refuse(place, f"a row must be an object with a prompt, not {kinds.get(type(row), 'a number')}")
    names = [str(name) for name in row]
    refuse_twice(place, "the row", [name for name in names if name.strip()])
    values = {folded(str(name)): value for name, value in row.items()}
    return {name: None if value == "" and name in _OPTIONAL else value for name, value in values.items()}


def shape_of(place: str, values: Mapping[str, Any]) -> Shape:
    """Reads a row of `fields`; InputError where its turns cannot be kept as one question and its answer."""
    own = {name: values[name] for name in _RESPONSES if name in values}
    for name in ("prompt", "messages", "conversations"):
        turns = values.get(name)
        if isinstance(turns, str) and name != "prompt" and turns.strip():
            turns = parsed_json(place, turns, name)
        if isinstance(turns, list):
            return _of_turns(place, name, turns, values, own)
        if name == "prompt" and turns is not None:
            return _shape(turns, values, own, {"prompt"})
    if values.get("prompt") is None:
        if (instruction := values.get("instruction")) is not None:
            return _alpaca(instruction, values, own)
        if (question := values.get("question")) is not None:
            return _shape(question, values, own, {"question"})
        if isinstance(chosen := values.get("chosen"), list) and len(chosen) > 1:  # TRL's implicit prompt
            return _of_turns(place, "chosen", chosen[:-1], values, own)
    return _shape(None, values, own, {"prompt"})


def _alpaca(instruction: object, values: Mapping[str, Any], own: Mapping[str, object]) -> Shape:
    material = values.get("input")
    if isinstance(instruction, str) and isinstance(material, str) and material.strip():
        note = "input stands after instruction, parted by an empty line"
        return _shape(f"{instruction}\n\n{material}", values, own, {"instruction", "input"}, note)
    return _shape(instruction, values, own, {"instruction", "input"})


def _of_turns(
    place: str, name: str, turns: Sequence[Any], values: Mapping[str, Any], own: Mapping[str, object]
) -> Shape:
    read = [_turn(place, name, number, turn) for number, turn in enumerate(turns, 1)]
    if name == "conversations" and isinstance(system := values.get("system"), str) and system.strip():
        read.insert(0, ("system", system))
    answer: dict[str, object] = {}
    if read and read[-1][0] == "assistant":
        answer = {"": read.pop()[1]}
    roles = [role for role, _ in read]
    if roles == ["user"]:
        prompt, note = read[0][1], ""
    elif roles == ["system", "user"]:
        parts = [text for _, text in read if text.strip()]
        prompt, note = (
            "\n\n".join(parts),
            "the system turn stands before the question, parted by an empty line",
        )
    else:
        told = ", ".join(roles[:3]) + (", …" if len(roles) > 3 else "")
        refuse(place, f"{name} holds {f'the turns {told}' if roles else 'no question'}; {_FORM}")
    return _shape(
        prompt, values, own or answer, {name, "system"} if name == "conversations" else {name}, note
    )


def _turn(place: str, name: str, number: int, turn: object) -> tuple[str, str]:
    """Role (user, assistant or system) and text of a turn."""
    where = f"{name}, turn {number}"
    if not isinstance(turn, dict):
        refuse(place, f'{where} must be an object such as {{"role": "user", "content": "…"}}')
    given = turn.get("role", turn.get("from"))
    role = _ROLES.get(str(given).strip().casefold())
    if role is None:
        refuse(place, f"{where} has the role {str(given)[:40]!r}; there are user, assistant and system")
    text = text_of(turn.get("content", turn.get("value")))
    if text is None:
        refuse(place, f"{where} holds something other than text")
    return role, text


def text_of(content: object) -> str | None:
    """The text of a turn's content, a text or a list of text parts; None if it is something else."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    return None


def _shape(
    prompt: object, values: Mapping[str, Any], own: Mapping[str, object], used: set[str], note: str = ""
) -> Shape:
    pairs = {
        last: values[key]
        for key, last in (
            ("chosen", "chosen"),
            ("rejected", "rejected"),
            ("response_a", "a"),
            ("response_b", "b"),
        )
        if key in values and not own
    }
    filled = [value for value in own.values() if value not in (None, "")]
    found = {"": next(iter(filled), "")} if own else pairs
    return Shape(prompt, {name: _answer(value) for name, value in found.items()}, frozenset(used), note)


def _answer(value: object) -> object:
    """A response as text: the assistant's turn alone, or at the end of a list of turns, is its text."""
    if value is None:
        return ""
    turn = value[-1] if isinstance(value, list) and value else value
    if isinstance(turn, dict) and ("content" in turn or "value" in turn):
        text = text_of(turn.get("content", turn.get("value")))
        return value if text is None else text
    return value
