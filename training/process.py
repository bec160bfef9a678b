"""Runs a training-side job as a child process: one folder, one result, killed with its parent, done only once.

    folder/KEY/job.json      what was asked; KEY is derived from it
    folder/KEY/log.txt       all the child and its libraries had to say
    folder/KEY/error.txt     why the last attempt failed, in one line
    folder/KEY/result.json   written last: a job that has it is never run again

Whoever runs a job holds its folder's lock, and the child one of its own: it is at work until it is gone, even if its
parent was killed. It reports progress as JSON lines and ends when its parent does.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel

from rlhf.state.errors import GenerationError, RlhfError, TrainingError
from rlhf.state.files.atomic import write_json
from rlhf.state.keys import content_key
from rlhf.state.locks import Held, file_lock
from rlhf.training.child import CHILD_LOCK, LOCK_WAIT

Launcher = Literal["python", "accelerate"]
Progress = Callable[[dict[str, Any]], None]

_FAILURES: Mapping[str, type[RlhfError]] = {
    "rlhf.training.generate": GenerationError,
    "rlhf.training.fit": TrainingError,
}
_GRACE = 5.0
"""Seconds a child that was told to stop may take before it is killed."""


def run_job(
    module: str,
    job: BaseModel,
    folder: Path,
    on_progress: Progress,
    *,
    launcher: Launcher = "python",
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Run `job` in `module` and return its result; one that is finished gives its result at once. Blocking.

    `on_progress` gets the child's lines ({"done", "total", "detail", …}) in this thread. Setting `stop`, or an
    exception out of `on_progress`, ends the child. Raises GenerationError or TrainingError with the child's
    last words and where its log is.
    """
    failure = _FAILURES[module]
    # The key is older than the package's name: what was finished before is found again.
    described = {"module": module.removeprefix("rlhf."), "job": job.model_dump(mode="json")}
    place = folder / content_key(described)[:12]
    result = place / "result.json"
    if result.exists():
        return _read(result)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place, failure), (place / "log.txt").open("a", encoding="utf-8") as log:
            if result.exists():
                return _read(result)
            (place / "error.txt").unlink(missing_ok=True)
            write_json(place / "job.json", described)
            child = _start(module, place, log, launcher)
            _watch(child, on_progress, stop or threading.Event())
    except OSError as error:
        raise failure(f"The job in {place} cannot be started: {error.strerror or error}.") from error
    if child.returncode == 0 and result.exists():
        return _read(result)
    raise failure(_last_words(child.returncode, place, stopped=bool(stop and stop.is_set())))


@contextmanager
def _alone(place: Path, failure: type[RlhfError]) -> Iterator[None]:
    """Hold the folder for this process, once no child of another is at work in it."""
    deadline = time.monotonic() + LOCK_WAIT
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(place / ".lock", wait=LOCK_WAIT))
            with file_lock(place / CHILD_LOCK, wait=max(0.0, deadline - time.monotonic())):
                pass  # free: the child of a parent that was killed is gone, or will find its parent gone
        except Held as error:
            raise failure(f"Another process is at work in {place}: wait for it, or end it.") from error
        yield


def _start(module: str, place: Path, log: IO[str], launcher: Launcher) -> "subprocess.Popen[str]":
    launch = ["-m", "accelerate.commands.launch"] if launcher == "accelerate" else []
    command = [sys.executable, "-P", *launch, "-m", module, str(place)]
    environment = {
        **os.environ,
        # Like -P, for what a launcher starts: nothing in the folder where the user stands is imported.
        "PYTHONSAFEPATH": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }
    # A thread that waits spins briefly, then sleeps: endless spinning on a busy machine keeps its partner from
    # work, and sleeping at once costs a quarter of the speed on an idle one.
    environment.setdefault("GOMP_SPINCOUNT", "5000")
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=True,
    )


def _watch(child: "subprocess.Popen[str]", on_progress: Progress, stop: threading.Event) -> None:
    """Hand on progress until the child ends; never leaves it running."""
    assert child.stdout is not None, "the child's output is a pipe"
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=read, args=(child.stdout,), daemon=True)
    reader.start()
    try:
        while not stop.is_set():
            try:
                line = lines.get(timeout=0.2)
            except queue.Empty:
                continue
            if line is None:
                child.wait()
                return
            if line.startswith("{"):  # a launcher may have its own things to say
                on_progress(json.loads(line))
    finally:
        _end(child)
        reader.join()
        child.stdout.close()


def _end(child: "subprocess.Popen[str]") -> None:
    """Closing its input tells the child to go; whatever is left of its group is killed after the grace time."""
    assert child.stdin is not None, "the child's input is a pipe"
    child.stdin.close()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _kill(child)
        child.wait()


def _kill(child: "subprocess.Popen[str]") -> None:
    """The child and what it has started."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)
        return
    import psutil

    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(child.pid).children(recursive=True):
            process.kill()
    child.kill()


def _read(result: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return value


def _last_words(status: int, place: Path, *, stopped: bool) -> str:
    log, error = place / "log.txt", place / "error.txt"
    if stopped:
        return f"Stopped before it was finished; what is done is kept. Log: {log}"
    if error.exists():
        return f"{error.read_text(encoding='utf-8').strip()} Log: {log}"
    if status < 0:
        name = signal.Signals(-status).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"The process was killed by {name}{hint}; resume the run and it goes on from there. Log: {log}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"The process ended with status {status}: {last or 'it said nothing.'} Log: {log}"
