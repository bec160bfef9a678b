"""The preference dataset: versioned JSONL in TRL's conversational format, and the manifest beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from state.errors import DatasetError
from state.files import checked_name, sha256_file, write_atomic, write_json


@dataclass(frozen=True)
class Row:
    """One preference: what was asked, the better and the worse answer, and where they come from."""

    prompt: str
    chosen: str
    rejected: str
    chosen_score: float
    rejected_score: float
    prompt_key: str
    chosen_key: str
    rejected_key: str

    def as_json(self) -> str:
        """One line in TRL's conversational preference format; the same row always gives the same bytes."""
        record: dict[str, Any] = {
            "prompt": [{"role": "user", "content": self.prompt}],
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
        }
        for name in ("chosen_score", "rejected_score", "prompt_key", "chosen_key", "rejected_key"):
            record[name] = getattr(self, name)
        return json.dumps(record, ensure_ascii=False)


def write_dataset(
    folder: Path, name: str, rows: Sequence[Row], manifest: Mapping[str, Any], now: datetime | None = None
) -> Path:
    """Write NAME_dpo_YYYYmmdd_HHMMSS.jsonl (UTC) with NAME_dpo_….manifest.json; returns the data file's path.

    A file of that name is never overwritten: a number is added instead. Raises DatasetError when the folder
    cannot be written.
    """
    checked_name(name, "Dataset name")
    stamp = f"{name}_dpo_{(now or datetime.now(UTC)):%Y%m%d_%H%M%S}"
    path, number = folder / f"{stamp}.jsonl", 1
    while path.exists():
        number += 1
        path = folder / f"{stamp}-{number}.jsonl"
    try:
        write_atomic(path, "".join(row.as_json() + "\n" for row in rows).encode())
        record = {**manifest, "file": path.name, "sha256": sha256_file(path), "num_examples": len(rows)}
        write_json(path.with_suffix(".manifest.json"), record)
    except OSError as error:
        raise DatasetError(f"The dataset cannot be written to {folder}: {error.strerror}.") from error
    return path
