"""A worker process as its parent holds it: started, written to and read from by threads, so no loop is blocked."""

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

from rlhf.nodes.crews.requests import JudgeRequest


class WorkerProcess:
    """One `python -m rlhf.nodes.crews.worker`. Its callbacks come on a thread of its own."""

    def __init__(
        self,
        log: Path,
        environment: Mapping[str, str],
        heard: Callable[["WorkerProcess", dict[str, Any]], None],
        ended: Callable[["WorkerProcess"], None],
    ) -> None:
        """Begin to start the process. `heard` gets every message, `ended` is called once, when it is gone."""
        self.log = log
        self.environment = dict(environment)
        self.ready = False
        self.retired = False
        self.requests: dict[int, asyncio.Future[dict[str, Any]]] = {}
        """What is under way on this worker, kept by its staff: number → where the answer goes."""
        self.pid: int | None = None
        """None until the process has started."""
        self.last_words = ""
        """The last line of the log, once the process has ended."""
        self._heard, self._ended = heard, ended
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._live, name="judge-worker", daemon=True)
        self._thread.start()

    def ask(self, number: int, request: JudgeRequest) -> None:
        """Send a request; never blocks."""
        self._send({"id": number, "request": request.model_dump(mode="json")})

    def cancel(self, number: int) -> None:
        """Tell the worker to drop a request."""
        self._send({"cancel": number})

    def dismiss(self) -> None:
        """End the process by ending its stdin; never blocks, drops what is under way."""
        self.retired = True
        self._outbox.put(None)

    def kill(self) -> None:
        """End a process that does not listen."""
        if self._process is not None:
            self._process.kill()

    def wait(self, timeout: float) -> None:
        """Wait for the end, after `timeout` seconds by force."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.kill()
            self._thread.join()

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def _live(self) -> None:
        try:
            self._run()
        except OSError as error:
            self.last_words = f"{self.log.parent}: {error.strerror}"
        self._ended(self)

    def _run(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w+b") as words:
            # -P: nothing in the folder where the user happens to stand is imported.
            # A session of its own: Ctrl-C is for the parent, which then ends our stdin.
            with subprocess.Popen(
                [sys.executable, "-P", "-m", "rlhf.nodes.crews.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env=self.environment,
                start_new_session=True,
            ) as self._process:
                self.pid = self._process.pid
                writer = threading.Thread(target=self._write, name="judge-worker-in", daemon=True)
                writer.start()
                assert self._process.stdout is not None
                for line in self._process.stdout:
                    self._heard(self, json.loads(line))
                self._outbox.put(None)
                writer.join()
            words.seek(0)
            lines = words.read().decode("utf-8", "replace").split("\n")
            self.last_words = next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")

    def _write(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                while (line := self._outbox.get()) is not None:
                    pipe.write(line)
                    pipe.flush()
        except OSError:
            return  # the process is gone, as the other thread sees too


def default_workers() -> int:
    """One worker per core this process may use, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, cores)
