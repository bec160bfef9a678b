"""Takes secrets out of what leaves this machine: keys by the value of their variable, and whatever looks like one."""

import functools
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from rlhf.state.settings import Settings

PLACEHOLDER: Final = "[redacted]"

_named: set[str] = set()
"""Variables that the recipes in use name as holding a key."""

_HOLDS_A_SECRET: Final = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
_SURELY_SECRET: Final = 16
"""Characters from which the value of such a variable is taken for a secret, although no recipe names it."""
_WHOLE_WORD: Final = 8
"""A named variable's value shorter than this is blotted out as a whole word only: "none" is a key to some servers."""

_SECRET_FIELD: Final = re.compile(
    r"(?:^|.*[_-])(?:authorization|api[_-]?key|cookie|password|passwd|secret|access[_-]?token|auth[_-]?token)$",
    re.IGNORECASE,
)

# Each begins with something fixed, so that no text, however long or hostile, takes more than linear time.
_OWN_RULES: Final = (
    (
        re.compile(
            r"\b(authorization[\"']?\s{0,3}[:=,]\s{0,3}[\"']?(?:(?:bearer|basic|token)\s)?)[^\s\"',]{4,}",
            re.I,
        ),
        1,
    ),
    (re.compile(r"\b((?:bearer|basic)\s)[\w.~+/=-]{8,}", re.I), 1),
    (
        re.compile(
            r"((?:api[_-]?key|secret|access[_-]?key|private[_-]?key|password|passwd|auth[_-]?token)"
            r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?)[^\s\"'&;,]{6,}",
            re.I,
        ),
        1,
    ),
    (re.compile(r"(://[^\s:@/]{0,64}:)[^\s@/]{1,128}(?=@)"), 1),
    (re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)[\w+/=:,.\s\\]+"), 1),
    (re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]+\.[\w-]+"), 0),
    (re.compile(r"\bsk[-_][\w-]{8,}"), 0),
    (re.compile(r"\b(?:pk|rk)[-_](?=[A-Za-z_-]{0,64}\d)[\w-]{8,}"), 0),
)


def protect(settings: Settings) -> None:
    """Never let the keys of this recipe's endpoints leave, whatever they look like."""
    for section in (settings.policy, settings.judge):
        if name := section.endpoint().api_key_env:
            _named.add(name)


def redacted(value: Any) -> Any:
    """A copy of a JSON-like value with every secret in it replaced by "[redacted]".

    Secrets are: values of variables that recipes name as `api_key_env`; long values of variables whose name
    ends in KEY, TOKEN, SECRET or PASSWORD; what has the form of a provider's key or of a credential in a
    header or an address; and text under a field such as `authorization` or `api_key`.
    """
    return _walked(value, _known_values(tuple(sorted(_values()))))


def _walked(value: Any, known: "re.Pattern[str] | None") -> Any:
    if isinstance(value, str):
        return _clean(value, known)
    if isinstance(value, Mapping):
        return {
            _clean(name, known) if isinstance(name, str) else name: PLACEHOLDER
            if isinstance(name, str) and isinstance(part, str) and part and _SECRET_FIELD.match(name)
            else _walked(part, known)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walked(part, known) for part in value]
    return value


def error_without_texts(value: Any) -> Any:
    """`redacted`, and of an error only its kind: its words may quote a prompt or a response."""
    if isinstance(value, Mapping) and list(value) == ["error"] and isinstance(value["error"], str):
        kind = re.match(r"[A-Za-z_][\w.]{0,80}", value["error"])
        return {"error": f"{kind[0] if kind else 'Error'} (its text is hidden)"}
    return redacted(value)


def _clean(text: str, known: "re.Pattern[str] | None") -> str:
    if known is not None:
        text = known.sub(PLACEHOLDER, text)
    for pattern, kept in _OWN_RULES:
        text = pattern.sub(rf"\g<1>{PLACEHOLDER}" if kept else PLACEHOLDER, text)
    for pattern in _provider_rules():
        text = pattern.sub(PLACEHOLDER, text)
    return text


def _values() -> set[tuple[str, bool]]:
    """What is secret, and whether it is also blotted out inside a word."""
    found = set()
    for name, value in os.environ.items():
        value = value.strip()
        if name in _named and value:
            found.add((value, len(value) >= _WHOLE_WORD))
        elif len(value) >= _SURELY_SECRET and _HOLDS_A_SECRET.search(name):
            found.add((value, True))
    return found


@functools.lru_cache(maxsize=8)
def _known_values(values: tuple[tuple[str, bool], ...]) -> "re.Pattern[str] | None":
    if not values:
        return None
    longest_first = sorted(values, key=lambda each: -len(each[0]))
    return re.compile(
        "|".join(
            re.escape(text) if anywhere else rf"(?<!\w){re.escape(text)}(?!\w)"
            for text, anywhere in longest_first
        )
    )


@functools.cache
def _provider_rules() -> "list[re.Pattern[str]]":
    """LangSmith's patterns of providers' keys.

    Its case-blind rules, and those of several parts, are left out: on some texts they take quadratic time, on
    the event loop, and our own cover what they do.
    """
    from langsmith.anonymizer import DEFAULT_SECRET_RULES

    patterns = [rule["pattern"] for rule in DEFAULT_SECRET_RULES]
    return [
        pattern
        for pattern in patterns
        if not pattern.flags & re.IGNORECASE and not pattern.pattern.startswith(("eyJ", "-----"))
    ]
