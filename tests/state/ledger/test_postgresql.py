"""The ledger on a real PostgreSQL server, where one is installed: the same tables, steps and times."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from rlhf.state.files.prompts import parse_rows
from rlhf.state.ledger import Ledger, migrations
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import ledger_format
from rlhf.state.recipe import load_recipe
from rlhf.state.records import Review

_BINARIES = [Path(found).parent for found in [shutil.which("initdb")] if found]
_BINARIES += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

pytestmark = pytest.mark.skipif(not _BINARIES, reason="no PostgreSQL server is installed here")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an empty server, on a socket in a folder of its own."""
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="rlhf-pg-"))
    # It refuses to run as root.
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    if user:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    command = [str(_BINARIES[0] / "pg_ctl"), "-D", str(folder / "data")]

    def run(*words: str) -> None:
        subprocess.run([*command, *words], check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)  # type: ignore[call-overload]

    run("initdb", "-o", "--auth=trust --username=rlhf --no-sync")
    run("start", "-w", "-o", f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off")
    yield f"postgresql+psycopg://rlhf@/postgres?host={folder}"
    run("stop", "-m", "immediate")
    shutil.rmtree(folder)


@pytest.fixture
def url(server: str) -> str:
    """An empty database."""
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return server


def indexes(url: str) -> set[str]:
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {str(index["name"]) for table in t.metadata.tables for index in inspector.get_indexes(table)}
    engine.dispose()
    return found


def test_a_new_ledger_keeps_runs_and_times(url: str) -> None:
    ledger = Ledger(url)
    rows = parse_rows([{"prompt": "A", "context": {"budget": 5}}], "general", "rows")
    ledger.create_run("r", "a", load_recipe("local"), "x", rows)
    given = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    ledger.add_reviews("r", [Review(response_key="k", decision="approve", created_at=given)])
    assert ledger.prompts("r", "train") == rows
    assert ledger.run("r").settings == load_recipe("local")
    assert ledger.reviews("r")["k"].created_at == given
    assert ledger.run("r").created_at.tzinfo == UTC
    assert ledger.audited("r", 1) == []
    assert ledger.totals().runs == {"running": 1}
    assert ledger.origins.verdicts(["k"]) == {}
    ledger.close()
    assert ledger_format(url) == migrations.FORMAT


def test_a_ledger_of_format_1_goes_through_the_steps_once_though_two_open_it(url: str) -> None:
    Ledger(url).close()
    whole = indexes(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in ("samples", "run_verdicts"):
            for index in sa.inspect(connection).get_indexes(table):
                connection.execute(sa.text(f'DROP INDEX "{index["name"]}"'))
        connection.execute(sa.text("UPDATE ledger_info SET schema_version = 1"))
    engine.dispose()
    assert indexes(url) < whole
    code = "import sys; from rlhf.state.ledger import Ledger; Ledger(sys.argv[1]).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(opener.communicate()[1], opener.returncode) for opener in openers] == [("", 0)] * 3
    assert indexes(url) == whole
    assert ledger_format(url) == migrations.FORMAT


def test_several_processes_make_one_ledger(url: str) -> None:
    code = "import sys; from rlhf.state.ledger import Ledger; Ledger(sys.argv[1]).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(opener.communicate()[1], opener.returncode) for opener in openers] == [("", 0)] * 3
    assert ledger_format(url) == migrations.FORMAT
