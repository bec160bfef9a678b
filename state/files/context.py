"""What people write as context, read as what is meant; what is not understood is named, never dropped."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from rlhf.state.files.tables import folded, parsed_json, refuse

KNOWN: Final = (
    "brand",
    "retailers",
    "channels",
    "aliases",
    "budget",
    "currency",
    "caps",
    "required_terms",
    "banned_terms",
    "disclosure",
    "disclosures",
    "max_words",
    "max_characters",
)
"""Keys that checks read; the same in any case."""
COLUMNS: Final = frozenset({*KNOWN, "notes"})
"""Columns beside the prompt that become context."""

_WORDS: Final = {"true": True, "yes": True, "false": False, "no": False}
_PLAIN: Final = re.compile(r"\d+(?:\.\d{1,2})?")
_GROUPED: Final = re.compile(r"\d{1,3}(?:(?:,\d{3})+|(?:[ '\u00a0\u202f’]\d{3})+)(?:\.\d{1,2})?")
_SHORT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM])")
_UNCLEAR: Final = re.compile(r"\d{1,3}(?:\.\d{3})+")
_THOUSANDS: Final = {"k": 1_000, "m": 1_000_000}
_SHOWN: Final = 60
_LONGEST_AMOUNT: Final = 18
"""More digits than a float keeps are an id, not money."""


def read_context(place: str, value: Mapping[str, Any], said: dict[str, str] | None = None) -> dict[str, Any]:
    """The context with known keys in lower case and their values as checks read them.

    `said` collects, by key, how the first such value was read or that it was not understood. InputError where two
    keys are the same but for their case.
    """
    read: dict[str, Any] = {}
    for name, given in value.items():
        key = folded(name) if isinstance(name, str) and folded(name) in KNOWN else name
        if key in read:
            refuse(place, f"context names {key} twice; keep one")
        kept, told = _value(place, key, given) if key in KNOWN else (given, "")
        read[key] = kept
        if said is not None and (told or key != name):
            said.setdefault(key, told or f"{name!r} as {key}")
    return read


def _value(place: str, key: str, value: Any) -> tuple[Any, str]:
    """The value as it is kept, and how it was read, where that is not as it stands."""
    if value is None or value == "":
        return value, ""
    if (
        isinstance(value, str)
        and key in ("retailers", "channels", "aliases", "caps")
        and value.lstrip()[:1] in ("[", "{")
    ):
        value = parsed_json(place, value, f"context {key}")
    if key in ("retailers", "channels"):
        return _list(key, value, r"[,;|\n]")
    if key in ("required_terms", "banned_terms", "disclosures"):
        return _list(key, value, r"[;|\n]")
    if key in ("budget", "max_words", "max_characters"):
        return _number(key, value, whole=key != "budget")
    if key == "caps":
        return _caps(key, value)
    if key == "disclosure" and isinstance(value, str) and value.strip().casefold() in _WORDS:
        kept = _WORDS[value.strip().casefold()]
        return kept, f"{key} {_shown(value)} as {str(kept).lower()}"
    shapes = {"brand": str | list, "currency": str, "aliases": dict, "disclosure": bool | str | list}
    if not isinstance(value, shapes[key]):
        return value, _not(key, value)
    return value, ""


def _list(key: str, value: Any, separators: str) -> tuple[Any, str]:
    if isinstance(value, list):
        odd = next((part for part in value if not isinstance(part, str)), None)
        return value, "" if odd is None else _not(key, odd)
    if not isinstance(value, str):
        return value, _not(key, value)
    parts = [part.strip() for part in re.split(separators, value) if part.strip()]
    if len(parts) > 1:
        return parts, f"{key} {_shown(value)} as {len(parts)}: {', '.join(map(_shown, parts[:5]))}"
    told = f"{key} {_shown(value)} as one; more are parted by semicolons" if "," in value else ""
    return value, told


def _number(key: str, value: Any, *, whole: bool) -> tuple[Any, str]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value, _not(key, value)
    if isinstance(value, float) and value.is_integer():
        return int(value) if whole else value, ""
    if not isinstance(value, str):
        return value, "" if isinstance(value, int) or not whole else _not(key, value)
    number = _amount(value.strip())
    if number is not None and (not whole or isinstance(number, int)):
        return number, f"{key} {_shown(value)} as {number}"
    bare = value.strip().isdigit() or _UNCLEAR.fullmatch(value.strip())
    if whole or bare or not re.search(r"\d", value):
        return value, _not(key, value)
    return value, ""


def _amount(text: str) -> int | float | None:
    """A bare number or "1.2M"; what names a currency stays text, which the checks read."""
    if len(text) > _LONGEST_AMOUNT:
        return None
    if match := _SHORT.fullmatch(text):
        scaled = float(match[1]) * _THOUSANDS[match[2].lower()]
        return int(scaled) if scaled.is_integer() else scaled
    if _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text):
        number = float(re.sub(r"[^\d.]", "", text))
        return int(number) if number.is_integer() and number < 1e15 else number
    return None


def _caps(key: str, value: Any) -> tuple[Any, str]:
    if isinstance(value, dict):
        return {name: _number(key, cap, whole=False)[0] for name, cap in value.items()}, ""
    if isinstance(value, str):
        parts = [
            re.split(r"\s*[:=]\s*", part.strip(), maxsplit=1)
            for part in re.split(r"[;|\n]", value)
            if part.strip()
        ]
        if parts and all(len(part) == 2 and part[0] and re.search(r"\d", part[1]) for part in parts):
            caps = {part[0]: _number(key, part[1], whole=False)[0] for part in parts}
            return caps, f"{key} {_shown(value)} as {_shown(caps)}"
    return value, _not(key, value)


def _not(key: str, value: Any) -> str:
    forms = {
        "budget": '100000 or "$1.2M"',
        "caps": '{"Target": 500}',
        "aliases": '{"Amazon": ["AMZ"]}',
        "disclosure": "true, or the text",
        "max_words": "a whole number",
        "max_characters": "a whole number",
        "brand": "text",
        "currency": '"USD"',
    }
    return f"{key} {_shown(value)} is not understood and checked by nothing: write {forms.get(key, 'a list of texts')}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text[:_SHOWN])
