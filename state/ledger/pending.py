"""What waits for a person in a round: the responses that need a review and have none, in the order of the run."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database, chunks


class PendingReviews:
    """A ledger's review queue; answers with keys of responses. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self, run_id: str, round: int, limit: int | None = None) -> list[str]:
        """The first `limit` that wait (all by default), by the place of their prompt and their variation."""
        query = (
            _waiting(run_id, round)
            .join(
                t.run_prompts,
                sa.and_(
                    t.run_prompts.c.run_id == t.samples.c.run_id,
                    t.run_prompts.c.prompt_key == t.samples.c.prompt_key,
                ),
            )
            .order_by(t.run_prompts.c.position, t.samples.c.variation)
        )
        with self._database.reading() as connection:
            # A text that a model gave twice is one response and stands where it was given first.
            keys = connection.execute(query).scalars()
            return list(islice(_once(keys), limit))

    def count(self, run_id: str, round: int) -> int:
        """How many wait and can be read."""
        waiting = _waiting(run_id, round, self._database.is_json(t.feedback.c.body)).distinct().subquery()
        query = sa.select(sa.func.count()).select_from(waiting)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def among(self, run_id: str, round: int, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that wait and can be read."""
        found: set[str] = set()
        with self._database.reading() as connection:
            for part in chunks(list(keys)):
                these = (t.feedback.c.response_key.in_(part), self._database.is_json(t.feedback.c.body))
                query = _waiting(run_id, round, *these)
                found.update(connection.execute(query).scalars())
        return found


def _once(keys: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for key in keys:
        if key not in seen:
            seen.add(key)
            yield key


def _waiting(run_id: str, round: int, *narrower: sa.ColumnElement[bool]) -> sa.Select[Any]:
    unanswered = (
        sa.select(t.feedback.c.response_key)
        .outerjoin(t.reviews, t.REVIEWED)
        .where(
            t.feedback.c.run_id == run_id,
            t.feedback.c.needs_review.is_(True),
            t.reviews.c.run_id.is_(None),
            *narrower,
        )
        # Found first: a planner without statistics would walk the whole round for a page of it.
        .cte("unanswered")
        .prefix_with("MATERIALIZED")
    )
    return (
        sa.select(t.samples.c.response_key)
        .join(unanswered, unanswered.c.response_key == t.samples.c.response_key)
        .where(t.samples.c.run_id == run_id, t.samples.c.policy == "policy", t.samples.c.round == round)
    )
