"""Finds the JSON in what a model wrote: after its reasoning, among prose and fences, with the slips models make.

Positions in the text are kept, so that a level's log-probabilities can be found again.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_OPENS: Final = re.compile(
    r"<(think|thinking|thought|reasoning|analysis|seed:think)>|\[THINK\]|◁think▷|<\|channel\|>\s*analysis\b",
    re.IGNORECASE,
)
_CLOSES: Final = re.compile(
    r"</(think|thinking|thought|reasoning|analysis|seed:think)>|\[/THINK\]|◁/think▷"
    r"|<\|channel\|>\s*final\s*<\|message\|>|<\|end_of_thought\|>",
    re.IGNORECASE,
)
_NEXT: Final = re.compile(rf"{_OPENS.pattern}|{_CLOSES.pattern}|[{{\[]", re.IGNORECASE)

_MOST: Final = 200
"""Beginnings of objects that are looked into; a verdict is one of the first."""


@dataclass(frozen=True)
class Found:
    """A JSON value and where it stands in the text."""

    value: Any
    start: int
    end: int
    repaired: bool = False
    """Whether it was no JSON as it stood: its keys and values may be elsewhere than JSON would have them."""


@dataclass(frozen=True)
class Torso:
    """What begins like JSON and never ends; what it would have said is not known."""

    start: int


class Doubled(dict[str, Any]):
    """An object in which a key stands twice with two values: nobody knows which one was meant."""


def found_in(text: str) -> list[Found | Torso]:
    """The JSON objects and lists of an answer, in order, without those of its reasoning.

    A block of reasoning is left out with its tags; before a closing tag alone (the template supplied the opening
    one) everything is reasoning; after an opening tag that is never closed everything is.
    """
    found: list[Found | Torso] = []
    place = 0
    for _ in range(_MOST):
        match = _NEXT.search(text, place)
        if match is None:
            break
        if match[0] not in "{[":
            if _OPENS.fullmatch(match[0]):
                end = _CLOSES.search(text, match.end())
                if end is None:
                    break
                place = end.end()
            else:
                found, place = [], match.end()
            continue
        each = _value_at(text, match.start())
        if each is None:
            place = match.end()
        elif isinstance(each, Torso):
            found.append(each)
            closing = _CLOSES.search(text, match.end())
            if closing is None:
                break
            found, place = [], closing.end()
        else:
            found.append(each)
            place = each.end
    return found


def only_reasoning(text: str) -> bool:
    """Whether an answer never came out of its reasoning."""
    opened = _OPENS.search(text)
    return opened is not None and _CLOSES.search(text, opened.end()) is None


def after_reasoning(text: str) -> int:
    """Where the answer begins behind its reasoning; 0 if there is none before it."""
    closes = list(_CLOSES.finditer(text))
    return closes[-1].end() if closes else 0


def _value_at(text: str, start: int) -> Found | Torso | None:
    """The value that begins at a bracket; None for a bracket of prose."""
    decode = json.JSONDecoder(strict=False, object_pairs_hook=_object).raw_decode
    try:
        value, end = decode(text, start)
        return Found(value, start, end)
    except (ValueError, RecursionError):
        pass
    if not re.match(r"[{\[]\s*(?:[\"'“{\[}\]]|\w+\s*:)", text[start : start + 200]):
        return None
    closed = _end_of(text, start)
    if closed is None:
        return Torso(start) if text[start] == "{" else None
    end = closed
    try:
        mended = _without_trailing_commas(text[start:end])
        return Found(decode(mended, 0)[0], start, end)
    except (ValueError, RecursionError):
        pass
    return _repaired(text, start, end)


def _repaired(text: str, start: int, end: int) -> Found | None:
    """What a balanced span means by the rules of json-repair: single quotes, bare keys, Python's words."""
    from json_repair import repair_json

    span = text[start:end]
    keys = [key.lower() for key in re.findall(r"[\"']?(\w+)[\"']?\s*:", span)]
    try:
        value = repair_json(span, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict | list):
        return None
    if keys.count("level") > len(_levels(value)):  # one stood twice, and the library took the last
        return Found(Doubled(), start, end, repaired=True)
    return Found(value, start, end, repaired=True)


def _levels(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [level for each in value for level in _levels(each)]
    if not isinstance(value, dict):
        return []
    own = [each for name, each in value.items() if str(name).lower() == "level"]
    return own + [level for each in value.values() for level in _levels(each)]


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a `Doubled` one where a key of weight stands twice with two values."""
    found = dict(members)
    if len(found) != len(members):
        for name, value in members:
            said = isinstance(value, str | list) and name.lower() in ("rationale", "strengths", "weaknesses")
            if found[name] != value and not said:
                return Doubled(found)
    return found


def _end_of(text: str, start: int) -> int | None:
    """Where the bracket at `start` is closed, strings left aside; None if it never is."""
    depth = 0
    quote = ""
    single = re.match(r"[{\[]\s*'", text[start : start + 50]) is not None
    place = start
    while place < len(text):
        char = text[place]
        if quote:
            if char == "\\":
                place += 1
            elif char == quote and (quote == '"' or re.match(r"'\s*[,:}\]]", text[place : place + 20])):
                quote = ""
        elif char == '"' or (single and char == "'"):
            quote = char
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return None


def _without_trailing_commas(span: str) -> str:
    """Commas before a closing bracket as blanks, so that everything stays in its place."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', span)
    return "".join(part if n % 2 else re.sub(r",(\s*[}\]])", r" \1", part) for n, part in enumerate(parts))


def members(text: str, start: int) -> Iterator[tuple[str | int, int]]:
    """Keys (or places) of the JSON object (or list) at `start` and where their values begin.

    Raises ValueError where the text there is no JSON.
    """
    decode = json.JSONDecoder(strict=False).raw_decode
    is_list = text[start] == "["
    place, number = _past_space(text, start + 1), 0
    while text[place] not in "}]":
        key: str | int = number
        if not is_list:
            key, place = decode(text, place)
            place = _past_space(text, _past_space(text, place) + 1)  # after the colon
        yield key, place
        place = _past_space(text, decode(text, place)[1])
        number += 1
        if text[place] == ",":
            place = _past_space(text, place + 1)


def _past_space(text: str, place: int) -> int:
    while text[place] in " \t\r\n":
        place += 1
    return place
