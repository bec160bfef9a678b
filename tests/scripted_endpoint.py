"""The one fake of the project: an OpenAI-compatible HTTP server on loopback that answers by a script.

In a test:

    with ScriptedEndpoint() as endpoint:              # or ScriptedEndpoint(script)
        ... Endpoint(provider="vllm", model="scripted", base_url=endpoint.base_url) ...
        assert endpoint.count(is_judge_call) == 5

As a process of its own, for tests that kill the run while the endpoint lives on:

    python -m tests.scripted_endpoint --port-file FILE --calls-file FILE [--delay SECONDS] [--script MODULE:NAME]

A script is a callable from `Request` to `Reply`. The default one, `default_script`, answers deterministically
from the request's content: judges get a valid verdict, everybody else a budgeting plan of varying quality.
"""

import argparse
import hashlib
import importlib
import json
import math
import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """One call as it arrived."""

    number: int
    """1 for the first call to the server."""
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """All messages, one after the other."""
        return "\n".join(str(message.get("content") or "") for message in self.body.get("messages", []))

    @property
    def seed(self) -> int:
        """The seed asked for, 0 if none."""
        return int(self.body.get("seed") or 0)


@dataclass(frozen=True)
class Reply:
    """What goes back. `body`: JSON if a dict, sent as it is if bytes."""

    body: dict[str, Any] | bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the answer; closing the server ends the wait."""
    cut: bool = False
    """Promise the whole body, send half of it, reset the connection."""
    pieces: Iterable[bytes] | None = None
    """Sent after the body, of no promised length, one every `pause` seconds until there are no more or nobody reads."""
    pause: float = 0.0


Script = Callable[[Request], Reply]


def is_judge_call(body: dict[str, Any]) -> bool:
    """Whether a request's body asks for a verdict: structured, or a bare level."""
    return any(key in body for key in ("response_format", "tools", "grammar")) or is_compact_call(body)


def is_compact_call(body: dict[str, Any]) -> bool:
    """Whether a request's body asks for a level of one or two tokens."""
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 99) <= 2


def combined_dimensions(body: dict[str, Any]) -> list[str]:
    """The dimensions a request's body asks an entry each for; none if it asks for a single verdict."""
    properties: dict[str, Any] = (_schema(body) or {}).get("properties", {})
    return [name for name, entry in properties.items() if "properties" in entry]


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema of the answer, by whichever way it was sent."""
    if tools := body.get("tools"):
        schema: dict[str, Any] | None = tools[0]["function"]["parameters"]
    else:
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    return schema


def default_script(request: Request) -> Reply:
    """A valid verdict for judges, a plan for everybody else; the same content gives the same answer."""
    if dimensions := combined_dimensions(request.body):
        return combined_reply(request, {name: level_of(f"{request.text}\n{name}") for name in dimensions})
    if is_judge_call(request.body):
        return verdict_reply(request, level_of(request.text))
    return text_reply(request, plan(request.text, request.seed))


def level_of(text: str) -> int:
    """The default judge's level: the number of "Step" lines it reads, give or take one by the text's hash."""
    steps = len(set(re.findall(r"^Step (\d)", text, re.MULTILINE)))
    if not steps:
        return _hash(text) % 6
    return max(0, min(5, steps + (-1, 0, 0, 0, 0, 1)[_hash(text) % 6]))


def plan(prompt: str, seed: int) -> str:
    """The default writer's response: a split of a budget in one to five steps, as prompt and seed decide."""
    chance = _hash(f"{seed}\n{prompt}")
    steps = 1 + chance % 5
    names = re.findall(r"\b(?:Amazon|Walmart|Target|CVS|Kroger|Costco|Instacart)\b", prompt) or [
        "Amazon",
        "Walmart",
    ]
    lines = [
        f"Step {number}: put ${100 + (chance >> number) % 400},000 into {names[number % len(names)]}, week {number}."
        for number in range(1, steps + 1)
    ]
    return "\n".join([f"Plan {chance % 9973} for the budget:", *lines])


def verdict_reply(request: Request, level: int, **changes: Any) -> Reply:
    """A verdict in the form the request asks for, log-probabilities included if asked; `changes` go into its JSON."""
    if is_compact_call(request.body):
        return chat_reply(request, str(level), _spread(str(level)))
    return _structured(request, _entry(_schema(request.body), level, changes))


def combined_reply(request: Request, levels: dict[str, int], **entries: Any) -> Reply:
    """A combined verdict with a level per dimension; `entries` replace whole entries, None leaves one out."""
    properties = (_schema(request.body) or {}).get("properties", {})
    answer = {name: _entry(properties.get(name), level, {}) for name, level in levels.items()} | entries
    return _structured(request, {name: entry for name, entry in answer.items() if entry is not None})


def _entry(schema: dict[str, Any] | None, level: int, changes: dict[str, Any]) -> dict[str, Any]:
    """A verdict as JSON, its keys in the schema's order."""
    answer = {
        "rationale": f"The plan has substance for level {level}.",
        "strengths": ["It names amounts."],
        "weaknesses": ["It could name owners."],
        "level": level,
        **changes,
    }
    order = list(schema["properties"]) if schema else ["level", "strengths", "weaknesses", "rationale"]
    return {key: answer[key] for key in [*order, *answer] if key in answer}


def _structured(request: Request, answer: dict[str, Any]) -> Reply:
    text = json.dumps(answer)
    if "tools" in request.body:
        call = {"id": "1", "type": "function", "function": {"name": "verdict", "arguments": text}}
        return chat_reply(request, None, message={"tool_calls": [call]})
    return chat_reply(request, text, _spread(text))


def text_reply(request: Request, text: str) -> Reply:
    """Plain text."""
    return chat_reply(request, text)


def chat_reply(
    request: Request,
    content: str | None,
    tokens: Sequence[dict[str, Any]] = (),
    finish_reason: str = "stop",
    message: dict[str, Any] | None = None,
) -> Reply:
    """A whole chat completion; `tokens` are the log-probabilities, sent if they were asked for."""
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **(message or {})},
    }
    if request.body.get("logprobs") and tokens:
        choice["logprobs"] = {"content": list(tokens)}
    usage = {"prompt_tokens": len(request.text) // 4 + 1, "completion_tokens": len(content or "") // 4 + 1}
    usage["total_tokens"] = sum(usage.values())
    return Reply(
        {
            "id": f"scripted-{request.number}",
            "object": "chat.completion",
            "created": 0,
            "model": request.body.get("model", ""),
            "choices": [choice],
            "usage": usage,
        }
    )


def _spread(text: str) -> list[dict[str, Any]]:
    """Tokens of `text`; at each level's digit 70 % for that level and the rest by distance."""
    tokens: list[dict[str, Any]] = []
    end = 0
    for match in re.finditer(r'(?:(?<="level": )|(?<="level": "))\d|^\d$', text):
        weights = [math.exp(-1.6 * abs(int(match[0]) - other)) for other in range(6)]
        top = [
            {"token": str(other), "logprob": math.log(weights[other] / sum(weights))} for other in range(6)
        ]
        tokens += [_token(text[end : match.start()]), {**_token(match[0]), "top_logprobs": top}]
        end = match.end()
    return [token for token in [*tokens, _token(text[end:])] if token["token"]] if tokens else []


def _token(piece: str) -> dict[str, Any]:
    return {"token": piece, "logprob": 0.0, "top_logprobs": []}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6])


# Ready faults, each a script.


def status(code: int, headers: dict[str, str] | None = None, message: str = "scripted fault") -> Script:
    """Answers with an HTTP status and the protocol's error object."""
    return lambda request: Reply({"error": {"message": message, "code": code}}, code, headers or {})


def rate_limited(retry_after: str | None = None) -> Script:
    """HTTP 429, with or without Retry-After."""
    return status(429, {"Retry-After": retry_after} if retry_after is not None else {})


def html(request: Request) -> Reply:
    """A proxy's page with status 200."""
    return Reply(b"<html><body>Bad gateway</body></html>", headers={"Content-Type": "text/html"})


def empty(request: Request) -> Reply:
    """Status 200 and nothing else."""
    return Reply(b"")


def empty_content(request: Request) -> Reply:
    """A completion without a word."""
    return chat_reply(request, "")


def invalid_json(request: Request) -> Reply:
    """A completion whose content is cut JSON."""
    return chat_reply(request, '{"level": 4, "strengths": [')


def cut_off(request: Request) -> Reply:
    """A verdict that ran into the token limit."""
    return chat_reply(request, '{"level": 4, "strengths": ["so", "ma', finish_reason="length")


def out_of_range(request: Request) -> Reply:
    """A level of 9."""
    return verdict_reply(request, 9)


def unknown_key(request: Request) -> Reply:
    """A verdict with a key nobody asked for."""
    return verdict_reply(request, 3, bonus=1)


def verdict_of_one(request: Request) -> Reply:
    """A single verdict, also where one per dimension is asked for."""
    return _structured(request, _entry(None, 3, {}))


def refusal(request: Request) -> Reply:
    """A refusal in words."""
    return chat_reply(request, "I'm sorry, but I can't help with that.")


def never(request: Request) -> Reply:
    """No answer as long as the server lives."""
    return Reply(delay=3600.0)


def cut_connection(request: Request) -> Reply:
    """Half an answer, then a reset connection."""
    whole = default_script(request)
    return Reply(whole.body, cut=True)


def in_turn(*scripts: Script) -> Script:
    """The first script for the first call, and so on; the last one for all that follow."""
    return lambda request: scripts[min(request.number, len(scripts)) - 1](request)


class ScriptedEndpoint:
    """The server. `calls` holds the bodies of all calls so far, in order of arrival."""

    def __init__(self, script: Script = default_script, calls_file: Path | None = None) -> None:
        self.script = script
        self.listing = Reply({"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        """What it says to GET /models."""
        self.calls: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.most_at_once = 0
        """The largest number of calls that were under way at the same time."""
        self._calls_file = calls_file
        self._lock = threading.Lock()
        self._at_once = 0
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def base_url(self) -> str:
        """Address to put into an Endpoint."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def port(self) -> int:
        """The loopback port the system chose."""
        return int(self._server.server_address[1])

    def count(self, predicate: Callable[[dict[str, Any]], bool] = lambda body: True) -> int:
        """Calls whose body satisfies `predicate`."""
        with self._lock:
            return sum(1 for body in self.calls if predicate(body))

    def forget(self) -> None:
        """Begin counting anew."""
        with self._lock:
            self.calls.clear()
            self.requests.clear()
            self.most_at_once = 0

    def closes_within(self, seconds: float) -> bool:
        """Wait; whether the server was closed meanwhile."""
        return self._closing.wait(seconds)

    def close(self) -> None:
        """Stop serving; waiting answers end."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Reply | None:
        """Note a call and let the script answer it; None when the server closes meanwhile."""
        with self._lock:
            self.calls.append(body)
            request = Request(len(self.calls), path, headers, body)
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            if self._calls_file is not None:
                with self._calls_file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(body) + "\n")
        try:
            reply = self.script(request)
            return None if reply.delay and self._closing.wait(reply.delay) else reply
        finally:
            with self._lock:
                self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that hang up (a killed run, a cancelled request) are part of the tests."""


def _handler(endpoint: ScriptedEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = endpoint.answer(self.path, headers, body)
            if reply is None:
                self.close_connection = True
            else:
                self._send(reply)

        def do_GET(self) -> None:
            self._send(endpoint.listing)

        def _send(self, reply: Reply) -> None:
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            headers = {
                "Content-Type": "application/json",
                **(
                    {"Content-Length": str(len(content))} if reply.pieces is None else {"Connection": "close"}
                ),
                **reply.headers,
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if reply.cut else content)
            self.wfile.flush()
            for piece in reply.pieces or ():
                self.wfile.write(piece)
                self.wfile.flush()
                if endpoint.closes_within(reply.pause):
                    break
            if reply.cut:
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible server on loopback.")
    parser.add_argument(
        "--port-file", type=Path, required=True, help="gets the port, once the server listens"
    )
    parser.add_argument("--calls-file", type=Path, help="gets the body of every call, one JSON line each")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds every answer takes")
    parser.add_argument("--script", default="tests.scripted_endpoint:default_script", help="MODULE:NAME")
    options = parser.parse_args()
    module, _, name = options.script.partition(":")
    script: Script = getattr(importlib.import_module(module), name)

    def delayed(request: Request) -> Reply:
        reply = script(request)
        return replace(reply, delay=reply.delay + options.delay)

    with ScriptedEndpoint(delayed, options.calls_file) as endpoint:
        written = options.port_file.with_suffix(".tmp")
        written.write_text(str(endpoint.port))
        os.replace(written, options.port_file)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
