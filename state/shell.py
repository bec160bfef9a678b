"""Lines for people to paste into a shell, quoted where they must be."""

import os
import shlex
import subprocess
from pathlib import Path


def line(*words: str | Path, folder: Path | None = None) -> str:
    """The command as a line for this system's shell; with `folder`, one that works from anywhere."""
    texts = [str(word) for word in words]
    if folder is None:
        return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)
    # The one variable that a run reads anew when it goes on and that is no secret.
    named = os.environ.get("RLHF_RUBRICS")
    rubrics = str(folder / named) if named else None
    if os.name == "nt":
        variable = f'set "RLHF_RUBRICS={rubrics}" && ' if rubrics else ""
        return f"cd /d {subprocess.list2cmdline([str(folder)])} && {variable}{subprocess.list2cmdline(texts)}"
    variable = f"RLHF_RUBRICS={shlex.quote(rubrics)} " if rubrics else ""
    return f"cd {shlex.quote(str(folder))} && {variable}{shlex.join(texts)}"
