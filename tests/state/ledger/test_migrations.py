"""Ledgers of every released format open, become one of today's, and the runs in them go on."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.doctor import checkup
from rlhf.state.errors import LedgerError
from rlhf.state.ledger import Ledger, migrations
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database, ledger_format
from rlhf.state.recipe import load_recipe
from tests.state.ledger.conftest import RELEASED

LEDGER = "sqlite:///.rlhf/ledger.sqlite"


def rlhf(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def shape(url: str) -> dict[str, Any]:
    """Every table's columns, key and indexes, as the database itself tells them."""
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in inspector.get_columns(table)
            },
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((index["name"], *index["column_names"]) for index in inspector.get_indexes(table)),
        )
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return found


def counts(path: Path) -> dict[str, int]:
    """Rows by table."""
    with closing(sqlite3.connect(path)) as connection:
        there = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
            for name in t.metadata.tables
            if name in there
        }


def test_every_format_before_this_one_has_a_folder() -> None:
    assert RELEASED[: migrations.FORMAT - 1] == [str(number) for number in range(1, migrations.FORMAT)]


def test_an_old_ledger_gets_the_tables_of_a_new_one_and_loses_nothing(old_folder: Path) -> None:
    path = old_folder / ".rlhf" / "ledger.sqlite"
    before = counts(path)
    Ledger(LEDGER).close()
    Ledger("sqlite:///new.sqlite").close()
    assert shape(LEDGER) == shape("sqlite:///new.sqlite")
    assert counts(path) == before | {"access_log": 0}
    assert ledger_format(LEDGER) == ledger_format("sqlite:///new.sqlite") == migrations.FORMAT


def test_the_first_ledgers_of_format_1_had_fewer_tables(unpack: Callable[[str], Path]) -> None:
    path = unpack("1") / ".rlhf" / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE canaries")
        connection.execute("DROP TABLE traces")
    Ledger(LEDGER).close()
    Ledger("sqlite:///new.sqlite").close()
    assert shape(LEDGER) == shape("sqlite:///new.sqlite")


def test_who_made_a_response_is_looked_up_in_an_index(old_folder: Path) -> None:
    Ledger(LEDGER).close()
    queries = (
        "SELECT run_id FROM samples WHERE response_key = 'x'",
        "SELECT run_id FROM run_verdicts WHERE verdict_key = 'x'",
    )
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as connection:
        for query in queries:
            [(*_, plan)] = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            assert plan.startswith("SEARCH"), plan


OPENER = f"""
from rlhf.state.ledger import Ledger, database
check = database.check_readable
def told(known):
    check(known)
    print("found format", known, flush=True)
database.check_readable = told
Ledger({LEDGER!r}).close()
"""
"""Opens the ledger and says what it found, before it waits for its turn to write."""


def test_two_processes_open_an_old_ledger_at_once(unpack: Callable[[str], Path]) -> None:
    path = unpack("1") / ".rlhf" / "ledger.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        openers = [
            subprocess.Popen(
                [sys.executable, "-c", OPENER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        for opener in openers:
            assert opener.stdout is not None
            assert opener.stdout.readline() == "found format 1\n"
        holder.execute("COMMIT")
    for opener in openers:
        _, errors = opener.communicate()
        assert (opener.returncode, errors) == (0, "")
    Ledger("sqlite:///new.sqlite").close()
    assert shape(LEDGER) == shape("sqlite:///new.sqlite")


def test_a_step_that_fails_leaves_the_ledger_as_it_was(
    unpack: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1 FROM nowhere"))

    unpack("1")
    before = shape(LEDGER)
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, fails))
    with pytest.raises(LedgerError, match="cannot be written: no such table: nowhere"):
        Ledger(LEDGER)
    assert shape(LEDGER) == before
    assert ledger_format(LEDGER) == 1


def test_a_step_adds_columns_indexes_and_tables_and_may_find_them_there(
    unpack: Callable[[str], Path],
) -> None:
    unpack("1")
    extra = sa.Table("extra", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    priced = sa.Column("price", sa.Float, server_default=sa.text("0.5"), nullable=False)
    database = Database(LEDGER)
    for _ in range(2):
        with database.writing() as connection:
            migrations.add_column(connection, "samples", priced)
            migrations.add_index(connection, "ix_priced", "samples", ["run_id", "price"])
            migrations.add_table(connection, extra)
    with database.reading() as connection:
        assert set(connection.execute(sa.text("SELECT price FROM samples")).scalars()) == {0.5}
    database.close()
    found = shape(LEDGER)
    assert ("ix_priced", "run_id", "price") in found["samples"][2]
    assert "extra" in found


def test_a_ledger_of_a_newer_version_is_refused_in_one_line_and_left_alone(old_folder: Path) -> None:
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE ledger_info SET schema_version = 99")
    result = rlhf("runs")
    assert result.exit_code == 4
    [line] = result.stderr.splitlines()
    assert line.startswith(
        "Error: The ledger has format 99, and this version of rlhf-graph reads up to format"
    )
    assert ledger_format(LEDGER) == 99


def doctors_word(url: str) -> Any:
    settings = load_recipe("local").replace({"storage": {"ledger_url": url}}, "test")
    [word] = [check for check in checkup(settings) if check.what == "ledger"]
    return word


def test_the_doctor_names_the_format_and_changes_nothing(unpack: Callable[[str], Path]) -> None:
    here = unpack("1")
    assert doctors_word(LEDGER).state.startswith("format 1; the next command makes it format")
    assert ledger_format(LEDGER) == 1
    assert doctors_word("sqlite:///none/here.sqlite").state.startswith("none yet")
    assert not (here / "none").exists()
    Ledger(LEDGER).close()
    assert doctors_word(LEDGER).state == f"format {migrations.FORMAT}"
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE ledger_info SET schema_version = 99")
    assert not doctors_word(LEDGER).ok
    assert "newer" in doctors_word(LEDGER).mend


def test_old_runs_are_listed_and_shown(old_folder: Path) -> None:
    listed = rlhf("runs").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [
        "waiting-training-w1",
        "waiting-training",
        "waiting-review",
    ]
    assert all(" 2026-11-25 01:42 UTC " in line for line in listed)
    report = json.loads(rlhf("show", "waiting-training", "--json").stdout)
    assert (report["status"], report["stages"]["dataset"]["num_examples"]) == ("waiting", 1)
    assert "rlhf review waiting-review" in rlhf("show", "waiting-review").stdout


def test_an_old_run_that_only_has_to_be_resumed_is_known_without_its_note(old_folder: Path) -> None:
    ledger = Ledger(LEDGER)
    assert [row.run_id for row in ledger.runs() if row.answered] == ["waiting-training-w1"]
    ledger.close()
    assert json.loads(rlhf("show", "waiting-training-w1", "--json").stdout)["answered"]
    assert "rlhf review" not in rlhf("show", "waiting-training-w1").stdout


def test_an_old_run_waiting_for_review_takes_answers_and_goes_on_to_the_next_gate(old_folder: Path) -> None:
    half = rlhf("resume", "waiting-review", "--decisions", "half.json")
    assert half.exit_code == 3, half.output
    rest = rlhf("resume", "waiting-review", "--approve")
    assert rest.exit_code == 3, rest.output
    report = json.loads(rlhf("show", "waiting-review", "--json").stdout)
    assert report["stages"]["dataset"]["num_examples"] > 0
    assert "Train" in rest.output


def test_an_old_run_waiting_for_training_takes_its_answer(old_folder: Path) -> None:
    result = rlhf("resume", "waiting-training", "--reject")
    report = json.loads(rlhf("show", "waiting-training", "--json").stdout)
    assert (result.exit_code, report["status"]) == (0, "finished"), result.output


def test_an_old_run_that_was_derived_goes_on_to_its_gate(old_folder: Path) -> None:
    result = rlhf("resume", "waiting-training-w1")
    assert result.exit_code == 3, result.output
    assert "waiting-training-w1" in result.output
    result = rlhf("resume", "waiting-training-w1", "--reject")
    report = json.loads(rlhf("show", "waiting-training-w1", "--json").stdout)
    assert (result.exit_code, report["status"]) == (0, "finished"), result.output
