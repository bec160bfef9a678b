"""Who did what on the served app, and when: kept with the runs, never changed."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.records import Moment, Record

_LONGEST = 200


class Access(Record):
    """One thing that somebody did, or was refused."""

    who: str
    """Name of the user; "local" for whoever sits at the machine, "?" for a token that is nobody's."""
    role: str
    """What they may do: reviewer or operator; empty where nobody was found."""
    action: str
    """Resource and verb, such as threads.create_run, or login."""
    target: str = ""
    """What it was done to: a thread, a run, an adapter."""
    refused: str = ""
    """Why it was not done; empty if it was."""
    at: Moment | None = None
    """When; set by the ledger."""


class AccessLog:
    """The access log in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: Access) -> None:
        """Keep one entry."""
        told = entry.model_dump(exclude={"at"})
        row = {name: str(value)[:_LONGEST] for name, value in told.items()}
        with self._database.writing() as connection:
            connection.execute(sa.insert(t.access_log), [{**row, "at": datetime.now(UTC)}])

    def newest(self, limit: int = 100) -> Sequence[Access]:
        """The last entries, the newest first."""
        query = sa.select(t.access_log).order_by(t.access_log.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings()
            return [Access(**{name: row[name] for name in Access.model_fields}) for row in rows]
