"""Folders as released versions left them: ledger, checkpoints, recipe and prompts of runs that wait for a person."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

FORMATS = Path(__file__).parent / "formats"
RELEASED = sorted((folder.name for folder in FORMATS.iterdir()), key=int)
"""The formats there is a folder of."""


@pytest.fixture(params=RELEASED)
def old_format(request: pytest.FixtureRequest) -> str:
    """Each released format in turn."""
    return str(request.param)


@pytest.fixture
def unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a folder as the version with that format left it, and stand in it."""

    def unpacked(number: str) -> Path:
        (tmp_path / ".rlhf").mkdir()
        for file in (FORMATS / number).iterdir():
            if file.suffix == ".gz":
                (tmp_path / ".rlhf" / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
            else:
                shutil.copy(file, tmp_path)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return unpacked


@pytest.fixture
def old_folder(old_format: str, unpack: Callable[[str], Path]) -> Path:
    """A folder of each released format in turn; it is the current one."""
    return unpack(old_format)
