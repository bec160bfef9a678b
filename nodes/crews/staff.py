"""The worker processes of a pool: hired when needed, given requests, replaced when they die."""

import asyncio
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rlhf.nodes.crews.process import WorkerProcess
from rlhf.nodes.crews.requests import Attempt, JudgeRequest
from rlhf.nodes.endpoints.problem import Problem
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import JudgingError
from rlhf.state.records import FailureKind

_OFF_SWITCHES: Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}

_CALLS_PER_WORKER: Final = 4
"""Concurrency that one worker is hired for; more than that is shared out among all."""

_FALSE_STARTS: Final = 3
"""Workers in a row that may die before they are ready."""

_GRACE: Final = 60.0
"""Seconds beyond the time limits of its calls after which a worker counts as hung."""


class _WorkerDied(Exception):
    """The worker ended with the request under way."""


class Staff:
    """Belongs to one event loop: every method is called on it."""

    def __init__(self, most: int, storage: Path, environment: Mapping[str, str]) -> None:
        self._most = most
        self._storage = storage
        self._environment = environment
        self._loop = asyncio.get_running_loop()
        self._workers: list[WorkerProcess] = []
        self._numbers = itertools.count(1)
        self._names = itertools.count(1)
        self._false_starts = 0
        self._change = self._loop.create_future()

    @property
    def workers(self) -> list[WorkerProcess]:
        """Those alive, retired ones that still finish their work included."""
        return list(self._workers)

    async def serve(self, request: JudgeRequest) -> Attempt:
        """Have a worker make one attempt; if the worker dies, another one makes it, once.

        Raises JudgingError when workers do not start at all.
        """
        calls = 2 * request.samples + 5  # each sample may need a repair, and a new server some fallbacks
        for _ in range(2):
            worker = await self._choose(request.endpoint)
            number = next(self._numbers)
            worker.requests[number] = answer = self._loop.create_future()
            worker.ask(number, request)
            try:
                async with asyncio.timeout(calls * request.endpoint.timeout + _GRACE):
                    return Attempt.model_validate(await answer)
            except _WorkerDied:
                continue
            except TimeoutError:
                worker.kill()
                message = "A judge's worker process hung."
                return Attempt(problem=Problem(kind=FailureKind.TIMEOUT, message=message, final=True))
            except asyncio.CancelledError:
                worker.cancel(number)
                raise
            finally:
                worker.requests.pop(number, None)
                self._let_go(worker)
        message = "The judge's worker process died twice on this request."
        return Attempt(problem=Problem(kind=FailureKind.ENDPOINT_ERROR, message=message, final=True))

    async def _choose(self, endpoint: Endpoint) -> WorkerProcess:
        """The ready worker with the least to do; hires up to what the endpoint's concurrency can use."""
        while True:
            able = [worker for worker in self._workers if self._knows_key(worker, endpoint)]
            wanted = min(self._most, max(1, endpoint.concurrency // _CALLS_PER_WORKER))
            for _ in range(wanted - len(able)):
                able.append(self._hire())
            if ready := [worker for worker in able if worker.ready]:
                return min(ready, key=lambda worker: len(worker.requests))
            await asyncio.shield(self._change)

    def _knows_key(self, worker: WorkerProcess, endpoint: Endpoint) -> bool:
        """Whether the worker was started with the key there is now; if not, it finishes its work and goes."""
        if worker.retired:
            return False
        name = endpoint.api_key_env
        if name is not None and worker.environment.get(name) != os.environ.get(name):
            worker.retired = True
            self._let_go(worker)
            return False
        return True

    def _hire(self) -> WorkerProcess:
        worker = WorkerProcess(
            self._storage / f"worker-{next(self._names)}.log",
            {**os.environ, **_OFF_SWITCHES, **self._environment},
            heard=lambda worker, message: self._tell(self._on_message, worker, message),
            ended=lambda worker: self._tell(self._on_end, worker),
        )
        self._workers.append(worker)
        return worker

    def _tell(self, what: Any, *details: Any) -> None:
        self._loop.call_soon_threadsafe(what, *details)

    def _let_go(self, worker: WorkerProcess) -> None:
        if worker.retired and not worker.requests:
            worker.dismiss()

    def _on_message(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        if "ready" in message:
            worker.ready = True
            self._false_starts = 0
            self._announce()
        elif (answer := worker.requests.get(message["id"])) and not answer.done():
            answer.set_result(message["attempt"])

    def _on_end(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        for answer in worker.requests.values():
            if not answer.done():
                answer.set_exception(_WorkerDied())
        if not worker.ready and not worker.retired:
            self._false_starts += 1
        if self._false_starts >= _FALSE_STARTS:
            self._false_starts = 0
            words = worker.last_words or f"see {worker.log}"
            self._announce(JudgingError(f"The judges' worker processes do not start: {words}"))
        else:
            self._announce()

    def _announce(self, error: Exception | None = None) -> None:
        """Wake those who wait for a worker."""
        change, self._change = self._change, self._loop.create_future()
        if error is None:
            change.set_result(None)
        else:
            change.set_exception(error)
            change.exception()  # retrieved: nobody may be waiting
