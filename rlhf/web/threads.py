"""What a client may do to the thread of a run, so that thread and ledger say the same afterwards."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services, operator

_STATE: Final = re.compile(r"/threads/([^/]+)/state")
_ENDS: Final = frozenset({"__end__", "finish"})


def second_input(services: Services, thread: str, given: Mapping[str, Any]) -> str:
    """Why an input cannot start anything on a thread; empty if it can. Blocking.

    A thread is one run, whose prompts, name and settings stay what they were: the server would take no notice.
    """
    if given.get("input") is None or not services.ledger.has_run(thread):
        return ""
    return (
        f"Thread {thread} has its run already, and a run keeps its prompts. Start another thread for another run; "
        "to go on with this one, send command.resume if it waits for an answer, else input null."
    )


@cache
def goes_on() -> frozenset[str]:
    """The nodes of the pipeline after which something comes that they do not choose while they run."""
    from rlhf.graph.pipeline import graph

    return frozenset(source for source, _ in graph.builder.edges if not source.startswith("__")) - _ENDS


class StateUpdates:
    """ASGI middleware behind the guard: updates of a run's state go on or end it, in the ledger too.

    Agent Inbox's "Mark as resolved" is one, as node `__end__`.
    """

    def __init__(self, app: ASGIApp, services: Services = operator) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _STATE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        first = await receive()
        node = _node_of(first.get("body", b""))
        run_id = match[1]
        if not await in_thread(lambda: self._services.ledger.has_run(run_id)):
            await self._app(scope, _again(first, receive), send)
            return
        if node not in goes_on() | _ENDS:
            told = (
                f"As node {node!r} nothing would come next, because it chooses its way while it runs. Give as_node "
                f"{', '.join(sorted(goes_on()))}; or __end__, which ends the run."
            )
            await JSONResponse({"detail": told}, 422)(scope, receive, send)
            return

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                await in_thread(lambda: self._note(run_id, ends=node in _ENDS))
            await send(message)

        await self._app(scope, _again(first, receive), noted)

    def _note(self, run_id: str, *, ends: bool) -> None:
        ledger = self._services.ledger
        if not ends:
            note = "A client changed its state; go on with it there (input null), or with `rlhf resume`."
            ledger.set_run(run_id, status="waiting", note=note)
        elif ledger.run(run_id).status != "finished":
            ledger.set_run(run_id, status="finished", note="Ended by a client before its last stage.")


def _node_of(body: bytes) -> str | None:
    """The node that an update is made as. The guard has seen to it that the body is whole and JSON."""
    told = json.loads(body or b"null")
    node = told.get("as_node") if isinstance(told, Mapping) else None
    return node if isinstance(node, str) else None


def _again(first: Message, receive: Receive) -> Receive:
    """What was received, to be received once more."""
    waiting = [first]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received
