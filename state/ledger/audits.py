"""What the ledger knows of a round's responses for the audit: scores, who is in the random sample, people's answers."""

from typing import Any, NamedTuple

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.records import AUDIT, Review


class Audited(NamedTuple):
    """A judged response with a person's answer to it."""

    response_key: str
    """Key of the response."""
    score: float | None
    """Overall score, points of 100; None if no dimension was scored."""
    acceptable: bool
    """Whether the judges accept it."""
    in_audit: bool
    """Whether it was drawn at random for people, whatever its score."""
    review: Review | None
    """The person's answer, without its comment; None where there is none."""


def audited(database: Database, run_id: str, round: int) -> list[Audited]:
    """The judged training responses of the round, by key; each once. Reads no text."""
    made = sa.select(t.samples.c.response_key).where(
        t.samples.c.run_id == run_id, t.samples.c.policy == "policy", t.samples.c.round == round
    )
    query = (
        sa.select(
            t.feedback.c.response_key,
            t.feedback.c.overall_score,
            t.feedback.c.body["is_acceptable"].as_boolean(),
            t.feedback.c.body["in_audit"].as_boolean(),
            t.feedback.c.body["review_reasons"],
            t.reviews.c.decision,
            t.reviews.c.rating,
        )
        .outerjoin(t.reviews, t.REVIEWED)
        .where(
            t.feedback.c.run_id == run_id,
            t.feedback.c.response_key.in_(made),
            database.is_json(t.feedback.c.body),
        )
        .order_by(t.feedback.c.response_key)
    )
    with database.reading() as connection:
        return [_audited(*row) for row in connection.execute(query)]


def _audited(
    key: str,
    score: float | None,
    acceptable: bool | None,
    in_audit: bool | None,
    reasons: list[str] | None,
    decision: Any,
    rating: int | None,
) -> Audited:
    if in_audit is None:  # written before there was the field
        in_audit = AUDIT in (reasons or ())
    review = None if decision is None else Review(response_key=key, decision=decision, rating=rating)
    return Audited(key, score, bool(acceptable), in_audit, review)
