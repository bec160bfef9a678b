"""What nodes work with: settings, ledger, crews, the embedded judge; opened at first use."""

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.config import get_config

from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import LedgerError
from rlhf.state.graph_state import RunContext
from rlhf.state.ledger import Ledger, RunRow
from rlhf.state.recipe import choose_recipe
from rlhf.state.settings import Settings

if TYPE_CHECKING:
    from rlhf.nodes.crews.embedded import EmbeddedServer
    from rlhf.nodes.crews.pool import CrewPool
    from rlhf.nodes.endpoints.lane import Patience


IN_FLIGHT = 256
"""Responses before the judges at once: one batch of a run, or what a retry and an evaluation send side by side."""

Respond = Callable[[Any], object]
"""A caller's model: from a prompt (a text, or the messages of a conversation) to a text or an awaitable of one."""


class Services:
    """The operator's side of a process. Safe to share between event loops and threads.

    Without `settings` the recipe comes from the environment (rlhf.state.recipe.choose_recipe) at first use.
    `patience` is how long endpoints are borne with, the default one if left out.
    """

    def __init__(self, settings: Settings | None = None, patience: "Patience | None" = None) -> None:
        self._lock = threading.RLock()
        self._settings = settings
        self.patience = patience
        self._ledger: Ledger | None = None
        self._pool: CrewPool | None = None
        self._embedded: EmbeddedServer | None = None
        self._runs: dict[str, RunRow] = {}
        # Its key is made of its content: what was read once is right for ever. Twice as many as a run has in flight,
        # because a server may have two runs at work.
        self.response = lru_cache(maxsize=2 * IN_FLIGHT)(lambda key: self.ledger.response(key))
        """A response by its key, read once while it is judged. Blocking."""
        self.chosen = lru_cache(maxsize=64)(self._chosen)
        """The operator's settings with a client's choices, given as the JSON of a RunContext. Blocking."""
        self.functions: dict[str, Respond] = {}
        """What answers the prompts of the runs whose policy is a Python function, by run id."""

    @property
    def settings(self) -> Settings:
        """The operator's settings. Reads files at first use: call it from a thread."""
        with self._lock:
            if self._settings is None:
                self._settings = choose_recipe().settings
            return self._settings

    def _chosen(self, context: str) -> Settings:
        return RunContext.model_validate_json(context).applied_to(self.settings)

    @property
    def ledger(self) -> Ledger:
        """The open ledger. Blocking: asynchronous callers go through `in_thread`."""
        with self._lock:
            if self._ledger is None:
                self._ledger = Ledger(self.settings.storage.ledger_url)
            return self._ledger

    @property
    def pool(self) -> "CrewPool":
        """The crews' worker processes; they start with the first judgement."""
        with self._lock:
            if self._pool is None:
                from rlhf.nodes.crews.pool import CrewPool

                self._pool = CrewPool(self.settings.judge.workers, self.home / "crews", self.patience)
            return self._pool

    @property
    def home(self) -> Path:
        """Folder of everything that belongs to runs, beside the checkpoints (.rlhf by default)."""
        return self.settings.storage.checkpoint_path.parent.absolute()

    def run_folder(self, run_id: str) -> Path:
        """A run's folder for job files and logs; made if it is not there."""
        folder = self.home / "runs" / run_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"{folder} cannot be made: {error.strerror}.") from error
        return folder

    def run(self, run_id: str) -> RunRow:
        """The run with its effective settings, which never change once it is registered."""
        with self._lock:
            if run_id not in self._runs:
                self._runs[run_id] = self.ledger.run(run_id)
            return self._runs[run_id]

    def judge_endpoint(self, settings: Settings) -> Endpoint:
        """The judge's endpoint; starts the embedded server when the judge is local. Blocking."""
        endpoint = settings.judge.endpoint()
        if endpoint.provider != "local":
            return endpoint
        with self._lock:
            if self._embedded is None:
                from rlhf.nodes.crews.embedded import EmbeddedServer

                self._embedded = EmbeddedServer(endpoint, self.home / "embedded.log")
            return self._embedded.start()

    def close(self) -> None:
        """End the workers and the embedded server and release the ledger. Can be used again afterwards."""
        with self._lock:
            for part in (self._pool, self._embedded, self._ledger):
                if part is not None:
                    part.close()
            self._pool = self._embedded = self._ledger = None
            self._runs.clear()
            self.response.cache_clear()


operator = Services()
"""The server's services, shared by its graphs: one ledger, one pool, one embedded judge. Opens nothing yet."""


def thread_id(outside: str | None = None) -> str:
    """The thread the current node runs in, which is also the run's id; `outside` where a panel has no thread."""
    known = get_config()["configurable"].get("thread_id", outside)
    assert known is not None, "a run has a thread"
    return str(known)
