"""The wheel: one package of plain files, with the rubric packs and recipes that are read from it."""

import subprocess
import sys
from pathlib import Path

from tests.graph.workplace import ROOT
from tests.rlhf.installed import ROOMS


def kept(folder: Path) -> set[Path]:
    """What a room must have when it is installed, relative to it."""
    suffixes = (".py", ".yaml", ".toml", ".typed")
    return {path.relative_to(folder) for path in folder.rglob("*") if path.suffix in suffixes}


def test_everything_read_at_run_time_is_in_the_wheel(installed: Path) -> None:
    for room in ROOMS:
        there = installed / "rlhf" if room == "rlhf" else installed / "rlhf" / room
        assert kept(there) >= kept(ROOT / room)
    assert not any(path.is_symlink() for path in installed.rglob("*"))


def test_nothing_else_is_put_among_other_packages(installed: Path) -> None:
    assert sorted(path.name.partition("-")[0] for path in installed.iterdir()) == ["rlhf", "rlhf_graph"]


def test_its_types_are_for_everybody(installed: Path) -> None:
    marked = [str(path.relative_to(installed)) for path in installed.rglob("py.typed")]
    assert marked == ["rlhf/py.typed"], "one package, marked once"


def test_recipes_and_packs_are_read_from_the_installed_package(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import rlhf.state.recipe as s, rlhf.prompts.rubric as r\n"
        "assert s.__file__.startswith(sys.argv[1]), s.__file__\n"
        "print(len([s.recipe_text(name) for name in s.shipped_recipes()]))\n"
        "print(len([r.load_pack(name) for name in r.available_packs()]))\n"
    )
    command = [sys.executable, "-P", "-c", code, str(installed)]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert told.split() == ["4", "6"]
