"""A lock is one process's, and its death frees it, however it dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf.state.locks import Held, file_lock

HOLDER = """
import sys
from pathlib import Path
from rlhf.state.locks import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> "subprocess.Popen[str]":
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_once_and_is_free_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        with file_lock(path, wait=0.0), pytest.raises(Held), file_lock(path, wait=0.0):
            pass


def test_another_process_keeps_us_out_until_it_ends(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        with pytest.raises(Held), file_lock(tmp_path / "lock", wait=0.0):
            pass
        process.communicate("")
    with file_lock(tmp_path / "lock", wait=0.0):
        pass


def test_a_holder_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with file_lock(tmp_path / "lock", wait=0.0):
            pass


def test_a_waiter_gets_the_lock_when_its_holder_is_done(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        assert process.stdin is not None
        process.stdin.close()
        with file_lock(tmp_path / "lock"):
            pass


def test_a_lock_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file"), file_lock(tmp_path / "file" / "lock", wait=0.0):
        pass
