"""The table of scripted answers: rows of answers/*.yaml as scripts of the scripted endpoint.

A new quirk of a provider is a new row there. `source` is where it was reported (OWNER/REPOSITORY#NUMBER), `protocol`
for what the protocol itself says, or `own`.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rlhf.nodes.endpoints.text import answer_text
from tests.scripted_endpoint import Reply, Request, Script, chat_reply

FOLDER = Path(__file__).parent / "answers"

_VERDICT = '{"rationale": "Sound.", "strengths": ["Short."], "weaknesses": [], "level": %s}'

SPREAD = {"3": 0.1, "4": 0.7, "5": 0.2}
"""Probabilities at the level's token where log-probabilities are sent: the expected level is 4.1."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    file: str
    values: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.values["id"])

    @property
    def compact(self) -> bool:
        return "compact" in self.values

    @property
    def message(self) -> dict[str, Any]:
        """The message of the answer, its level's digit marked."""
        if "message" in self.values:
            return dict(self.values["message"])
        return {"content": self.values["compact"] if self.compact else self.values["content"]}


def rows(file: str) -> list[Row]:
    """The rows of a file of the table."""
    return [Row(file, values) for values in yaml.safe_load((FOLDER / f"{file}.yaml").read_text("utf-8"))]


def answering(row: Row, *, logprobs: bool) -> Script:
    """A script that always gives the answer of a row of shapes or ambiguities."""

    def script(request: Request) -> Reply:
        message = _filled(row.message)
        tokens = _tokens(answer_text(message)) if logprobs else []
        return chat_reply(
            request,
            None,
            tokens,
            finish_reason=row.values.get("finish_reason", "stop"),
            message=_unmarked(message),
        )

    return script


def replying(row: Row) -> Script:
    """A script that replies by the first of the row's replies that applies, else with a plain verdict."""

    def script(request: Request) -> Reply:
        for reply in row.values["replies"]:
            if _applies(reply.get("if", {}), request):
                return _reply(reply, request)
        return _plain(request)

    return script


def value_at(body: dict[str, Any], dotted: str) -> Any:
    """What a request's body holds at a.b.c; None if nothing."""
    value: Any = body
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _applies(condition: dict[str, Any], request: Request) -> bool:
    body = request.body
    tests: dict[str, Callable[[Any], bool]] = {
        "has": lambda wanted: value_at(body, wanted) is not None,
        "above": lambda wanted: all((value_at(body, name) or 0) > most for name, most in wanted.items()),
        "equal": lambda wanted: all(value_at(body, name) == value for name, value in wanted.items()),
        "role": lambda wanted: any(message["role"] == wanted for message in body["messages"]),
        "call": lambda wanted: request.number == wanted,
        "upto": lambda wanted: request.number <= wanted,
    }
    return all(tests[name](wanted) for name, wanted in condition.items())


def _reply(reply: dict[str, Any], request: Request) -> Reply:
    if "stream" in reply:
        return _streamed(request, cut=reply["stream"] == "cut")
    if "content" in reply:
        answer = chat_reply(request, reply["content"], finish_reason=reply.get("finish_reason", "stop"))
        if reply.get("latin1"):
            return Reply(json.dumps(answer.body, ensure_ascii=False).encode("latin-1"))
        return answer
    headers = reply.get("headers", {})
    if "text" in reply:
        return Reply(reply["text"].encode(), reply["status"], headers)
    return Reply(json.dumps(reply["body"]).encode(), reply["status"], headers)


def _plain(request: Request) -> Reply:
    text = _VERDICT % "4"
    if "tools" in request.body:
        call = {"id": "1", "type": "function", "function": {"name": "verdict", "arguments": text}}
        return chat_reply(request, None, message={"tool_calls": [call]})
    return chat_reply(request, text)


def _streamed(request: Request, *, cut: bool) -> Reply:
    text = _VERDICT % "4"
    parts: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text[n : n + 9]}}]}
        for n in range(0, len(text), 9)
    ]
    parts.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [": keep-alive", *(f"data: {json.dumps(part)}" for part in parts), "data: [DONE]"]
    if cut:
        lines = lines[:4]
    return Reply(
        ("\n\n".join(lines) + "\n\n").encode(), headers={"Content-Type": "text/event-stream; charset=utf-8"}
    )


def _filled(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("{VERDICT}", _VERDICT % "⟦4⟧").replace("{VERDICT_AGAIN}", _VERDICT % "4")
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items()}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def _unmarked(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("⟦", "").replace("⟧", "")
    if isinstance(value, dict):
        return {name: _unmarked(each) for name, each in value.items()}
    return [_unmarked(each) for each in value] if isinstance(value, list) else value


def _tokens(text: str) -> list[dict[str, Any]]:
    """The answer's text as tokens, the marked digit's with its alternatives."""
    before, mark, rest = text.partition("⟦")
    digit, _, after = rest.partition("⟧")
    if not mark:
        return []
    top = [{"token": token, "logprob": math.log(share)} for token, share in SPREAD.items()]
    return [*_pieces(before), {"token": digit, "logprob": -0.3, "top_logprobs": top}, *_pieces(after)]


def _pieces(text: str) -> Iterator[dict[str, Any]]:
    return ({"token": text[n : n + 5], "logprob": 0.0, "top_logprobs": []} for n in range(0, len(text), 5))
