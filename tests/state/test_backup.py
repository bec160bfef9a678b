"""A backup is whole, checked, taken while others write, overwrites nothing, and comes back."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.state.backup import back_up, restore
from rlhf.state.errors import InputError, LedgerError
from rlhf.state.ledger import Ledger
from rlhf.state.locks import file_lock
from rlhf.state.recipe import load_recipe
from rlhf.state.settings import StorageSettings
from tests.nodes.builders import new_run, prompt_rows

STORAGE = StorageSettings()


def add_run(name: str) -> None:
    ledger = Ledger(STORAGE.ledger_url)
    new_run(ledger, prompt_rows(2), load_recipe("local"), name)
    ledger.close()


def runs_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT run_id FROM runs ORDER BY run_id")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run in its ledger, and checkpoints."""
    monkeypatch.chdir(tmp_path)
    add_run("first")
    with closing(sqlite3.connect(STORAGE.checkpoint_path)) as connection, connection:
        connection.execute("CREATE TABLE checkpoints (thread_id TEXT)")
        connection.execute("INSERT INTO checkpoints VALUES ('first')")
    return tmp_path


WRITER = """
import itertools, sys
from rlhf.state.ledger import Ledger
from rlhf.state.keys import response_key
ledger = Ledger(sys.argv[1])
for number in itertools.count():
    text = str(number)
    # The second of the two says that the first is there: a backup has neither, or the first.
    ledger.add_responses([(response_key("p", text), "p", text)])
    ledger.set_run("first", round=number)
    if number == 20:
        print("busy", flush=True)
"""


@pytest.fixture
def writer(here: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that writes to the ledger without a pause."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, STORAGE.ledger_url], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        yield process
        process.kill()


@pytest.mark.parametrize("name", ["copy", "copy.zip"])
def test_a_backup_taken_while_a_run_writes_is_one_moment(name: str, writer: object, here: Path) -> None:
    made = back_up(STORAGE, here / name)
    if name.endswith(".zip"):
        with zipfile.ZipFile(here / name) as archive:
            archive.extractall(here / "copy")
    path = here / "copy" / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        [(count,)] = connection.execute("SELECT COUNT(*) FROM responses").fetchall()
        [(round,)] = connection.execute("SELECT round FROM runs").fetchall()
    assert count - 2 <= round < count, "one write of the two at the most is missing"
    assert count >= 20
    assert made.rows["ledger"]["responses"] == count
    assert made.rows["checkpoints"] == {"checkpoints": 1}
    assert sorted(file.name for file in (here / "copy").iterdir()) == [
        "backup.json",
        "checkpoints.sqlite",
        "ledger.sqlite",
    ]
    assert not list(here.glob(".backup-*"))


def test_what_is_still_in_the_write_ahead_log_is_in_the_backup(here: Path) -> None:
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchall()  # keeps the log from being written back
        add_run("second")
        shutil.copy(".rlhf/ledger.sqlite", "plain.sqlite")
        back_up(STORAGE, here / "copy")
    assert runs_in(here / "plain.sqlite") == ["first"]
    assert runs_in(here / "copy" / "ledger.sqlite") == ["first", "second"]


@pytest.mark.parametrize("name", ["copy", "copy.zip"])
def test_a_backup_overwrites_nothing(name: str, here: Path) -> None:
    back_up(STORAGE, here / name)
    with pytest.raises(InputError, match="a backup never overwrites anything"):
        back_up(STORAGE, here / name)


def test_without_a_ledger_there_is_nothing_to_back_up(here: Path) -> None:
    with pytest.raises(InputError, match="There is no ledger at"):
        back_up(StorageSettings(ledger_url="sqlite:///none.sqlite"), here / "copy")
    with pytest.raises(InputError, match="pg_dump"):
        back_up(StorageSettings(ledger_url="postgresql+psycopg://h/d"), here / "copy")
    assert not (here / "none.sqlite").exists()


def test_a_ledger_that_is_torn_is_no_backup(here: Path) -> None:
    path = here / ".rlhf" / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:12288] = os.urandom(8192)
    path.write_bytes(data)
    with pytest.raises(LedgerError, match=r"^The (backup|copy) "):
        back_up(STORAGE, here / "copy")
    assert not (here / "copy").exists()


@pytest.mark.parametrize("name", ["my copy", "my copy.zip"])
def test_the_printed_way_back_works(name: str, here: Path) -> None:
    done = CliRunner().invoke(app, ["backup", name])
    assert done.exit_code == 0, done.output
    add_run("later")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("To put it back: ")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    back = subprocess.run(
        line.removeprefix("To put it back: "),
        shell=True,
        cwd="/",
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert back.returncode == 0, back.stderr
    assert runs_in(here / ".rlhf" / "ledger.sqlite") == ["first"]
    [before] = (here / ".rlhf").glob("before-restore-*")
    assert runs_in(before / "ledger.sqlite") == ["first", "later"]


def test_a_backup_comes_back_where_there_is_nothing(here: Path) -> None:
    made = back_up(STORAGE, here / "copy")
    other = StorageSettings(ledger_url="sqlite:///new/l.sqlite", checkpoint_url="sqlite:///new/c.sqlite")
    assert restore(here / "copy", other) == (made, None)
    assert runs_in(here / "new" / "l.sqlite") == ["first"]
    Ledger(other.ledger_url).close()


def test_nothing_is_restored_under_a_run_at_work(here: Path) -> None:
    back_up(STORAGE, here / "copy")
    add_run("later")
    (here / ".rlhf" / "runs" / "later").mkdir(parents=True)
    with (
        file_lock(here / ".rlhf" / "runs" / "later" / "lock"),
        pytest.raises(InputError, match="Run later is under way"),
    ):
        restore(here / "copy", STORAGE)
    assert runs_in(here / ".rlhf" / "ledger.sqlite") == ["first", "later"]


def test_what_is_no_sound_backup_changes_nothing(here: Path) -> None:
    back_up(STORAGE, here / "copy")
    add_run("later")
    with (here / "copy" / "ledger.sqlite").open("ab") as file:
        file.write(b"more")
    (here / "text.zip").write_text("no archive")
    with zipfile.ZipFile(here / "other.zip", "w") as archive:
        archive.writestr("../outside", "x")
    (here / "empty").mkdir()
    (here / "odd").mkdir()
    (here / "odd" / "backup.json").write_text(json.dumps({"rows": 1}))
    for name in ("copy", "text.zip", "other.zip", "empty", "odd", "nowhere"):
        with pytest.raises(InputError, match=rf"{name} is (damaged|no backup)"):
            restore(here / name, STORAGE)
    assert runs_in(here / ".rlhf" / "ledger.sqlite") == ["first", "later"]
