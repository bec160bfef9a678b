"""The one name of Python's own threads that is not public and that this project needs: a word at the program's end.

tests/nodes/tracing/test_threading_internals.py fails where a Python no longer has it.
"""

import atexit
import concurrent.futures.thread  # noqa: F401  # its end is registered before ours, so that ours comes first
import threading
from collections.abc import Callable


def at_the_end(call: Callable[[], object]) -> None:
    """Call this when the main program has ended, before any thread is waited for.

    `atexit` comes after all threads were waited for. It is better than nothing in a Python without the other.
    """
    register: Callable[[Callable[[], object]], object] = getattr(
        threading, "_register_atexit", atexit.register
    )
    register(call)
