"""The shapes rows come in (prompt, messages, ShareGPT, alpaca, TRL, question) as one: a prompt and its responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rlhf.state.conversation import Role, Turn
from rlhf.state.files.tables import folded, parsed_json, refuse, refuse_twice

_ROLES: Final[dict[str, Role]] = {
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
_FORM: Final = "a system turn or none comes first, then user and assistant in turn"
_OPTIONAL: Final = frozenset(
    {"id", "context", "task_type", "category", "criterion", "score", "scale", "label", "votes"}
)
_RESPONSES: Final = ("response", "output", "completion", "answer")


@dataclass(frozen=True)
class Shape:
    """What a row asks, and what it holds as answers, by the name that tells several of a row apart ("" for one)."""

    prompt: object
    """The prompt: the turns of a conversation, or a text, unchecked; None if there is none."""
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
    """Reads a row of `fields`; InputError where its turns are no conversation."""
    own = {name: values[name] for name in _RESPONSES if name in values}
    if isinstance(turns := values.get("turns"), list) and turns:  # feedback and labels of ours
        return _of_turns(place, "turns", turns, values, own)
    for name in ("prompt", "messages", "conversations"):
        turns = values.get(name)
        if isinstance(turns, str) and name != "prompt" and turns.strip():
            turns = parsed_json(place, turns, name)
        if isinstance(turns, list):
            return _of_turns(place, name, turns, values, own)
        if name == "prompt" and turns is not None and not (turns == "" and values.get("messages")):
            return _asked(place, turns, values, own, {"prompt"})
    if values.get("prompt") is None:
        if (instruction := values.get("instruction")) is not None:
            return _alpaca(place, instruction, values, own)
        if (question := values.get("question")) is not None:
            return _asked(place, question, values, own, {"question"})
        if isinstance(chosen := values.get("chosen"), list) and len(chosen) > 1:  # TRL's implicit prompt
            return _of_turns(place, "chosen", chosen[:-1], values, own)
    return _shape(None, values, own, {"prompt"})


def _asked(
    place: str,
    question: object,
    values: Mapping[str, Any],
    own: Mapping[str, object],
    used: set[str],
    note: str = "",
) -> Shape:
    """A question, and before it the row's `system` text and the exchanges of its `history`."""
    system, history = values.get("system"), values.get("history")
    if isinstance(history, str) and history.strip():
        history = parsed_json(place, history, "history")
    before: list[Turn] = []
    if isinstance(system, str) and system.strip():
        before.append(Turn(role="system", content=system))
    for number, exchange in enumerate(history if isinstance(history, list) else [], 1):
        if not (
            isinstance(exchange, list) and len(exchange) == 2 and all(isinstance(e, str) for e in exchange)
        ):
            refuse(
                place, f"history, exchange {number} must be a question and its answer, a list of two texts"
            )
        before += [Turn(role="user", content=exchange[0]), Turn(role="assistant", content=exchange[1])]
    if before and isinstance(question, str):
        turns = [*before, Turn(role="user", content=question)]
        return _shape(turns, values, own, used | {"system", "history"}, note)
    return _shape(question, values, own, used, note)


def _alpaca(place: str, instruction: object, values: Mapping[str, Any], own: Mapping[str, object]) -> Shape:
    material, used = values.get("input"), {"instruction", "input"}
    if isinstance(instruction, str) and isinstance(material, str) and material.strip():
        note = "input stands after instruction, parted by an empty line"
        return _asked(place, f"{instruction}\n\n{material}", values, own, used, note)
    return _asked(place, instruction, values, own, used)


def _of_turns(
    place: str, name: str, given: Sequence[Any], values: Mapping[str, Any], own: Mapping[str, object]
) -> Shape:
    """A list of turns: what stands before the last answer is the prompt, that answer the response."""
    turns = [turn for number, each in enumerate(given, 1) if (turn := _turn(place, name, number, each))]
    system = values.get("system")
    if isinstance(system, str) and system.strip() and not (turns and turns[0].role == "system"):
        turns.insert(0, Turn(role="system", content=system))
    answer: dict[str, object] = {}
    if turns and turns[-1].role == "assistant":
        answer = {"": turns.pop().content}
    _check_order(place, name, [turn.role for turn in turns])
    return _shape(turns, values, own or answer, {name, "system"})


def _check_order(place: str, name: str, roles: Sequence[str]) -> None:
    """Refuses what no chat template could render: turns that do not alternate, or that ask nothing."""
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    if not spoken:
        refuse(place, f"{name} holds no question; {_FORM}")
    for number, role in enumerate(spoken):
        if role != ("user", "assistant")[number % 2]:
            told = ", ".join(roles[:5]) + (", …" if len(roles) > 5 else "")
            refuse(place, f"{name} holds the turns {told}, which do not alternate; {_FORM}")
    if spoken[-1] != "user":
        refuse(place, f"{name} ends with an answer, and another one stands before it; {_FORM}")


def _turn(place: str, name: str, number: int, given: object) -> Turn | None:
    """A turn; None for an empty system turn, which says nothing."""
    where = f"{name}, turn {number}"
    if not isinstance(given, dict):
        refuse(place, f'{where} must be an object such as {{"role": "user", "content": "…"}}')
    named = given.get("role", given.get("from"))
    role = _ROLES.get(str(named).strip().casefold())
    if role is None:
        refuse(place, f"{where} has the role {str(named)[:40]!r}; there are user, assistant and system")
    if given.get("tool_calls") or given.get("function_call"):
        refuse(place, f"{where} calls a tool; write what was said, or leave the row out")
    text = text_of(given.get("content", given.get("value")))
    if text is None:
        refuse(place, f"{where} holds something other than text")
    return None if role == "system" and not text.strip() else Turn(role=role, content=text)


def text_of(content: object) -> str | None:
    """The text of a turn's content, a text or a list of text parts; None if it is something else."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        parts = [_part_text(part) if isinstance(part, dict) else part for part in content]
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    return None


def _part_text(part: Mapping[str, Any]) -> object:
    """LLaMA-Factory calls the text of a part its value, and so the path of a picture: there its type decides."""
    return part.get("value") if part.get("type") == "text" and "text" not in part else part.get("text")


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
