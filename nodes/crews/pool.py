"""The crew pool: judge requests from any thread and any event loop, served by warm crews in worker processes."""

import atexit
import os
from pathlib import Path

from rlhf.nodes.concurrency import Background, Closing
from rlhf.nodes.crews.process import default_workers
from rlhf.nodes.crews.requests import Attempt, JudgeReply, JudgeRequest, ModelCall
from rlhf.nodes.crews.staff import Staff
from rlhf.nodes.endpoints.lane import Lane, Patience
from rlhf.nodes.endpoints.readiness import checked_ready_to_ask
from rlhf.state.errors import JudgingError
from rlhf.state.records import Usage


class CrewPool(Closing):
    """Workers start with the first request and end with `close`, or with this process however it ends."""

    def __init__(self, workers: int, storage: Path, patience: Patience | None = None) -> None:
        """`workers`: processes at most, 0 for one per core and four at most. `storage`: folder for logs."""
        self._most = workers or default_workers()
        self._storage = storage
        self._patience = patience or Patience()
        self._staff: Staff | None = None
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._environment = _environment(storage)
        self._background = Background("crew-pool")
        atexit.register(self.close)

    async def judge(self, request: JudgeRequest) -> JudgeReply:
        """The verdict of a request that asks about one dimension; errors as in `judge_all`."""
        [reply] = (await self.judge_all(request)).values()
        return reply

    async def judge_all(
        self, request: JudgeRequest, heard: list[ModelCall] | None = None
    ) -> dict[str, JudgeReply]:
        """A verdict per dimension asked, each scored, or failed after all retries (see `lane`).

        What a combined call cost is shared out among its verdicts. Each call made to the model is added to
        `heard`, if given, also where the judgement ends in an error. Cancelling the await cancels the request.
        Raises EndpointError when the endpoint refuses everybody or is down, SettingsError when its key, its address,
        its proxy or its package is at fault, JudgingError when no worker starts or the pool is closed.
        """
        await checked_ready_to_ask(request.endpoint, "judge")
        if self._background.closed:
            raise JudgingError("The judges are closed; start the run again.")
        return await self._background.run(self._judge(request, heard))

    def worker_pids(self) -> list[int]:
        """Process ids of the workers alive."""
        workers = self._staff.workers if self._staff else []
        return [worker.pid for worker in workers if worker.pid is not None]

    def close(self) -> None:
        """End the workers; requests under way are cancelled. Blocks for a moment."""
        if self._background.closed:
            return
        atexit.unregister(self.close)
        self._background.cancel_all()
        workers = self._staff.workers if self._staff else []
        for worker in workers:
            worker.dismiss()
        for worker in workers:
            worker.wait(5.0)
        self._background.close()

    async def _judge(self, request: JudgeRequest, heard: list[ModelCall] | None) -> dict[str, JudgeReply]:
        staff = self._staff = self._staff or Staff(self._most, self._storage, self._environment)
        endpoint = request.endpoint
        address = (endpoint.identity + (endpoint.base_url or ""), endpoint.concurrency)
        if address not in self._lanes:
            self._lanes[address] = Lane(endpoint.concurrency, self._patience)
        spent = Usage()
        request = request if heard is None else request.model_copy(update={"traced": True})

        async def attempt() -> Attempt:
            nonlocal spent
            outcome = await staff.serve(request)
            spent += outcome.usage
            if heard is not None:
                heard.extend(outcome.calls)
            return outcome

        outcome = await self._lanes[address].run(request.response_key, attempt)
        shares = spent.shared_out(len(request.dimensions))
        return {
            dimension: outcome.reply(dimension).model_copy(update={"usage": share})
            for dimension, share in zip(request.dimensions, shares, strict=True)
        }


def _environment(storage: Path) -> dict[str, str]:
    """Where the workers' CrewAI keeps its files; looked up before any loop serves, which must not wait for a disk."""
    environment = {"CREWAI_STORAGE_DIR": str(storage.absolute() / "crewai")}
    if not os.access(os.path.expanduser("~"), os.W_OK):
        environment["HOME"] = str(storage.absolute())  # CrewAI makes a folder there as it is imported
    return environment
