"""Time and peak memory of a command and all its child processes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS_BETWEEN_LOOKS = 1.0


class Meter:
    """What was measured so far."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.peak_bytes = 0

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started

    def look(self) -> None:
        """Take the memory in use now, pages that processes share counted once where the system tells."""
        import psutil

        this = psutil.Process()
        total = 0
        for process in (this, *this.children(recursive=True)):
            try:
                memory = process.memory_full_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            total += getattr(memory, "pss", 0) or memory.rss
        self.peak_bytes = max(self.peak_bytes, total)


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure until the block ends."""
    meter, ended = Meter(), threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            meter.look()

    watcher = threading.Thread(target=watch, daemon=True, name="meter")
    watcher.start()
    try:
        yield meter
    finally:
        ended.set()
        watcher.join()
        meter.look()
