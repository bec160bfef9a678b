"""Where things come from: who made a response, which verdicts it has and from when, what pairs it is in."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database, chunks
from rlhf.state.ledger.stored import read_verdict
from rlhf.state.records import Verdict


class MadeBy(NamedTuple):
    """A run that holds a response, and what made it there."""

    run_id: str
    """The run."""
    policy: str
    """policy: a training response; baseline, adapter, champion: responses to held-out prompts."""
    round: int
    """Round it was made in."""
    variation: int
    """Number among the responses to its prompt, from 0."""


class Asked(NamedTuple):
    """A verdict, when it was reached, and the run that asked for it (None: a single judgement)."""

    verdict: Verdict
    """What was answered."""
    created_at: datetime
    """When, in UTC."""
    asked_by: str | None
    """The run that asked; None: a single judgement."""


class PairRow(NamedTuple):
    """A pair as a run selected it; `margin` in points."""

    run_id: str
    """The run."""
    round: int
    """Round it was selected in."""
    chosen_key: str
    """Key of the chosen response."""
    rejected_key: str
    """Key of the rejected response."""
    margin: float
    """Score of the chosen minus score of the rejected, points of 100."""


class Origins:
    """Looks things up by their keys. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def responses_like(self, prefix: str, limit: int = 6) -> list[str]:
        """Keys of responses that begin so, at most `limit`; `prefix` is hexadecimal."""
        query = sa.select(t.responses.c.key).where(t.responses.c.key.startswith(prefix, autoescape=True))
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(t.responses.c.key).limit(limit)).scalars())

    def made(self, response_keys: Iterable[str]) -> dict[str, list[MadeBy]]:
        """The runs that hold each response, the newest first."""
        found: dict[str, list[MadeBy]] = {}
        columns = [t.samples.c[name] for name in MadeBy._fields]
        with self._database.reading() as connection:
            for part in chunks(list(response_keys)):
                query = (
                    sa.select(t.samples.c.response_key, *columns)
                    .join(t.runs, t.runs.c.run_id == t.samples.c.run_id)
                    .where(t.samples.c.response_key.in_(part))
                    .order_by(t.runs.c.created_at.desc(), t.samples.c.run_id.desc(), t.samples.c.variation)
                )
                for key, *made in connection.execute(query):
                    found.setdefault(key, []).append(MadeBy(*made))
        return found

    def verdicts(self, response_keys: Iterable[str]) -> dict[str, list[Asked]]:
        """Every verdict on each response, by dimension and time."""
        asked = t.run_verdicts.c
        found: dict[str, list[Asked]] = {}
        with self._database.reading() as connection:
            for part in chunks(list(response_keys)):
                query = (
                    sa.select(t.verdicts, sa.func.min(asked.run_id).label("asked_by"))
                    .outerjoin(
                        t.run_verdicts,
                        sa.and_(asked.verdict_key == t.verdicts.c.key, asked.cached.is_(False)),
                    )
                    .where(t.verdicts.c.response_key.in_(part))
                    .group_by(t.verdicts.c.key)
                    .order_by(t.verdicts.c.dimension, t.verdicts.c.created_at, t.verdicts.c.key)
                )
                for row in connection.execute(query):
                    if (verdict := read_verdict(row)) is not None:
                        asked_for = Asked(verdict, row.created_at, row.asked_by)
                        found.setdefault(row.response_key, []).append(asked_for)
        return found

    def askers(self, verdict_key: str) -> list[str]:
        """The runs that asked a judge for the verdict rather than finding it."""
        asked = t.run_verdicts.c
        query = sa.select(asked.run_id).where(asked.verdict_key == verdict_key, asked.cached.is_(False))
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(asked.run_id)).scalars())

    def used(self, run_id: str) -> set[str]:
        """Keys of the verdicts that the run uses."""
        query = sa.select(t.run_verdicts.c.verdict_key).where(t.run_verdicts.c.run_id == run_id)
        with self._database.reading() as connection:
            return set(connection.execute(query).scalars())

    def pairs(self, run_id: str, round: int) -> list[PairRow]:
        """The pairs of a round, the widest margin first."""
        query = sa.select(t.pairs).where(t.pairs.c.run_id == run_id, t.pairs.c.round == round)
        order = (t.pairs.c.margin.desc(), t.pairs.c.chosen_key, t.pairs.c.rejected_key)
        with self._database.reading() as connection:
            return [PairRow(**row) for row in connection.execute(query.order_by(*order)).mappings()]

    def pairs_like(self, chosen: str, rejected: str, limit: int = 100) -> list[PairRow]:
        """Pairs whose keys begin so, of the newest runs first; both are hexadecimal."""
        query = (
            sa.select(t.pairs)
            .join(t.runs, t.runs.c.run_id == t.pairs.c.run_id)
            .where(
                t.pairs.c.chosen_key.startswith(chosen, autoescape=True),
                t.pairs.c.rejected_key.startswith(rejected, autoescape=True),
            )
            .order_by(t.runs.c.created_at.desc(), t.pairs.c.run_id.desc(), t.pairs.c.round.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [PairRow(**row) for row in connection.execute(query).mappings()]
