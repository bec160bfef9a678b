"""What a server says when it does not answer: its sentence, its code and the wait it asks for, in any envelope."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rlhf.nodes.endpoints.waits import wait_in_body, wait_in_headers

_LONGEST: Final = 300
"""Characters of a server's sentence that people are shown."""

_SENTENCES: Final = (
    "message",
    "msg",
    "error",
    "detail",
    "details",
    "errors",
    "error_description",
    "title",
    "raw",
)
"""Where servers put their sentence; whichever are there are read, in this order."""

_CODES: Final = (
    "code",
    "type",
    "status",
    "param",
    "loc",
    "reason",
    "innererror",
    "finish_reason",
    "error_type",
)


@dataclass(frozen=True)
class Complaint:
    """A refusal as the server told it."""

    status: int
    """HTTP status, or the one that an error inside an answer names."""
    text: str
    """The server's sentence, one line, keys blotted out; says so where there is none."""
    words: str = ""
    """Sentence, codes and parameters together in small letters, for deciding what it is about."""
    wait: float | None = None
    """Seconds the server asks to wait."""
    promised: bool = False
    """Whether that wait was meant for this very refusal (Retry-After or the body), not read off a gauge."""

    def says(self, *patterns: str) -> bool:
        """Whether any of the regular expressions is found in its words."""
        return any(re.search(pattern, self.words) for pattern in patterns)


def complaint_of(status: int, headers: Mapping[str, str], content: str, key: str | None) -> Complaint:
    """Read a refusal. `content` is the body: JSON in any of the usual envelopes, HTML or plain text."""
    body = _json(content)
    if body is None:
        text = _of_html(content) if content.lstrip().startswith("<") else content
        return _made(status, headers, text, text, None, key)
    words = " ".join(_words(body))
    return _made(status, headers, _sentence(body), words, body, key)


def complaint_inside(body: Any, headers: Mapping[str, str], key: str | None) -> Complaint | None:
    """The error that an answer with status 200 carries instead of, or beside, what was asked; None if it has none."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if not error and body.get("object") == "error":
        error = body
    if (
        not error
        and not body.get("choices")
        and any(body.get(name) for name in ("detail", "errors", "message"))
    ):
        error = body
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    if not error and (choice.get("error") or choice.get("finish_reason") == "error"):
        error = choice.get("error") or {"message": "the answer ended with finish_reason error"}
    if not error:
        return None
    return _made(_status_in(error) or 500, headers, _sentence(error), " ".join(_words(error)), error, key)


def without_keys(text: str, key: str | None) -> str:
    """`text` with the key, and anything that looks like one, blotted out."""
    if key:
        text = text.replace(key, "[key]")
    return re.sub(
        r"\b(?:(?:sk|pk|key|gsk|AIza)[-_]?|Bearer )[\w*.\-]{12,}|\b(?:sk|pk|key)[-_][\w*.\-]{6,}",
        "[key]",
        text,
    )


def _made(
    status: int, headers: Mapping[str, str], sentence: str, words: str, body: Any, key: str | None
) -> Complaint:
    text = without_keys(" ".join(sentence.split()), key)
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    promised = wait_in_headers(headers, gauges=False)
    if promised is None:
        promised = wait_in_body(body, sentence)
    wait = promised if promised is not None else wait_in_headers(headers, gauges=True)
    return Complaint(
        status,
        text.rstrip(" .") or "the server gives no reason",
        words.lower()[:20_000],
        wait,
        promised is not None,
    )


def _json(text: str) -> Any:
    """The JSON a body or a string holds, if it is an object or a list; None otherwise."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _sentence(body: Any, depth: int = 0) -> str:
    """The sentences of an envelope, the outer before the inner, each once."""
    found: list[str] = []
    for part in _sentences(body, depth):
        part = " ".join(part.split())
        if part and not any(part in other for other in found):
            found.append(part)
    return ": ".join(found[:4])


def _sentences(value: Any, depth: int) -> Iterator[str]:
    if depth > 6:
        return
    if isinstance(value, str):
        inner = _json(value) if depth else None  # a gateway's sentence is often its provider's JSON
        if inner is None:
            yield value
        else:
            yield from _sentences(inner, depth + 1)
    elif isinstance(value, list):
        for each in value[:5]:
            yield from _sentences(each, depth + 1)
    elif isinstance(value, dict):
        if (
            isinstance(value.get("loc"), list) and "msg" in value
        ):  # pydantic's: the parameter and what is wrong
            yield f"{'.'.join(str(part) for part in value['loc'] if part != 'body')}: {value['msg']}"
            return
        for name in _SENTENCES:
            if value.get(name) and not (name == "details" and "message" in value):
                yield from _sentences(value[name], depth + 1)
        metadata = value.get("metadata")
        if isinstance(metadata, dict) and metadata.get("raw"):  # OpenRouter: what its provider said
            yield from _sentences(metadata["raw"], depth + 1)


def _words(value: Any, depth: int = 0) -> Iterator[str]:
    """All text of an envelope and the names of its keys."""
    if depth > 8:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "failed_generation":  # what the model wrote is not what the server says
                yield name
                continue
            if name in _CODES:
                yield name
            yield from _words(each, depth + 1)
    elif isinstance(value, list):
        for each in value[:20]:
            yield from _words(each, depth + 1)
    elif isinstance(value, str):
        inner = _json(value)
        if inner is None:
            yield value
        else:
            yield from _words(inner, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _status_in(error: Any) -> int | None:
    """The HTTP status that an error object names as its code or status."""
    if not isinstance(error, dict):
        return None
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return value
    inner = error.get("error")
    if isinstance(inner, dict):
        return _status_in(inner)
    words = " ".join(_words(error)).lower()
    for pattern, status in (
        (r"rate.?limit|too many requests|resource_exhausted", 429),
        (r"insufficient (?:credits|balance|funds)|payment required", 402),
        (r"invalid_request|badrequest|bad_request", 400),
    ):
        if re.search(pattern, words):
            return status
    return None


def _of_html(page: str) -> str:
    """What a page's title or first heading says."""
    found = re.search(r"<(title|h1)[^>]*>(.*?)</\1>", page, re.IGNORECASE | re.DOTALL)
    return f"a web page, {re.sub('<[^>]*>', ' ', found[2]).strip()!r}" if found else "a web page"
