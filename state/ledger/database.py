"""The database under the ledger: how it is opened, read and written, and how a row is written only once."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from rlhf.state import shell
from rlhf.state.errors import LedgerError
from rlhf.state.ledger.migrations import FORMAT, bring_up_to_date, check_readable, format_of
from rlhf.state.ledger.stored import loads

_NO_ADDRESS = "storage.ledger_url is not a database address such as sqlite:///FILE."
_DRIVERS = {"psycopg": "psycopg[binary]"}
"""What to install for a module that is missing, where its name does not say it."""
_PATIENCE = 60.0
"""Seconds to wait for another writer of an SQLite file."""
_PREPARING = 7_515_166_321
"""Any number that names this lock alone among a database's advisory locks."""


class Database:
    """One SQLite file or PostgreSQL database. Raises LedgerError when it cannot be used."""

    def __init__(self, url: str) -> None:
        self._engine = _open(url)

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Make its tables, or bring those of an older version up to date; one of a newer version is refused."""
        with self.reading() as connection:
            known = format_of(connection)
        if known == FORMAT:
            return
        if known is not None:
            check_readable(known)
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                # SQLite lets one writer in at a time; here whoever opens the same ledger meanwhile waits for this.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PREPARING)))
            bring_up_to_date(connection)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is kept, or nothing."""
        try:
            with self._engine.connect().execution_options(rlhf_write=True) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(f"The ledger cannot be written: {_plain(error)}.") from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read with."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(f"The ledger cannot be read: {_plain(error)}.") from error

    def insert(self, connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Add the rows that are not there yet, by primary key."""
        if rows:
            connection.execute(self._statement(table).on_conflict_do_nothing(), rows)

    def replace(
        self, connection: sa.Connection, table: sa.Table, row: dict[str, Any], unless: Any = None
    ) -> None:
        """Add the row or overwrite the one with its primary key, where `unless` does not hold for that one."""
        keys = [column.name for column in table.primary_key]
        statement = self._statement(table).values(row)
        changed = {name: statement.excluded[name] for name in row if name not in keys}
        where = None if unless is None else sa.not_(unless)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed, where=where))

    def add_up(
        self, connection: sa.Connection, table: sa.Table, row: dict[str, Any], counters: Sequence[str]
    ) -> None:
        """Add the row, or its `counters` to those of the one with its primary key."""
        keys = [column.name for column in table.primary_key]
        statement = self._statement(table).values(row)
        sums = {name: table.c[name] + statement.excluded[name] for name in counters}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=sums))

    def json_text(self, name: str) -> sa.ColumnElement[Any]:
        """A parameter for a JSON column that takes JSON as text, for many rows that are encoded already."""
        text = sa.bindparam(name, type_=sa.Text)
        return sa.cast(text, sa.JSON) if self._engine.dialect.name == "postgresql" else text

    def is_json(self, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """Whether SQL can look into the JSON column; PostgreSQL keeps nothing else in one, SQLite anything."""
        if self._engine.dialect.name == "postgresql":
            return sa.true()
        return sa.func.json_valid(sa.cast(column, sa.Text)) == 1

    def _statement(self, table: sa.Table) -> Any:
        # Both dialects spell "on conflict" the same way, but as separate classes.
        return (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(table)


def chunks(keys: list[str], size: int = 500) -> Iterator[list[str]]:
    """The keys in parts: databases bound how many parameters a query may have."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _open(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError as error:
        raise LedgerError(_NO_ADDRESS) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise LedgerError("storage.ledger_url must be sqlite:///FILE or postgresql+psycopg://…")
    try:
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            parsed,
            json_serializer=lambda value: json.dumps(value, ensure_ascii=False),
            json_deserializer=loads,
        )
    except ModuleNotFoundError as error:
        package = _DRIVERS.get(str(error.name), str(error.name))
        way = shell.line("pip", "install", package)
        raise LedgerError(f"storage.ledger_url needs a driver: {way}") from error
    except OSError as error:
        raise LedgerError(f"The ledger's folder cannot be made: {error.strerror}.") from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves, see _begin_sqlite
    for pragma in (f"busy_timeout={_PATIENCE * 1000:.0f}", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    _write_ahead(connection)


def _write_ahead(connection: Any) -> None:
    # A file that is new or restored is switched to a write-ahead log once, and for that SQLite does not wait.
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A write lock taken at once waits its turn; one taken later in a transaction fails instead.
    writing = connection.get_execution_options().get("rlhf_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _plain(error: SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    return str(origin or error).splitlines()[0]


def ledger_format(url: str) -> int | None:
    """The format of the ledger at `url`, which is left as it is; None if there is none yet. Raises LedgerError."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None
    database = Database(url)
    try:
        with database.reading() as connection:
            return format_of(connection)
    finally:
        database.close()


def holds_password(url: str) -> bool:
    """Whether the address has a password in it."""
    return sa.make_url(url).password is not None


def sqlite_file(url: str) -> Path | None:
    """The file behind the address; None if it is no SQLite file. LedgerError if it is no address."""
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError as error:
        raise LedgerError(_NO_ADDRESS) from error
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
