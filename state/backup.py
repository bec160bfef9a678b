"""Copies of a ledger and its checkpoints, whole and checked, taken while runs go on; and the way back.

    PLACE/backup.json          when it was taken, rows by table, SHA-256 of the files
    PLACE/ledger.sqlite        copied after the checkpoints: what a checkpoint says is done, the ledger has
    PLACE/checkpoints.sqlite

A plain copy of the files would lose what is still in their write-ahead logs.
"""

import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from rlhf.state.errors import InputError, LedgerError, first_mistake
from rlhf.state.files.atomic import sha256_file, write_json
from rlhf.state.ledger.database import sqlite_file
from rlhf.state.locks import Held, file_lock
from rlhf.state.records import Record
from rlhf.state.settings import StorageSettings

_MANIFEST = "backup.json"
_PARTS = ("checkpoints", "ledger")


class Backup(Record):
    """What a backup holds."""

    created_at: str
    """When it was taken, UTC."""
    rows: dict[str, dict[str, int]]
    """Rows by table, for each file that it holds: ledger, and checkpoints where there were any."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """By the same names."""


def back_up(storage: StorageSettings, place: Path) -> Backup:
    """Write a backup to a new folder, or to a new file if `place` ends in .zip; runs may go on meanwhile.

    Raises InputError if something is there already or there is nothing to back up, LedgerError if the copy cannot
    be made or is not sound; nothing is left at `place` then.
    """
    if place.exists():
        raise InputError(f"{place} exists: a backup never overwrites anything. Name another place.")
    files = _files(storage)
    if not files["ledger"].exists():
        raise InputError(f"There is no ledger at {files['ledger']}: nothing to back up.")
    with _errors(place), _scratch(place.parent) as scratch:
        whole = scratch / "whole"
        whole.mkdir()
        # In this order: were the ledger first, a checkpoint could be ahead of it.
        rows = {part: _copy(files[part], whole / f"{part}.sqlite") for part in _PARTS if files[part].exists()}
        sums = {part: sha256_file(whole / f"{part}.sqlite") for part in rows}
        made = Backup(created_at=datetime.now(UTC).isoformat(timespec="seconds"), rows=rows, sha256=sums)
        write_json(whole / _MANIFEST, made.model_dump(mode="json"))
        if place.suffix == ".zip":
            whole = Path(shutil.make_archive(str(scratch / "packed"), "zip", whole))
        whole.rename(place)
    return made


def restore(place: Path, storage: StorageSettings) -> tuple[Backup, Path | None]:
    """Put a backup's content in the place of the storage's; what was there is backed up first, beside it.

    Returns what was restored and where the other went (None if there was nothing). Raises InputError if `place` is
    no sound backup, or while a run is under way.
    """
    files = _files(storage)
    home = files["checkpoints"].parent
    with _errors(place), _scratch(home) as scratch, _nobody_at_work(home):
        kept = _unpacked(place, scratch)
        saved = None
        if files["ledger"].exists():
            saved = home / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
            back_up(storage, saved)
        for part in kept.rows:
            files[part].parent.mkdir(parents=True, exist_ok=True)
            # Through the database, not over its file: whoever has it open, and its write-ahead log, follow.
            _copy(scratch / f"{part}.sqlite", files[part], alone=False)
    return kept, saved


def _files(storage: StorageSettings) -> dict[str, Path]:
    ledger = sqlite_file(storage.ledger_url)
    if ledger is None:
        raise InputError(
            "The ledger is a PostgreSQL database: back it up with pg_dump, and bring it back with pg_restore."
        )
    return {"ledger": ledger, "checkpoints": storage.checkpoint_path}


def _copy(source: Path, target: Path, *, alone: bool = True) -> dict[str, int]:
    """Copy a database as it is at one moment, check the copy, and return its rows by table."""
    with (
        closing(sqlite3.connect(source, timeout=60)) as old,
        closing(sqlite3.connect(target, timeout=60)) as new,
    ):
        old.isolation_level = None
        old.execute("BEGIN")  # what is counted and what is copied are one moment's
        there = _rows(old)
        old.backup(new)
        old.execute("ROLLBACK")
        if alone:
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        [(verdict,)] = new.execute("PRAGMA integrity_check(1)").fetchall()
        if verdict != "ok" or _rows(new) != there:
            raise LedgerError(f"The copy of {source} is not sound ({verdict}): the disk may be failing.")
    return there


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    ).fetchall()
    return {name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for (name,) in tables}


def _unpacked(place: Path, scratch: Path) -> Backup:
    """The backup's files, copied to `scratch` and compared with what they should be."""
    try:
        if place.is_dir():
            for name in (_MANIFEST, *(f"{part}.sqlite" for part in _PARTS)):
                if (place / name).exists():
                    shutil.copyfile(place / name, scratch / name)
        else:
            with zipfile.ZipFile(place) as archive:
                for name in (_MANIFEST, *(f"{part}.sqlite" for part in _PARTS)):
                    if name in archive.namelist():
                        archive.extract(name, scratch)
        made = Backup.model_validate(
            json.loads((scratch / _MANIFEST).read_text(encoding="utf-8")), extra="ignore"
        )
        for part, expected in made.sha256.items():
            if part not in _PARTS or sha256_file(scratch / f"{part}.sqlite") != expected:
                raise InputError(f"{place} is damaged: its {part} is not what was written.")
    except ValidationError as error:
        raise InputError(f"{place} is no backup: {_MANIFEST}: {first_mistake(error)}.") from error
    except (FileNotFoundError, NotADirectoryError, zipfile.BadZipFile, ValueError) as error:
        raise InputError(f"{place} is no backup as `rlhf backup` writes it.") from error
    return made


@contextmanager
def _nobody_at_work(home: Path) -> Iterator[None]:
    for lock in sorted(home.glob("runs/*/lock")):
        try:
            with file_lock(lock, wait=0.0):
                pass
        except Held as error:
            raise InputError(f"Run {lock.parent.name} is under way: stop it, then restore.") from error
    yield


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as scratch:
        yield Path(scratch)


@contextmanager
def _errors(place: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LedgerError(f"The backup {place} failed: {reason}.") from error
