"""Puts a completion together that came as a stream of events although none was asked for."""

import json
from collections.abc import Mapping
from typing import Any

from rlhf.nodes.endpoints.text import has_calls, is_objects


def assembled(text: str) -> dict[str, Any] | None:
    """The completion, or the error, that a text/event-stream amounts to; None where it stopped before its end."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": ""}}
    result: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
    tokens: list[Any] = []
    calls: dict[int, dict[str, Any]] = {}
    ended = False
    for event in _events(text):
        if event == "[DONE]":
            ended = True
            continue
        try:
            value = json.loads(event)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        if value.get("error"):
            return value
        if not _is_part(value):
            return None
        if value.get("usage"):
            result["usage"] = value["usage"]
        for part in value.get("choices") or []:
            if part.get("index", 0) != 0:
                continue
            if part.get("finish_reason"):
                choice["finish_reason"] = part["finish_reason"]
                ended = True
            if part.get("error"):
                choice["error"] = part["error"]
            tokens += (part.get("logprobs") or {}).get("content") or []
            _add(choice["message"], calls, part.get("delta") or part.get("message") or {})
    if calls:
        choice["message"]["tool_calls"] = [calls[place] for place in sorted(calls)]
    if tokens:
        choice["logprobs"] = {"content": tokens}
    return result if ended else None


def _is_part(value: Mapping[str, Any]) -> bool:
    """Whether an event has the types of the protocol wherever they are read here."""
    choices = value.get("choices") or []
    return is_objects(choices) and all(
        all(isinstance(part.get(name) or {}, dict) for name in ("delta", "message", "logprobs"))
        and isinstance((part.get("logprobs") or {}).get("content") or [], list)
        and _is_delta(part.get("delta") or part.get("message") or {})
        for part in choices
    )


def _is_delta(delta: Mapping[str, Any]) -> bool:
    calls = delta.get("tool_calls") or []
    return has_calls(delta) and all(
        isinstance(call.get("index", 0), int)
        and all(
            isinstance((call.get("function") or {}).get(name) or "", str) for name in ("name", "arguments")
        )
        for call in calls
    )


def _events(text: str) -> list[str]:
    """The data of each event; an event's lines belong together."""
    found: list[str] = []
    lines: list[str] = []
    for line in [*text.replace("\r\n", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            lines.append(line[5:].strip())
        elif not line and lines:
            found.append("\n".join(lines))
            lines = []
    return found


def _add(message: dict[str, Any], calls: dict[int, dict[str, Any]], delta: dict[str, Any]) -> None:
    for name in ("content", "reasoning_content", "reasoning", "refusal"):
        if isinstance(piece := delta.get(name), str):
            message[name] = (message.get(name) or "") + piece
    for piece in delta.get("tool_calls") or []:
        function = piece.get("function") or {}
        call = calls.setdefault(
            piece.get("index", 0), {"type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
