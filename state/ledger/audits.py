"""What the ledger knows of a round's responses for the audit: scores, reasons for review, people's answers."""

from typing import NamedTuple

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database


class Audited(NamedTuple):
    """A judged response with a person's answer to it; the last two are None where there is no answer."""

    response_key: str
    """Key of the response."""
    score: float | None
    """Overall score, points of 100; None if no dimension was scored."""
    acceptable: bool
    """Whether the judges accept it."""
    reasons: list[str]
    """Why a person should see it; empty if nobody has to."""
    decision: str | None
    """approve, reject or edit; None without an answer."""
    rating: int | None
    """1–5 stars with `edit`; else None."""


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
            t.feedback.c.body["review_reasons"],
            t.reviews.c.decision,
            t.reviews.c.rating,
        )
        .outerjoin(
            t.reviews,
            sa.and_(
                t.reviews.c.run_id == t.feedback.c.run_id,
                t.reviews.c.response_key == t.feedback.c.response_key,
            ),
        )
        .where(t.feedback.c.run_id == run_id, t.feedback.c.response_key.in_(made))
        .order_by(t.feedback.c.response_key)
    )
    with database.reading() as connection:
        return [Audited(*row) for row in connection.execute(query)]
