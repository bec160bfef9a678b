"""The lint rules hold: our rooms cannot be imported by names that a user's own files may have."""

import subprocess
import sys

import pytest

from tests.graph.workplace import ROOT


def complaints(code: str) -> list[str]:
    """Rules that ruff finds broken in a file of the package."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--output-format=concise",
            "--stdin-filename=rlhf/new.py",
            "-",
        ],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("rlhf/new.py")]


@pytest.mark.parametrize("room", ["graph", "nodes", "prompts", "state", "training"])
@pytest.mark.parametrize(
    "form", ["import {}", "import {}.judge", "from {} import judge", "from {}.judge import judge"]
)
def test_a_room_is_imported_from_rlhf_alone(room: str, form: str) -> None:
    use = "judge" if form.startswith("from") else room
    bare = f'"""A file."""\n\n{form.format(room)}\n\nprint({use})\n'
    assert "TID251" in complaints(bare)
    whole = bare.replace(f"{form.format(room)}\n", f"{form.format('rlhf.' + room)}\n").replace(
        "(graph)", "(rlhf)"
    )
    assert "TID251" not in complaints(whole)


def test_nor_is_it_imported_relatively() -> None:
    assert "TID252" in complaints('"""A file."""\n\nfrom . import state\n\nprint(state)\n')
