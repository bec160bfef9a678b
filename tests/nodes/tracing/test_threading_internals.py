"""Python's threads still call what is registered for the end before they are waited for."""

import subprocess
import sys
import threading

PROGRAM = """
import threading, time
from rlhf.nodes.tracing.threading_internals import at_the_end

ended = threading.Event()
at_the_end(ended.set)
threading.Thread(target=lambda: print("told" if ended.wait(20) else "not told")).start()
"""


def test_the_name_is_there() -> None:
    assert hasattr(threading, "_register_atexit"), "nodes/tracing/threading_internals.py needs another way"


def test_a_thread_that_the_end_waits_for_hears_of_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "told\n"
