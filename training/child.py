"""The child's side of a job: reads it, reports progress, ends with its parent, and writes the result last."""

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from rlhf.state.errors import RlhfError
from rlhf.state.files.atomic import write_json
from rlhf.state.locks import Held, file_lock

CHILD_LOCK = ".child.lock"
"""File in a job's folder that its child holds while it works."""
LOCK_WAIT = 30.0
"""Seconds to wait for a child whose parent was killed: it needs a moment to notice."""

Report = Callable[[dict[str, Any]], None]
Job = TypeVar("Job", bound=BaseModel)

_FULL = ("No space left", "os error 28", "PytorchStreamWriter failed", "file write failed", "File too large")
"""How the libraries that write weights say that the disk is full."""


def work(job_type: type[Job], run: Callable[[Job, Path, Report], dict[str, Any]]) -> None:
    """Carry out the job in the folder that is the first argument; exits with status 1 and a last plain line."""
    place = Path(sys.argv[1])
    report = _reporter()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with _at_work(place):
        _carry_out(job_type, run, place, report)


def _carry_out(
    job_type: type[Job], run: Callable[[Job, Path, Report], dict[str, Any]], place: Path, report: Report
) -> None:
    scratch = _scratch(place)
    try:
        described = json.loads((place / "job.json").read_text(encoding="utf-8"))
        result = run(job_type.model_validate(described["job"]), place, report)
        if _is_main():
            write_json(place / "result.json", result)
        shutil.rmtree(scratch, ignore_errors=True)
    except RlhfError as error:
        _give_up(place, str(error))
    except Exception as error:
        import traceback

        traceback.print_exc()
        _give_up(place, _plain(error))


@contextmanager
def _at_work(place: Path) -> Iterator[None]:
    """Keep others out of the folder until this process is gone, whatever becomes of its parent."""
    if not _is_main():
        yield
        return
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(place / CHILD_LOCK, wait=LOCK_WAIT))
        except Held:
            _give_up(place, f"Another process is at work in {place}: wait for it, or end it.")
        yield


def _reporter() -> Report:
    """Progress goes to the real standard output; everything libraries print goes to the log instead."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(line: dict[str, Any]) -> None:
        if _is_main():
            stream.write(json.dumps(line) + "\n")
            stream.flush()

    return report


def _scratch(place: Path) -> Path:
    """Libraries' temporary files go into the job's folder: a killed child leaves nothing elsewhere."""
    scratch = place / f"scratch-{os.environ.get('RANK', '0')}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    tempfile.tempdir = str(scratch)
    return scratch


def _is_main() -> bool:
    """Under accelerate one process speaks for all."""
    return os.environ.get("RANK", "0") == "0"


def _end_with_parent() -> None:
    """Standard input is a pipe whose other end only the parent holds: it closes when the parent dies."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _plain(error: Exception) -> str:
    text = str(error)
    no_room = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if no_room or any(sign in text for sign in _FULL):
        return f"The disk is full or a file grew too large ({text.splitlines()[0]}): free space and resume the run."
    if isinstance(error, MemoryError) or "not enough memory" in text or "out of memory" in text.lower():
        return "Out of memory: lower batch_size or max_length, or free memory, and resume the run."
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"


def _give_up(place: Path, line: str) -> None:
    print(line, file=sys.stderr, flush=True)
    # On a full disk even this may fail; the parent then reads the log.
    with contextlib.suppress(OSError):
        (place / "error.txt").write_text(line + "\n", encoding="utf-8")
    # At once: an orderly shutdown would wait for the threads of libraries.
    os._exit(1)
