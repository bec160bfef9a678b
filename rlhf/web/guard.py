"""Who may call the served app: a page of another site may not, whatever it sends; JSON alone comes in, and bounded.

A browser that shows any web page can reach 127.0.0.1, and CORS does not keep a request out: it hides the answer, when
the request has done its work. What keeps it out is checked here, before anything of the server is reached:

    Host             loopback names and what the operator lists (a page may let its own name resolve to 127.0.0.1)
    Origin           none, the app's own, or listed (Studio and Agent Inbox are, as shipped)
    Sec-Fetch-Site   a foreign page without an Origin may open a page, and nothing else
    route            what a user of the graphs needs; stores, crons, MCP, A2A and hooks where the operator opens them
    Content-Type     JSON: the other types that a form or script may send need no preflight
    body             at most so many bytes, so deep, within a minute
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rlhf.nodes.concurrency import in_thread
from rlhf.state.graph_state import unknown_context
from rlhf.state.settings import ServerSettings

BODY_SECONDS: Final = 60.0
"""A body that has not come whole by then is refused."""
MAX_DEPTH: Final = 64
"""Brackets within brackets that a body may have."""

_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OPEN: Final = frozenset(
    {"", "ok", "ready", "info", "metrics", "docs", "openapi.json", "assistants", "threads", "runs"}
)
"""First parts of the paths that anybody who may call at all may call."""
_CLOSED: Final = {"store": "store", "mcp": "mcp", "a2a": "a2a", "ui": "ui", "crons": "crons"}
"""Part of a path → the key of server.open_routes that opens it."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)

_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_CONTENT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""For what is no page. A page of ours states its own; the server's /docs loads its viewer from elsewhere."""


@dataclass(frozen=True)
class Refusal(Exception):
    """Why a request goes no further."""

    status: int
    detail: str
    """One line for the person whose client it was."""


class Guard:
    """ASGI middleware in front of every route. `settings` is read in a thread, at the first request."""

    def __init__(self, app: ASGIApp, settings: Callable[[], ServerSettings]) -> None:
        self._app = app
        self._read = settings
        self._settings: ServerSettings | None = None
        self._inner: ASGIApp = app
        self._recent: deque[float] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The server's own client calls within this process; no request from outside can set a root path.
        if scope["type"] not in ("http", "websocket") or scope.get("root_path") == "/noauth":
            await self._app(scope, receive, send)
            return
        rules = await self._rules()
        answer = _with_headers(send, scope)
        try:
            self._refuse_haste(rules, scope)
            check_sender(rules, scope)
            check_route(rules, scope)
            if scope["type"] == "http" and scope["method"] in _WITH_BODY:
                receive = await _checked_body(rules, scope, receive)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, answer)
            return
        await self._inner(scope, receive, answer)

    async def _rules(self) -> ServerSettings:
        if self._settings is None:
            rules = await in_thread(self._read)
            self._inner = CORSMiddleware(
                self._app,
                allow_origins=rules.origins,
                allow_methods=_METHODS,
                allow_headers=["*"],
                allow_credentials=True,
                allow_private_network=True,
                expose_headers=["content-location", "location", "x-pagination-total", "x-pagination-next"],
            )
            self._settings = rules
        return self._settings

    def _refuse_haste(self, rules: ServerSettings, scope: Scope) -> None:
        """Count the request; /ok, which a supervisor asks, is free."""
        if not rules.requests_per_minute or scope["path"] == "/ok":
            return
        now = monotonic()
        while self._recent and self._recent[0] < now - 60.0:
            self._recent.popleft()
        if len(self._recent) >= rules.requests_per_minute:
            raise Refusal(429, f"More than {rules.requests_per_minute} requests in a minute; try again soon.")
        self._recent.append(now)


def check_sender(rules: ServerSettings, scope: Scope) -> None:
    """Refuse a host name that is not ours, and a page that is not listed."""
    headers = Headers(scope=scope)
    host = _single(headers, "host")
    if host is None or not _is_ours(host, rules.hosts):
        raise Refusal(421, f"This server does not answer to the host {host!r}: list it in server.hosts.")
    origin = _single(headers, "origin")
    own = {f"http://{host}", f"https://{host}"}
    if origin is not None:
        if origin not in rules.origins and origin.lower() not in own:
            raise Refusal(403, f"Pages of {origin!r} may not call this server: list it in server.origins.")
    elif headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        opens = scope["type"] == "http" and scope["method"] == "GET"
        if not (opens and headers.get("sec-fetch-mode") == "navigate" and _is_top(headers)):
            raise Refusal(403, "Pages of other sites may not call this server.")


def check_route(rules: ServerSettings, scope: Scope) -> None:
    """Refuse what a user of the graphs does not need and the operator has not opened."""
    if scope["type"] == "websocket" and "websocket" not in rules.open_routes:
        raise Refusal(403, 'Websockets are closed here: open them with server.open_routes = ["websocket"].')
    if scope["type"] == "http" and scope["method"] not in _METHODS:
        raise Refusal(405, f"{scope['method']} is no method of this server.")
    parts = scope["path"].split("/")
    if "" in parts[1:-1] or any(part in (".", "..") or "\\" in part or "%" in part for part in parts):
        raise Refusal(404, "No such path.")
    for part in parts:
        key = _CLOSED.get(part)
        if key is not None and key not in rules.open_routes:
            raise Refusal(403, f'{part} is closed here: open it with server.open_routes = ["{key}"].')
    if parts[1] not in _OPEN and parts[1] not in _CLOSED:
        raise Refusal(404, "No such path.")


async def _checked_body(rules: ServerSettings, scope: Scope, receive: Receive) -> Receive:
    """The body, read whole and found to be JSON within bounds, to be received again by the app."""
    headers = Headers(scope=scope)
    length = _single(headers, "content-length")
    if length is not None and (not length.isdecimal() or int(length) > rules.max_body_bytes):
        raise Refusal(413, f"The body has {length} bytes, server.max_body_bytes is {rules.max_body_bytes:,}.")
    body = await _whole(receive, rules.max_body_bytes)
    if body:
        kind = (_single(headers, "content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, f"The body must be application/json, not {kind or 'of no type'!r}.")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "The body must not be compressed.")
        if is_deep(body, MAX_DEPTH):
            raise Refusal(400, f"The body is nested deeper than {MAX_DEPTH} levels.")
        _check_content(rules, scope, body)
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _whole(receive: Receive, most: int) -> bytes:
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "The connection ended before the body did.")
                found += message.get("body", b"")
                if len(found) > most:
                    raise Refusal(413, f"The body has more than server.max_body_bytes ({most:,}).")
                if not message.get("more_body"):
                    return bytes(found)
    except TimeoutError as error:
        raise Refusal(408, f"The body did not come within {BODY_SECONDS:g} seconds.") from error


def _check_content(rules: ServerSettings, scope: Scope, body: bytes) -> None:
    """Refuse what the server would drop in silence: a context key that no graph knows; a hook nobody opened."""
    try:
        told = json.loads(body)
    except ValueError as error:
        raise Refusal(400, "The body is not JSON.") from error
    if scope["path"].split("/")[1] not in ("runs", "threads", "assistants"):
        return
    for run in _runs_in(told):
        if isinstance(context := run.get("context"), Mapping) and (unknown := unknown_context(context)):
            raise Refusal(422, f"context: {unknown}")
        if run.get("webhook") is not None and "webhooks" not in rules.open_routes:
            raise Refusal(403, 'Webhooks are closed here: open them with server.open_routes = ["webhooks"].')


def _runs_in(told: object) -> Iterator[Mapping[str, Any]]:
    """What may start a run: the body, each of a batch, or the parameters of a command."""
    for entry in told if isinstance(told, list) else [told]:
        if isinstance(entry, Mapping):
            yield entry
            if isinstance(parameters := entry.get("params"), Mapping):
                yield parameters


def is_deep(body: bytes, most: int) -> bool:
    """Whether JSON text has more than `most` brackets within each other. Linear; the text need not be valid."""
    depth = 0
    for token in _TOKEN.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth > most:
                return True
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return False


def _is_ours(host: str, listed: Iterable[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        _ = urlsplit(f"//{host}").port
    except ValueError:
        return False
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?", host):
        return False
    return name == "localhost" or name in {entry.lower() for entry in listed} or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_top(headers: Headers) -> bool:
    """Whether a page is opened for a person to see, not drawn into another one."""
    return headers.get("sec-fetch-dest", "document") == "document"


def _single(headers: Headers, name: str) -> str | None:
    """A header that may come once; twice means that two readers may disagree on it."""
    values = headers.getlist(name)
    if len(values) > 1:
        raise Refusal(400, f"The header {name} came {len(values)} times.")
    return values[0] if values else None


def _with_headers(send: Send, scope: Scope) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
            if scope["path"] != "/docs":
                headers.setdefault("content-security-policy", _CONTENT_POLICY)
        await send(message)

    return answer


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the server waits for its opening message to be taken
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail[:120]})
        return
    extra: dict[str, Any] = {"retry-after": "10"} if refusal.status == 429 else {}
    await JSONResponse({"detail": refusal.detail}, refusal.status, extra)(scope, receive, send)
