"""The preference dataset: versioned JSONL in TRL's conversational format, and the manifest beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlhf.state.conversation import Turn, asked_of, messages_of, transcript
from rlhf.state.errors import DatasetError, InputError
from rlhf.state.files.atomic import checked_name, sha256_file, write_atomic, write_json
from rlhf.state.files.lines import json_lines

_NUMBERS_AND_KEYS = ("chosen_score", "rejected_score", "prompt_key", "chosen_key", "rejected_key")


@dataclass(frozen=True)
class Row:
    """One preference: what was asked, the better and the worse answer, and where they come from."""

    prompt: str
    """What was asked; of a conversation the whole of it, each turn under its role."""
    chosen: str
    rejected: str
    chosen_score: float
    rejected_score: float
    prompt_key: str
    chosen_key: str
    rejected_key: str
    turns: Sequence[Turn] | None = None
    """The turns of a prompt that is a conversation; None where it is one question."""

    def as_record(self) -> dict[str, Any]:
        """The row in TRL's conversational preference format."""
        record: dict[str, Any] = {
            "prompt": messages_of(asked_of(self.prompt, self.turns)),
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
        }
        return record | {name: getattr(self, name) for name in _NUMBERS_AND_KEYS}

    def as_json(self) -> str:
        """The record as one line; the same row always gives the same bytes."""
        return json.dumps(self.as_record(), ensure_ascii=False)


def write_dataset(
    folder: Path, name: str, rows: Sequence[Row], manifest: Mapping[str, Any], now: datetime | None = None
) -> Path:
    """Write NAME_dpo_YYYYmmdd_HHMMSS.jsonl (UTC) with NAME_dpo_….manifest.json; returns the data file's path.

    A file of that name is never overwritten: a number is added instead. Raises DatasetError when the folder
    cannot be written.
    """
    checked_name(name, "Dataset name")
    written = now or datetime.now(UTC)
    stamp = f"{name}_dpo_{written:%Y%m%d_%H%M%S}"
    path, number = folder / f"{stamp}.jsonl", 1
    while path.exists():
        number += 1
        path = folder / f"{stamp}-{number}.jsonl"
    try:
        write_atomic(path, "".join(row.as_json() + "\n" for row in rows).encode())
        record = {
            **manifest,
            "file": path.name,
            "sha256": sha256_file(path),
            "num_examples": len(rows),
            "created_at": written.isoformat(timespec="seconds"),
        }
        write_json(_manifest_of(path), record)
    except OSError as error:
        raise DatasetError(f"The dataset cannot be written to {folder}: {error.strerror}.") from error
    return path


def read_dataset(path: Path) -> tuple[list[Row], dict[str, Any]]:
    """A written dataset's rows and manifest.

    Raises InputError when a file is missing, is no such dataset, or is not the one the manifest describes.
    """
    try:
        manifest = json.loads(_manifest_of(path).read_text(encoding="utf-8"))
        rows = [_row(json.loads(line)) for line in json_lines(path.read_text(encoding="utf-8"))]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: not a preference dataset with its manifest.") from error
    if manifest.get("sha256") != sha256_file(path):
        raise InputError(f"{path}: changed since it was written; its manifest describes other bytes.")
    return rows, manifest


def list_datasets(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every dataset in `folder` with its manifest, oldest first; InputError if a manifest cannot be read."""
    found = []
    for file in folder.glob("*.manifest.json"):
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            found.append((folder / str(manifest["file"]), manifest))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: not a dataset's manifest; move it out of the folder.") from error
    return sorted(found, key=lambda each: (str(each[1].get("created_at", "")), each[0].name))


def _manifest_of(path: Path) -> Path:
    return path.with_suffix(".manifest.json")


def _row(record: Mapping[str, Any]) -> Row:
    messages = record["prompt"]
    turns = None
    if [message["role"] for message in messages] != ["user"]:
        turns = [Turn(role=message["role"], content=message["content"]) for message in messages]
    return Row(
        prompt=transcript(turns) if turns else messages[0]["content"],
        chosen=record["chosen"][0]["content"],
        rejected=record["rejected"][0]["content"],
        **{name: record[name] for name in _NUMBERS_AND_KEYS},
        turns=turns,
    )
