"""The shapes in which models write a verdict, and which of them can be read without a guess."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from rlhf.nodes.crews.objects import Doubled, Found, found_in
from rlhf.nodes.endpoints.text import cleaned
from rlhf.prompts.messages import VerdictAnswer
from rlhf.state.records import FailureKind

Path = tuple[str | int, ...]
"""Keys and places that lead to a value."""


class Unreadable(Exception):
    """An answer that is no verdict; `kind` says how, the text says to the model what is wrong with it."""

    def __init__(self, kind: FailureKind, complaint: str, *, cut: bool = False) -> None:
        super().__init__(complaint)
        self.kind = kind
        self.cut = cut
        """Whether the answer ended at the token limit."""

    def told(self, max_tokens: int) -> str:
        """What is wrong, for people; `max_tokens` is the limit that the answer had."""
        return (
            f"the answer was cut off at the token limit: raise judge.max_tokens ({max_tokens})"
            if self.cut
            else str(self)
        )


DOUBLED: Final = "a key is written twice, so nobody knows which one was meant"

_SCHEMA: Final = frozenset({"type", "minimum", "maximum", "title", "$ref", "enum", "anyOf"})


def unwrapped(value: Any, *keys: str) -> tuple[dict[str, Any], Path] | None:
    """The object that has one of `keys`, out of what is wrapped around it, and its path.

    Wrapped may be: one key, a list of one, or a string that is JSON itself.
    """
    path: Path = ()
    for _ in range(4):
        if isinstance(value, Mapping):
            if any(key_like(value, key) is not None for key in keys):
                return dict(value) if not isinstance(value, Doubled) else value, path
            if len(value) != 1:
                return None
            [(key, value)] = value.items()
            path = (*path, key)
        elif isinstance(value, list):
            if len(value) != 1:
                return None
            value, path = value[0], (*path, 0)
        elif isinstance(value, str) and len(inner := found_in(value)) == 1 and isinstance(inner[0], Found):
            value, path = inner[0].value, (*path, "")  # written twice over: no place in the text
        else:
            return None
    return None


def key_like(value: Mapping[str, Any], name: str) -> str | None:
    """The key that means `name`: itself, or in other letters and with blanks or dashes, if there is but one."""
    if name in value:
        return name
    alike = [
        key for key in value if isinstance(key, str) and re.sub(r"[\s-]+", "_", key.strip()).lower() == name
    ]
    return alike[0] if len(alike) == 1 else None


def verdict_of(value: Any) -> tuple[VerdictAnswer, int]:
    """A verdict in whatever unambiguous shape, and how many of its characters had to be replaced."""
    if isinstance(value, Doubled):
        raise Unreadable(FailureKind.UNPARSABLE, DOUBLED)
    if not isinstance(value, Mapping):
        raise Unreadable(
            FailureKind.UNPARSABLE, f"not a JSON object but {json.dumps(value, default=str)[:40]}"
        )
    key = key_like(value, "level")
    if key is None:
        raise Unreadable(FailureKind.UNPARSABLE, "level: the key is missing, or there in two spellings")
    level = _level(value[key])
    parts = {
        name: value.get(key_like(value, name) or name) for name in ("strengths", "weaknesses", "rationale")
    }
    strengths, a = _clean_list(parts["strengths"])
    weaknesses, b = _clean_list(parts["weaknesses"])
    rationale, c = cleaned(" ".join(_texts(parts["rationale"])))
    return VerdictAnswer(
        level=level, strengths=strengths, weaknesses=weaknesses, rationale=rationale
    ), a + b + c


def _level(value: Any) -> int:
    """A whole level of 0–5, written as 4, 4.0, "4", "4/5" or "Level 4". Raises Unreadable."""
    shown = json.dumps(value, default=str)[:60]
    if isinstance(value, Mapping) and _SCHEMA & value.keys():
        raise Unreadable(FailureKind.UNPARSABLE, "level: it repeats the schema instead of filling it in")
    if isinstance(value, str):
        match = re.fullmatch(
            r"\s*(?:level\s*:?\s*)?(-?\d{1,9}(?:\.\d{1,9})?)\s*(?:/\s*5|out of 5)?\s*\.?\s*",
            value,
            re.IGNORECASE,
        )
        number = float(match[1]) if match else None
    else:
        # Compared before it is made a float: JSON's whole numbers may be longer than any float.
        small = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**300
        number = float(value) if small else None
    if number is None or not math.isfinite(number):
        raise Unreadable(FailureKind.UNPARSABLE, f"level: not a whole number from 0 to 5 but {shown}")
    if not 0 <= number <= 5:
        raise Unreadable(FailureKind.OUT_OF_RANGE, f"level: {shown} is not one of 0 to 5")
    if number != int(number):
        raise Unreadable(
            FailureKind.UNPARSABLE, f"level: {shown} lies between two levels; the scale is whole"
        )
    return int(number)


def _clean_list(value: Any) -> tuple[list[str], int]:
    pairs = [cleaned(text) for text in _texts(value) if text.strip()]
    return [text for text, _ in pairs], sum(count for _, count in pairs)


def _texts(value: Any) -> list[str]:
    """Sentences as a list, whether they came as one, as several, as objects or not at all."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [" ".join(text for each in value.values() for text in _texts(each))]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [str(value)]
