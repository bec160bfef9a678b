"""What a round holds and what it adds up to, asked of the database: counts, figures, the part a batch is about."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import sqlalchemy as sa

from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database, chunks
from rlhf.state.ledger.failures import failed_dimensions
from rlhf.state.records import PromptRow, SampleRow

Split = Literal["train", "held_out"]


class Generated(NamedTuple):
    """Counts of a round's samples."""

    num_prompts: int
    """Prompts that something was made of, or was to be."""
    num_responses: int
    """Samples that hold a response."""
    num_failed: int
    """Samples that hold a reason instead."""


class Figures(NamedTuple):
    """A judged response in figures, without any text. Scores are points of 100, the rest as in `Feedback`."""

    task_type: str
    """Rubric pack it was judged by."""
    overall_score: float | None
    """None if no dimension was scored."""
    rating: int | None
    """1–5 stars."""
    coverage: float
    """Weight of the scored dimensions over the weight of all."""
    confidence: float | None
    """Of the judges, 0–1."""
    is_acceptable: bool
    """At or above the threshold, and not vetoed."""
    is_chosen: bool
    """Good enough for the chosen side of a pair."""
    is_rejected: bool
    """Bad enough for the rejected side."""
    needs_review: bool
    """Whether a person should see it."""
    num_failed: int
    """Dimensions without a score."""
    scores: dict[str, float | None]
    """By dimension."""


class Rounds:
    """A ledger's rounds. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def num_prompts(self, run_id: str, split: Split) -> int:
        """How many prompts the run has in a split."""
        query = sa.select(sa.func.count()).select_from(t.run_prompts)
        with self._database.reading() as connection:
            found = connection.execute(query.where(*_of_split(run_id, split)))
            return int(found.scalar_one())

    def prompts(self, run_id: str, split: Split, start: int, count: int) -> list[PromptRow]:
        """`count` prompts of one split from place `start` on (the first is 0), in their order in the input."""
        part = _batch(run_id, split, start, count)
        query = (
            sa.select(t.prompts, part.c.external_id)
            .join(part, part.c.prompt_key == t.prompts.c.key)
            .order_by(part.c.position)
        )
        with self._database.reading() as connection:
            return [
                PromptRow(
                    key=row["key"],
                    id=row["external_id"],
                    text=row["text"],
                    turns=row["turns"],
                    context=row["context"],
                    task_type=row["task_type"],
                    split=split,
                )
                for row in connection.execute(query).mappings()
            ]

    def samples(self, run_id: str, policy: str, round: int, prompt_keys: Iterable[str]) -> list[SampleRow]:
        """What one policy has made of these prompts in a round, in no particular order."""
        columns = [t.samples.c[name] for name in SampleRow.model_fields]
        found: list[SampleRow] = []
        with self._database.reading() as connection:
            for part in chunks(list(prompt_keys)):
                query = sa.select(*columns).where(
                    *_made(run_id, round, policy), t.samples.c.prompt_key.in_(part)
                )
                found += [SampleRow(**row) for row in connection.execute(query).mappings()]
        return found

    def replaced(self, run_id: str) -> int:
        """Characters that no text may hold, in the verdicts that the run uses; they were replaced."""
        body = t.verdicts.c.body
        query = (
            sa.select(sa.func.sum(body["replaced"].as_integer()))
            .join(t.run_verdicts, t.run_verdicts.c.verdict_key == t.verdicts.c.key)
            .where(t.run_verdicts.c.run_id == run_id, self._database.is_json(body))
        )
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def judged(self, run_id: str, keys: Iterable[str]) -> set[str]:
        """Those of the responses that have feedback in the run."""
        found: set[str] = set()
        with self._database.reading() as connection:
            for part in chunks(list(keys)):
                query = sa.select(t.feedback.c.response_key).where(
                    t.feedback.c.run_id == run_id, t.feedback.c.response_key.in_(part)
                )
                found.update(connection.execute(query).scalars())
        return found

    def generated(self, run_id: str, round: int) -> Generated:
        """Counts of the round's training responses."""
        query = sa.select(
            sa.func.count(t.samples.c.prompt_key.distinct()),
            sa.func.count(t.samples.c.response_key),
            sa.func.count(),
        ).where(*_made(run_id, round))
        with self._database.reading() as connection:
            prompts, responses, samples = connection.execute(query).one()
        return Generated(prompts, responses, samples - responses)

    def progress(self, run_id: str, round: int) -> tuple[int, int]:
        """How many of the round's training responses are judged, and how many there are."""
        made = sa.select(t.samples.c.response_key).where(
            *_made(run_id, round), t.samples.c.response_key.is_not(None)
        )
        keys = made.distinct().subquery()
        query = sa.select(sa.func.count(t.feedback.c.response_key), sa.func.count()).select_from(
            keys.outerjoin(
                t.feedback,
                sa.and_(t.feedback.c.run_id == run_id, t.feedback.c.response_key == keys.c.response_key),
            )
        )
        with self._database.reading() as connection:
            done, total = connection.execute(query).one()
        return done, total

    def scores(self, run_id: str, round: int, start: int, count: int) -> list[float | None]:
        """The overall scores (None: no dimension was scored) of the responses to `count` training prompts.

        As `prompts` counts them: from place `start` on. A response that was given twice counts once.
        """
        part = _batch(run_id, "train", start, count)
        query = (
            sa.select(t.feedback.c.overall_score)
            .select_from(part.join(t.samples, t.samples.c.prompt_key == part.c.prompt_key))
            .join(t.feedback, _on_its_feedback())
            .where(*_made(run_id, round))
            .group_by(t.feedback.c.response_key, t.feedback.c.overall_score)
        )
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def coverage(self, run_id: str) -> list[float]:
        """The coverage of each of the run's feedback, held-out responses included."""
        query = sa.select(t.feedback.c.coverage).where(t.feedback.c.run_id == run_id)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def figures(self, run_id: str, round: int) -> list[Figures]:
        """The round's judged training responses in the order of the run, each once.

        Feedback that is no JSON any more is left out. Rows rather than sums: drift needs every score, and a sum
        of floats depends on the database.
        """
        body = t.feedback.c.body
        columns = [
            t.prompts.c.task_type,
            t.feedback.c.overall_score,
            t.feedback.c.rating,
            t.feedback.c.coverage,
            body["confidence"].as_float(),
            *(
                sa.func.coalesce(body[name].as_boolean(), sa.false())
                for name in ("is_acceptable", "is_chosen", "is_rejected")
            ),
            t.feedback.c.needs_review,
            failed_dimensions(),
            *(body[("dimensions", name, "score")].as_float() for name in DIMENSIONS),
        ]
        query = (
            sa.select(t.feedback.c.response_key, *columns)
            .select_from(t.samples)
            .join(t.feedback, _on_its_feedback())
            .join(
                t.run_prompts,
                sa.and_(
                    t.run_prompts.c.run_id == t.samples.c.run_id,
                    t.run_prompts.c.prompt_key == t.samples.c.prompt_key,
                ),
            )
            .join(t.prompts, t.prompts.c.key == t.samples.c.prompt_key)
            .where(*_made(run_id, round), self._database.is_json(body))
            .order_by(t.run_prompts.c.position, t.samples.c.variation)
        )
        with self._database.reading() as connection:
            found: dict[str, Figures] = {}
            for key, *row in connection.execute(query):
                if key not in found:
                    plain, scores = row[: -len(DIMENSIONS)], row[-len(DIMENSIONS) :]
                    found[key] = Figures._make([*plain, dict(zip(DIMENSIONS, scores, strict=True))])
        return list(found.values())


def _made(run_id: str, round: int, policy: str = "policy") -> tuple[sa.ColumnElement[bool], ...]:
    return t.samples.c.run_id == run_id, t.samples.c.policy == policy, t.samples.c.round == round


def _of_split(run_id: str, split: Split) -> tuple[sa.ColumnElement[bool], ...]:
    return t.run_prompts.c.run_id == run_id, t.run_prompts.c.split == split


def _batch(run_id: str, split: Split, start: int, count: int) -> sa.Subquery:
    """`count` prompts of the split from place `start` on."""
    query = sa.select(t.run_prompts.c.prompt_key, t.run_prompts.c.position, t.run_prompts.c.external_id)
    ordered = query.where(*_of_split(run_id, split)).order_by(t.run_prompts.c.position)
    return ordered.offset(start).limit(count).subquery()


def _on_its_feedback() -> sa.ColumnElement[bool]:
    return sa.and_(
        t.feedback.c.run_id == t.samples.c.run_id, t.feedback.c.response_key == t.samples.c.response_key
    )
