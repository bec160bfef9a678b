"""The crew pool: judge requests from any thread and any event loop, served by warm crews in worker processes."""

import asyncio
import atexit
import os
import threading
from pathlib import Path

from nodes.crews.lane import Lane, Patience
from nodes.crews.process import default_workers
from nodes.crews.requests import Attempt, JudgeReply, JudgeRequest
from nodes.crews.staff import Staff
from state.errors import JudgingError
from state.records import Usage


class CrewPool:
    """Workers start with the first request and end with `close`, or with this process however it ends.

    All work happens on a thread of the pool's own with an event loop of its own, so `judge` never blocks
    the loop that awaits it.
    """

    def __init__(self, workers: int, storage: Path, patience: Patience | None = None) -> None:
        """`workers`: processes at most, 0 for one per core and four at most. `storage`: folder for logs."""
        self._most = workers or default_workers()
        self._storage = storage
        self._patience = patience or Patience()
        self._staff: Staff | None = None
        self._lanes: dict[tuple[str, str | None, int], Lane] = {}
        self._closed = False
        # Not asyncio.new_event_loop: a server may have set a policy whose loops differ.
        self._loop = asyncio.SelectorEventLoop() if os.name == "posix" else asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crew-pool", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    async def judge(self, request: JudgeRequest) -> JudgeReply:
        """A verdict, scored or failed after all retries (see `lane`). Cancelling the await cancels the request.

        Raises EndpointError when the endpoint refuses everybody or is down, SettingsError when its key's
        variable is unset, JudgingError when no worker starts or the pool is closed.
        """
        request.endpoint.key()
        if self._closed:
            raise JudgingError("The judges are closed; start the run again.")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._judge(request), self._loop))

    def worker_pids(self) -> list[int]:
        """Process ids of the workers alive."""
        return [worker.pid for worker in self._staff.workers] if self._staff else []

    def close(self) -> None:
        """End the workers and the thread; requests under way are cancelled. Blocks for a moment."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        for worker in self._staff.workers if self._staff else []:
            worker.wait(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _judge(self, request: JudgeRequest) -> JudgeReply:
        staff = self._staff = self._staff or Staff(self._most, self._storage)
        endpoint = request.endpoint
        address = (endpoint.model, endpoint.base_url, endpoint.concurrency)
        if address not in self._lanes:
            self._lanes[address] = Lane(endpoint.concurrency, self._patience)
        spent = Usage()

        async def attempt() -> Attempt:
            nonlocal spent
            outcome = await staff.serve(request)
            spent += outcome.reply.usage
            return outcome

        outcome = await self._lanes[address].run(request.response_key, attempt)
        return outcome.reply.model_copy(update={"usage": spent})

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._staff:
            self._staff.close()
