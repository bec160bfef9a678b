"""Which trace shows how a response was judged, where tracing was on."""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database, chunks
from rlhf.state.records import Moment, Record


class Trace(Record):
    """A run of the judge graph as LangSmith has it."""

    trace_id: str
    """The whole trace in LangSmith."""
    trace_run_id: str
    """The judge graph's run within the trace; the same as the trace's id for a single judgement."""
    project: str
    """LangSmith project that it is in."""
    created_at: Moment | None = None
    """When it was kept; set by the ledger."""


class Traces:
    """The traces in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: str | None, response_key: str, trace: Trace) -> None:
        """Keep how the response was judged in the run, or on its own (None); judged again, the newest counts."""
        row = {"run_id": run_id or "", "response_key": response_key, **trace.model_dump()}
        row["created_at"] = datetime.now(UTC)
        with self._database.writing() as connection:
            self._database.replace(connection, t.traces, row)

    def of(self, response_keys: Iterable[str]) -> dict[tuple[str, str], Trace]:
        """Traces by run id (empty: judged on its own) and response key."""
        found: dict[tuple[str, str], Trace] = {}
        with self._database.reading() as connection:
            for part in chunks(list(response_keys)):
                query = sa.select(t.traces).where(t.traces.c.response_key.in_(part))
                for row in connection.execute(query).mappings():
                    trace = Trace(**{name: row[name] for name in Trace.model_fields})
                    found[row["run_id"], row["response_key"]] = trace
        return found
