"""What failed in a run and may be asked again: responses that were not made, and dimensions that were not judged."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.records import SampleRow


class Failures:
    """A ledger's failed samples and verdicts. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def samples(self, run_id: str) -> list[SampleRow]:
        """The run's samples that hold a reason instead of a response, by round, prompt position and variation."""
        prompts = sa.and_(
            t.run_prompts.c.run_id == t.samples.c.run_id, t.run_prompts.c.prompt_key == t.samples.c.prompt_key
        )
        query = (
            sa.select(*(t.samples.c[name] for name in SampleRow.model_fields))
            .join(t.run_prompts, prompts)
            .where(t.samples.c.run_id == run_id, t.samples.c.response_key.is_(None))
            .order_by(t.samples.c.round, t.run_prompts.c.position, t.samples.c.variation)
        )
        with self._database.reading() as connection:
            return [SampleRow(**row) for row in connection.execute(query).mappings()]

    def unjudged(self, run_id: str) -> list[str]:
        """Keys of the run's responses whose feedback has a dimension without a score."""
        body = t.feedback.c.body
        query = (
            sa.select(t.feedback.c.response_key)
            .where(t.feedback.c.run_id == run_id, self._database.is_json(body), failed_dimensions() > 0)
            .order_by(t.feedback.c.response_key)
        )
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def answer(self, run_id: str, row: SampleRow, text: str, calls: int) -> None:
        """Put a new answer in a failed sample's place, made or failed again; what it cost is added to the old.

        A sample that holds a response by now is left as it is.
        """
        table = t.samples
        failed = sa.and_(
            table.c.run_id == run_id,
            table.c.policy == row.policy,
            table.c.round == row.round,
            table.c.prompt_key == row.prompt_key,
            table.c.variation == row.variation,
            table.c.response_key.is_(None),
        )
        values: Mapping[str, Any] = {
            "response_key": row.response_key,
            "error": row.error,
            "calls": table.c.calls + calls,
            "input_tokens": table.c.input_tokens + row.input_tokens,
            "output_tokens": table.c.output_tokens + row.output_tokens,
        }
        with self._database.writing() as connection:
            if row.response_key is not None:
                response = {"key": row.response_key, "prompt_key": row.prompt_key, "text": text}
                self._database.insert(connection, t.responses, [response])
            connection.execute(sa.update(table).where(failed).values(values))


def failed_dimensions() -> sa.ColumnElement[int]:
    """How many dimensions of a feedback have no score; its body must be JSON (`Database.is_json`)."""
    status = (t.feedback.c.body[("dimensions", name, "status")].as_string() for name in DIMENSIONS)
    return sum((sa.case((each == "failed", 1), else_=0) for each in status), sa.literal(0))
