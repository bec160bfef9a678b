"""Files that appear whole or not at all: temporary name, fsync, rename."""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlhf.state.errors import InputError
from rlhf.state.locks import file_lock

_ATTEMPTS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def checked_name(name: str, what: str) -> str:
    """Return `name` if it is safe as one path part, else raise InputError.

    Allowed: 1–64 letters, digits, '.', '_' or '-', starting with a letter or digit.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{what} {name[:80]!r} is not usable: use 1 to 64 letters, digits, '.', '_' or '-', "
            "starting with a letter or digit."
        )
    return name


def fsync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    if os.name == "nt":  # Windows opens no folder, and keeps renames by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one, and who `mode` lets.

    Raises OSError (full disk, read-only folder); no temporary file is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        _replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def _replace(new: str, path: Path) -> None:
    """Put `new` in the place of `path` in one step, whoever reads that just now."""
    for attempt in range(_ATTEMPTS):
        try:
            os.replace(new, path)
            return
        except PermissionError:  # Windows, while somebody has the old file open
            if os.name != "nt" or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.02)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON with sorted keys, atomically."""
    write_atomic(path, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def sha256_file(path: Path) -> str:
    """The file's SHA-256 as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for this process alone; waits for another holder to end (its death frees the lock)."""
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / ".lock"):
        yield
