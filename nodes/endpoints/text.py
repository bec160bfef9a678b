"""The text of an answer: parts joined, reasoning left aside, characters that no text may hold replaced."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BROKEN: Final = re.compile("[\ud800-\udfff\x00]")

_REASONING: Final = ("think", "reason", "redacted")
"""What the types of the parts begin with, or hold, that are no answer."""


def cleaned(text: str) -> tuple[str, int]:
    """`text` with halves of surrogate pairs and NUL replaced by U+FFFD, one for one, and how many there were.

    Neither can be stored as UTF-8 or sent to PostgreSQL.
    """
    return _BROKEN.subn("\ufffd", text) if _BROKEN.search(text) else (text, 0)


def answer_text(message: Mapping[str, Any]) -> str:
    """What a message says: the arguments of its tool call, else its content without its parts of reasoning.

    Where a server has taken the whole answer for reasoning (vLLM does, without a think block), that is the answer if
    it is JSON from end to end: a chain of thought is not.
    """
    for call in [*(message.get("tool_calls") or []), {"function": message.get("function_call")}]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and function.get("arguments"):
            arguments = function["arguments"]
            return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    text = content_text(message)
    if text.strip():
        return text
    for name in ("reasoning_content", "reasoning"):
        thought = message.get(name)
        if isinstance(thought, str) and thought.lstrip().startswith("{") and thought.rstrip().endswith("}"):
            return thought
    return text


def is_objects(value: Any) -> bool:
    """Whether a value is a list of JSON objects."""
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def has_calls(message: Mapping[str, Any]) -> bool:
    """Whether the calls of a message, if it has any, are what the protocol calls so."""
    calls = message.get("tool_calls") or []
    return is_objects(calls) and all(isinstance(call.get("function") or {}, Mapping) for call in calls)


def content_text(message: Mapping[str, Any]) -> str:
    """What a message says in its content, without its parts of reasoning."""
    return _content(message.get("content"))


def _content(content: Any) -> str:
    """Content as a string, a list of parts, or an object that was meant to be one."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part) for part in content)
    if isinstance(content, Mapping):
        return _part(content) or json.dumps(content, ensure_ascii=False)
    return ""


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or any(word in str(part.get("type", "")) for word in _REASONING):
        return ""
    text = part.get("text")
    if isinstance(text, Mapping):  # {"type": "text", "text": {"value": …}}
        text = text.get("value")
    return text if isinstance(text, str) else ""
