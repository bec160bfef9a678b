"""A worker process, `python -m rlhf.nodes.crews.worker`: requests in and attempts out, one JSON object per line.

Reads `{"id", "request"}` and `{"cancel": id}` from stdin, writes `{"ready": true}` once and then
`{"id", "attempt"}` to stdout. It ends when stdin does, so no worker outlives a killed parent.
"""

import asyncio
import json
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    import httpx

    from rlhf.nodes.crews.crew import JudgeCrew
    from rlhf.nodes.crews.requests import Attempt, JudgeRequest

_IDLE_CREWS: Final = 64
"""Warm crews kept; each holds a few hundred KiB."""


class Worker:
    """Warm crews, and the requests under way on them."""

    def __init__(self, answers: BinaryIO) -> None:
        from rlhf.nodes.endpoints.negotiation import Dialects

        self._answers = answers
        self._dialects = Dialects()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._idle: dict[str, list[JudgeCrew]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, line: bytes) -> None:
        """Start or cancel what a line asks for."""
        message = json.loads(line)
        if "cancel" in message:
            if task := self._tasks.get(message["cancel"]):
                task.cancel()
            return
        number = message["id"]
        task = asyncio.create_task(self._serve(number, message["request"]))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    def say(self, message: dict[str, Any]) -> None:
        """Write one line to the parent."""
        self._answers.write(json.dumps(message).encode() + b"\n")
        self._answers.flush()

    async def _serve(self, number: int, asked: dict[str, Any]) -> None:
        from rlhf.nodes.crews.requests import Attempt, JudgeRequest
        from rlhf.nodes.endpoints.problem import Problem
        from rlhf.state.records import FailureKind

        try:
            attempt = await self._judge(JudgeRequest.model_validate(asked))
        except Exception as error:
            # A fault of ours or of CrewAI's, not of the endpoint. Its text may quote anything: only its type is told.
            message = f"The judge's crew failed ({type(error).__name__}); see the worker's log."
            print(f"request {number}: {type(error).__name__} in the crew", file=sys.stderr, flush=True)
            attempt = Attempt(problem=Problem(kind=FailureKind.ENDPOINT_ERROR, message=message, final=True))
        self.say({"id": number, "attempt": attempt.model_dump(mode="json")})

    async def _judge(self, request: "JudgeRequest") -> "Attempt":
        from rlhf.nodes.crews.crew import JudgeCrew
        from rlhf.nodes.endpoints.protocol import new_client

        base_url = request.endpoint.base_url or ""
        if base_url not in self._clients:
            self._clients[base_url] = new_client(base_url)
        kind = json.dumps(
            [request.role, request.goal, request.backstory, request.name, request.endpoint.model_dump()]
        )
        idle = self._idle.get(kind)
        crew = idle.pop() if idle else JudgeCrew(request, self._clients[base_url], self._dialects)
        attempt = await crew.judge(request)  # a crew that raises or is cancelled is not used again
        if sum(map(len, self._idle.values())) >= _IDLE_CREWS:
            self._idle.clear()
        self._idle.setdefault(kind, []).append(crew)
        return attempt


def _read_stdin(loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
    """Hand every line to the loop; at the end of stdin the process ends at once, whatever the loop is doing."""
    for line in sys.stdin.buffer:
        loop.call_soon_threadsafe(worker.take, line)
    _end(0)


async def _serve(answers: BinaryIO) -> None:
    worker = Worker(answers)
    threading.Thread(target=_read_stdin, args=(asyncio.get_running_loop(), worker), daemon=True).start()
    worker.say({"ready": True})
    await asyncio.Event().wait()


def _end(status: int) -> None:
    # CrewAI's background threads would delay a normal end by seconds, and nothing here is worth saving.
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    """Protect stdout from CrewAI's prints, load CrewAI, serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        from rlhf.nodes.crews import crew  # noqa: F401  # the slow import, before "ready" is said

        asyncio.run(_serve(answers))
    except BaseException:
        traceback.print_exc()
        _end(1)


if __name__ == "__main__":
    main()
