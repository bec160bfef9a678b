"""Preference datasets: what `datasets` and TRL read, the same bytes for the same rows, and no file overwritten."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rlhf.state.errors import DatasetError, InputError
from rlhf.state.files.atomic import sha256_file
from rlhf.training.dataset import Row, read_dataset, write_dataset
from rlhf.training.tokens import token_counter

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ROWS = [
    Row("Teile 1 Mio. € auf", "Amazon: 600.000 €", "naïve\nanswer", 81.25, 20.0, f"p{n}", f"c{n}", f"r{n}")
    for n in range(3)
]


def test_datasets_loads_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_dataset(tmp_path, "budgeting", ROWS, {"seed": 7}, NOON)
    assert path.name == "budgeting_dpo_20260301_120000.jsonl"
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded[0]["prompt"] == [{"role": "user", "content": "Teile 1 Mio. € auf"}]
    assert loaded[2]["rejected"] == [{"role": "assistant", "content": "naïve\nanswer"}]
    assert loaded[1]["chosen_score"] == 81.25
    from trl import is_conversational

    assert is_conversational(loaded[0])


def test_separators_that_are_no_line_ends_stay_in_the_text(tmp_path: Path) -> None:
    odd = Row("One\u2028two", "Three\u2029four\u0085", "five\x0bsix\x1cseven", 80.0, 20.0, "p", "c", "r")
    path = write_dataset(tmp_path, "budgeting", [odd, *ROWS], {}, NOON)
    rows, _ = read_dataset(path)
    assert rows == [odd, *ROWS]


def test_the_manifest_tells_the_hash_and_what_it_was_given(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, "budgeting", ROWS, {"seed": 7, "dropped": {"tie": 2}}, NOON)
    manifest = json.loads(path.with_suffix(".manifest.json").read_text())
    assert manifest["sha256"] == sha256_file(path)
    assert manifest["num_examples"] == 3
    assert manifest["dropped"] == {"tie": 2}


def test_the_same_second_overwrites_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_dataset(tmp_path, "budgeting", ROWS, {}, NOON)
    second = write_dataset(tmp_path, "budgeting", ROWS, {}, NOON)
    assert second.name == "budgeting_dpo_20260301_120000-2.jsonl"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a" * 65, "nul\0"])
def test_a_name_with_a_path_in_it_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Dataset name"):
        write_dataset(tmp_path, name, ROWS, {}, NOON)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        write_dataset(tmp_path / "file", "budgeting", ROWS, {}, NOON)


def test_tokens_are_counted_as_the_model_reads_them(tiny_model: Path, tmp_path: Path) -> None:
    assert token_counter(tiny_model)("spend 100 to amazon .") == 5
    with pytest.raises(DatasetError, match=r"no tokenizer\.json"):
        token_counter(tmp_path)
