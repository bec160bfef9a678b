"""Requests as they arrive at the server: bytes and headers, also such as no client library would send."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from starlette.types import Message, Receive, Scope, Send

from rlhf.state.settings import ServerSettings
from rlhf.web.guard import Guard

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What came back, and whether anything behind the guard was reached."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reached: bool = False
    received: bytes = b""
    """The body as the app behind the guard reads it."""

    @property
    def detail(self) -> str:
        return str(json.loads(self.body)["detail"])


Ask = Callable[..., Answer]


@pytest.fixture
def ask() -> Ask:
    """Send one request to a guard in front of an app that answers 200 and says that it was reached."""

    def send_one(
        method: str = "GET",
        path: str = "/threads",
        headers: Headers = (("host", "127.0.0.1:2024"),),
        body: bytes | Sequence[bytes] = b"",
        settings: ServerSettings | None = None,
        kind: str = "http",
    ) -> Answer:
        import asyncio

        answer = Answer()
        parts = [body] if isinstance(body, bytes) else list(body)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            answer.reached = True
            more = scope["type"] == "http"
            while more:
                message = await receive()
                answer.received += message.get("body", b"")
                more = message.get("more_body", False)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        async def receive() -> Message:
            if kind == "websocket":
                return {"type": "websocket.connect"}
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {n.decode(): v.decode() for n, v in message.get("headers", [])}
            elif message["type"] == "websocket.close":
                answer.status = message["code"]
            else:
                answer.body += message.get("body", b"")

        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        guard = Guard(app, lambda: settings or ServerSettings())
        asyncio.run(guard(scope, receive, send))
        return answer

    return send_one
