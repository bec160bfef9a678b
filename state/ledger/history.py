"""The history of feedback quality: one row per batch and task type, and what later batches are compared with."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.ledger.stored import stored_or_none
from rlhf.state.measures import Batch, FeedbackQuality


class History:
    """The batches in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: str, quality: FeedbackQuality, scores: Sequence[float]) -> None:
        """Keep a batch with its overall scores; measured anew, it replaces the old one but keeps its time."""
        row = {
            "key": key,
            "task_type": quality.task_type,
            "num_scored": len(scores),
            "body": quality.model_dump(mode="json"),
            "scores": list(scores),
        }
        with self._database.writing() as connection:
            self._database.replace(connection, t.batches, row)

    def scores_before(self, key: str, task_type: str, limit: int) -> list[list[float]]:
        """Scores of the newest `limit` batches of the task type that are older than batch `key`.

        A key that is not there yet is newer than all. Batches without any score are passed over.
        """
        this = sa.select(t.batches.c.created_at).where(t.batches.c.key == key)
        with self._database.reading() as connection:
            time = connection.execute(this).scalar()
            query = sa.select(t.batches.c.scores).where(
                t.batches.c.task_type == task_type, t.batches.c.num_scored > 0
            )
            if time is not None:
                query = query.where(t.batches.c.created_at < time)
            newest = query.order_by(t.batches.c.created_at.desc(), t.batches.c.key.desc()).limit(limit)
            return [list(scores) for scores in connection.execute(newest).scalars()]

    def batches(self, task_type: str | None = None, limit: int | None = None) -> list[Batch]:
        """The newest `limit` batches (all by default), of one task type or of all, oldest first."""
        query = sa.select(t.batches)
        if task_type is not None:
            query = query.where(t.batches.c.task_type == task_type)
        query = query.order_by(t.batches.c.created_at.desc(), t.batches.c.key.desc()).limit(limit)
        with self._database.reading() as connection:
            return list(filter(None, map(_batch, connection.execute(query))))[::-1]

    def newest(self) -> list[Batch]:
        """The newest batch of every task type, by its name."""
        ranked = sa.select(
            t.batches,
            sa.func.row_number()
            .over(
                partition_by=t.batches.c.task_type,
                order_by=(t.batches.c.created_at.desc(), t.batches.c.key.desc()),
            )
            .label("place"),
        ).subquery()
        query = sa.select(ranked).where(ranked.c.place == 1).order_by(ranked.c.task_type)
        with self._database.reading() as connection:
            return list(filter(None, map(_batch, connection.execute(query))))


def _batch(row: Any) -> Batch | None:
    columns = {"task_type": row.task_type, "num_scored": row.num_scored}
    quality = stored_or_none(FeedbackQuality, row.body, f"batch {row.key} of the history", columns)
    return None if quality is None else Batch(key=row.key, created_at=row.created_at, quality=quality)
