"""A worker process as its parent holds it: started, written to and read from by threads, so on any event loop."""

import asyncio
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nodes.crews.requests import JudgeRequest


class WorkerProcess:
    """One `python -m nodes.crews.worker`. Its callbacks come on a thread of its own."""

    def __init__(
        self,
        log: Path,
        environment: Mapping[str, str],
        heard: Callable[["WorkerProcess", dict[str, Any]], None],
        ended: Callable[["WorkerProcess"], None],
    ) -> None:
        """Start the process. `heard` gets every message, `ended` is called once, when it is gone."""
        self.log = log
        self.ready = False
        self.retired = False
        self.requests: dict[int, asyncio.Future[dict[str, Any]]] = {}
        """What is under way on this worker, kept by its staff: number → where the answer goes."""
        self.environment = dict(environment)
        self._heard, self._ended = heard, ended
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                # -P: a folder named nodes or state where the user happens to stand must not be imported
                [sys.executable, "-P", "-m", "nodes.crews.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for the parent, which then closes our stdin
            )
        self._threads = [
            threading.Thread(target=target, name="judge-worker", daemon=True)
            for target in (self._write, self._read)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, number: int, request: JudgeRequest) -> None:
        """Send a request; never blocks."""
        self._send({"id": number, "request": request.model_dump(mode="json")})

    def cancel(self, number: int) -> None:
        """Tell the worker to drop a request."""
        self._send({"cancel": number})

    def close(self) -> None:
        """End the process by ending its stdin; never blocks."""
        self._outbox.put(None)

    def kill(self) -> None:
        """End a process that does not listen."""
        self._process.kill()

    def wait(self, timeout: float) -> None:
        """Wait for the end, in the end by force."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for thread in self._threads:
            thread.join()

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def _write(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                while (line := self._outbox.get()) is not None:
                    pipe.write(line)
                    pipe.flush()
        except OSError:
            return  # the process is gone; the reader tells

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            for line in pipe:
                self._heard(self, json.loads(line))
        self._outbox.put(None)
        self._process.wait()
        self._ended(self)


def default_workers() -> int:
    """One worker per core this process may use, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, cores)
