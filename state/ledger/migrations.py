"""How a ledger of an older format becomes one of today's: small steps in order, all in the transaction that opens it.

To change the tables: (1) change them in tables.py, which is what a new ledger begins with; (2) write a step here
that does the same to a ledger of the format before, and append it to STEPS: the format counts itself; (3) run
tests/state/ledger/test_migrations.py, which compares what the steps make of every released format with a new
ledger. A release keeps a ledger of its format under tests/state/ledger/formats/.

A step says what it needs by names and columns of its own, not by those of tables.py, which will change again; it
may meet its work done (a table that is newer than the ledger is made whole). SQL that SQLite and PostgreSQL both
know, please: the helpers below are.
"""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from rlhf.state.errors import LedgerError
from rlhf.state.ledger import tables as t

Step = Callable[[sa.Connection], None]


def lineage_indexes(connection: sa.Connection) -> None:
    """Format 2: what made a response, and who asked for a verdict, is found without reading every sample."""
    # Ledgers of format 1 got tables as they were needed: an early one may lack the last of these.
    first = ["versions", "traces", "calibrations", "run_calibrations", "canaries", "batches"]
    t.metadata.create_all(connection, tables=[t.metadata.tables[name] for name in first])
    add_index(connection, "ix_samples_response_key", "samples", ["response_key"])
    add_index(connection, "ix_run_verdicts_verdict_key", "run_verdicts", ["verdict_key"])


def answered_runs(connection: sa.Connection) -> None:
    """Format 2 as well: whether all that a waiting run asked is answered is a column; it was told by the note alone."""
    add_column(
        connection, "runs", sa.Column("answered", sa.Boolean, server_default=sa.false(), nullable=False)
    )
    runs = sa.table(
        "runs", sa.column("answered", sa.Boolean), sa.column("status", sa.String), sa.column("note", sa.Text)
    )
    told = sa.and_(runs.c.status == "waiting", runs.c.note.contains("`rlhf resume "))
    connection.execute(sa.update(runs).where(told).values(answered=True))


def paging_indexes(connection: sa.Connection) -> None:
    """Format 2 as well: a review page and a batch of prompts are found without reading the round."""
    in_order = ["run_id", "position", "split", "prompt_key"]
    add_index(connection, "run_prompts_in_order", "run_prompts", in_order)
    add_index(connection, "samples_of_response", "samples", ["run_id", "policy", "round", "response_key"])
    add_index(connection, "feedback_to_review", "feedback", ["run_id", "needs_review", "response_key"])


def conversations(connection: sa.Connection) -> None:
    """Format 2 as well: a prompt can be a conversation, whose turns are kept."""
    add_column(connection, "prompts", sa.Column("turns", sa.JSON))


def format_2(connection: sa.Connection) -> None:
    """Everything that came to the ledger between the first release and the second."""
    lineage_indexes(connection)
    paging_indexes(connection)
    answered_runs(connection)
    conversations(connection)
    add_table(connection, t.access_log)


STEPS: Sequence[Step] = (format_2,)
"""What makes format 2 of format 1, format 3 of format 2, and so on."""

FORMAT = 1 + len(STEPS)
"""The format of the ledgers this version writes."""


def add_column(connection: sa.Connection, table: str, column: sa.Column[object]) -> None:
    """Add the column; it needs a server default unless it may be null."""
    known = {entry["name"] for entry in sa.inspect(connection).get_columns(table)}
    if column.name not in known:
        definition = CreateColumn(column).compile(dialect=connection.dialect)
        name = connection.dialect.identifier_preparer.quote(table)
        connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}")


def add_index(
    connection: sa.Connection, name: str, table: str, columns: Sequence[str], *, unique: bool = False
) -> None:
    """Add the index."""
    there = sa.Table(table, sa.MetaData(), autoload_with=connection)
    sa.Index(name, *(there.c[column] for column in columns), unique=unique).create(
        connection, checkfirst=True
    )


def add_table(connection: sa.Connection, table: sa.Table) -> None:
    """Make the table as tables.py has it today; later steps find their work on it done."""
    table.create(connection, checkfirst=True)


def format_of(connection: sa.Connection) -> int | None:
    """The ledger's format; None where there is no ledger yet."""
    if not sa.inspect(connection).has_table(t.ledger_info.name):
        return None
    known: int | None = connection.execute(sa.select(t.ledger_info.c.schema_version)).scalar()
    return known


def bring_up_to_date(connection: sa.Connection) -> None:
    """Make the tables of a new ledger, or take an old one through the steps it lacks.

    The caller holds the transaction, alone. LedgerError if the ledger comes from a newer version.
    """
    known = format_of(connection)
    if known is None:
        t.metadata.create_all(connection)
        connection.execute(sa.insert(t.ledger_info).values(id=1, schema_version=FORMAT))
        return
    check_readable(known)
    for step in STEPS[known - 1 :]:
        step(connection)
    connection.execute(sa.update(t.ledger_info).values(schema_version=FORMAT))


def check_readable(known: int) -> None:
    """Refuse (LedgerError) the format of a newer version."""
    if known > FORMAT:
        raise LedgerError(
            f"The ledger has format {known}, and this version of rlhf-graph reads up to format {FORMAT}: a newer "
            "one has opened it. Use that one again: pip install --upgrade rlhf-graph"
        )
