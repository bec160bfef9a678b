"""Lines for people to paste into a shell, quoted where they must be."""

import os
import shlex
import subprocess
from pathlib import Path


def line(*words: str | Path, folder: Path | None = None) -> str:
    """The command as a line for this system's shell; with `folder`, one that works from anywhere."""
    texts = [str(word) for word in words]
    if os.name == "nt":
        there = f"cd /d {subprocess.list2cmdline([str(folder)])} && " if folder else ""
        return there + subprocess.list2cmdline(texts)
    return (f"cd {shlex.quote(str(folder))} && " if folder else "") + shlex.join(texts)
