"""How long a server asks to be left alone: Retry-After, reset headers, or a delay in the text of its refusal."""

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_NEVER: Final = 10**15
"""Seconds, or thousandths, that nobody means."""

_SPAN: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|hours?|hrs?|minutes?|mins?|seconds?|secs?|days?|[smhd])(?![a-z])"
)
_PLAIN: Final = re.compile(r"\d{1,14}(?:\.\d{1,9})?")

_ASKED: Final = re.compile(
    r"(?:re-?try|try again|wait|available|reset|resume)\w*\s+(?:again\s+)?(?:after|in|for|at least)?\s*:?\s*"
    r"((?:\d+(?:\.\d+)?\s*[a-z]+\s*)+)"
)
"""retry in 38.2s, try again in 1m3.5s, wait 20 seconds, retry after 6ms"""

_GAUGES: Final = re.compile(
    r"(?:x-|anthropic-)?rate-?limit-(?:(?P<before>[\w-]+)-)?reset(?:-(?P<after>[\w-]+))?"
)


def wait_in_headers(headers: Mapping[str, str], *, gauges: bool = True) -> float | None:
    """Seconds from retry-after-ms or Retry-After (seconds, a span or a date), else from reset headers if `gauges`.

    Of several gauges the longest that is used up counts, or the shortest where none says so. None if there is none
    or it is nonsense.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if _PLAIN.fullmatch(text):
            return float(text) * unit
        if (wait := _span(text)) is not None or (wait := _until(text)) is not None:
            return wait
    return _of_gauges(headers) if gauges else None


def _of_gauges(headers: Mapping[str, str]) -> float | None:
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    empty: list[float] = []
    others: list[float] = []
    for name, value in lower.items():
        if (match := _GAUGES.fullmatch(name)) is None or (wait := _moment(value)) is None:
            continue
        what = match["after"] or match["before"]
        left = lower.get(name.replace("reset", "remaining"), "")
        (empty if left in ("0", "0.0") else others).append(wait)
        if what is None:
            empty.append(wait)
    if empty:
        return max(empty)
    return min(others, default=None)


def wait_in_body(body: Any, sentence: str) -> float | None:
    """Seconds that a refusal's body names: Google's retryDelay, a retry_after field, or words in its sentence."""
    for name, value in _fields(body):
        if name in ("retrydelay", "retry_delay", "retry_after", "retryafter", "retry_after_seconds"):
            if _is_wait(value):
                return float(value)
            if isinstance(value, str) and (wait := _moment(value.strip())) is not None:
                return wait
        if name == "retry_after_ms" and _is_wait(value):
            return float(value) * 0.001
    if asked := _ASKED.search(sentence.lower()):
        return _span(asked[1].strip(), whole=False)
    return None


def _is_wait(value: Any) -> bool:
    """Whether a number can be a wait; one too long for a float is nonsense."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _NEVER


def _fields(value: Any, depth: int = 0) -> list[tuple[str, Any]]:
    if depth > 6:
        return []
    if isinstance(value, list):
        return [pair for each in value[:20] for pair in _fields(each, depth + 1)]
    if not isinstance(value, dict):
        return []
    found = []
    for name, each in value.items():
        found.append((str(name).lower(), each))
        found += _fields(each, depth + 1)
    return found


def _moment(text: str) -> float | None:
    """Seconds from now to what a reset header says: a span (6m0s), seconds, or a point in time."""
    if _PLAIN.fullmatch(text):
        number = float(text)
        if number > 1e11:  # milliseconds since 1970
            number /= 1000.0
        return max(0.0, number - time.time()) if number > 1e9 else number
    wait = _span(text)
    return wait if wait is not None else _until(text)


def _span(text: str, *, whole: bool = True) -> float | None:
    """Seconds in 38.2s, 6m0s, 1h2m or 20 seconds."""
    low = text.lower()
    parts = list(_SPAN.finditer(low))
    if not parts or (whole and _SPAN.sub("", low).strip(" ,")):
        return None
    return sum(
        float(part[1]) * _UNITS["ms" if part[2].startswith(("ms", "milli")) else part[2][0]] for part in parts
    )


def _until(text: str) -> float | None:
    """Seconds to a date as HTTP or ISO 8601 writes it, none if it is past."""
    moment = None
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        if re.match(r"\d{4}-\d\d-\d\dT", text):
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                return None
    return None if moment is None else max(0.0, moment.timestamp() - time.time())
