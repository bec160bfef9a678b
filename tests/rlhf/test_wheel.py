"""The installed package: rubric packs and recipes travel in the wheel and are found there."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("graph", "nodes", "prompts", "rlhf", "state", "training")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked as an installer would."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"],
        cwd=source,
        check=True,
        capture_output=True,
    )
    target = tmp_path_factory.mktemp("installed")
    [wheel] = (source / "dist").glob("rlhf_graph-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_everything_read_at_run_time_is_in_the_wheel(installed: Path) -> None:
    for package in PACKAGES:
        ours = {path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if path.is_file()}
        ours = {path for path in ours if path.suffix in (".py", ".yaml", ".toml", ".typed")}
        theirs = {path.relative_to(installed) for path in (installed / package).rglob("*") if path.is_file()}
        assert ours == theirs
    assert not (installed / "tests").exists()


def test_recipes_and_packs_are_read_from_the_installed_package(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import rlhf.state.settings as s, rlhf.prompts.rubric as r\n"
        "assert s.__file__.startswith(sys.argv[1]), s.__file__\n"
        "print(len([s.recipe_text(name) for name in s.shipped_recipes()]))\n"
        "print(len([r.load_pack(name) for name in r.available_packs()]))\n"
    )
    command = [sys.executable, "-P", "-c", code, str(installed)]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert told.split() == ["4", "6"]
