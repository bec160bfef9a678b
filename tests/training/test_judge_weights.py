"""The embedded judge's weights: converted once, and usable where nothing can be written."""

import logging
from pathlib import Path

import gguf
import pytest

from rlhf.training.judge_weights import judge_weights_path
from rlhf.training.local_model import gguf_path


def test_the_weights_are_converted_once_and_keep_every_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_CACHE", str(tmp_path))
    path = judge_weights_path()
    written = path.stat().st_mtime_ns
    assert judge_weights_path() == path
    assert path.stat().st_mtime_ns == written
    before, after = gguf.GGUFReader(gguf_path()), gguf.GGUFReader(path)
    assert [(t.name, t.shape.tolist()) for t in after.tensors] == [
        (t.name, t.shape.tolist()) for t in before.tensors
    ]
    assert {t.tensor_type.name for t in after.tensors} == {"F32", "Q8_0"}
    assert set(after.fields) == set(before.fields)
    assert [entry for entry in tmp_path.iterdir() if entry.name.endswith(".gguf")] == [path]


def test_where_nothing_can_be_written_the_packaged_weights_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RLHF_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING):
        assert judge_weights_path() == gguf_path()
    assert "cannot be written" in caplog.text
