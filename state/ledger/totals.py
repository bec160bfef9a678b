"""What the whole ledger adds up to: runs, verdicts, calls and tokens, counted by the database."""

import sqlalchemy as sa
from pydantic import Field

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.records import Record, Usage


class Totals(Record):
    """Counts over all runs and all single judgements in a ledger."""

    runs: dict[str, int] = Field(default_factory=dict)
    """By status."""
    scored: int = 0
    """Verdicts with a score."""
    failed: dict[str, int] = Field(default_factory=dict)
    """Verdicts without one, by kind of failure."""
    generation: Usage = Usage()
    """Spent by runs on making responses."""
    judging: Usage = Usage()
    """Spent by runs on judging them; `cached` verdicts came from the ledger."""


def totals(database: Database) -> Totals:
    """Count. Blocking, and reads every row of three tables: about a second per million verdicts."""
    by_status = sa.select(t.runs.c.status, sa.func.count()).group_by(t.runs.c.status)
    scored = sa.select(sa.func.count()).select_from(t.verdicts).where(t.verdicts.c.status == "scored")
    failure = sa.case((database.is_json(t.verdicts.c.body), t.verdicts.c.body["failure"].as_string()))
    kind = sa.func.coalesce(failure, "unknown").label("kind")
    kinds = sa.select(kind).where(t.verdicts.c.status == "failed").subquery()
    failed = sa.select(kinds.c.kind, sa.func.count()).group_by(kinds.c.kind)
    with database.reading() as connection:
        return Totals(
            runs=dict(connection.execute(by_status).all()),
            scored=connection.execute(scored).scalar_one(),
            failed=dict(connection.execute(failed).all()),
            generation=spent(connection, t.samples),
            judging=spent(connection, t.run_verdicts),
        )


def spent(connection: sa.Connection, table: sa.Table, run_id: str | None = None) -> Usage:
    """Calls, tokens and cached verdicts in `samples` or `run_verdicts`, of one run or of all."""
    columns = {name: table.c[name] for name in ("calls", "input_tokens", "output_tokens")}
    cached = sa.cast(table.c.cached, sa.Integer) if "cached" in table.c else sa.literal(0)
    sums = [
        sa.func.coalesce(sa.func.sum(column), 0).label(name)
        for name, column in {**columns, "cached": cached}.items()
    ]
    query = sa.select(*sums).select_from(table)
    if run_id is not None:
        query = query.where(table.c.run_id == run_id)
    return Usage(**connection.execute(query).mappings().one())
