"""Locks that free themselves when their holder dies, on every system: files that are locked, not files that exist."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOREVER = -1.0


class Held(Exception):
    """Somebody else holds the lock."""


@contextmanager
def file_lock(path: Path, wait: float = FOREVER) -> Iterator[None]:
    """Hold the file for this process alone, waiting `wait` seconds for another holder to end.

    Raises Held when they are over, OSError when the file cannot be made or the file system knows no locks.
    """
    from filelock import FileLock, Timeout

    # A file system without locks is refused: a mark that a lock is held would outlive a holder that was killed.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise Held(str(path)) from error
    try:
        yield
    finally:
        lock.release()
