"""Node `review`: shows people what the judges are unsure of, page by page, until each has an answer."""

from collections.abc import Container, Sequence
from itertools import islice
from typing import Literal

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.approvals import ActionRequest, Answer, ask
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.scores import reviewed
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import Ledger
from rlhf.state.records import REVIEW_RESPONSE, Feedback, Review

PAGE = 20
"""Responses per interrupt: the checkpoint stores what is shown, so a page is bounded."""
EXCERPT = 1_200
"""Characters of a prompt or response that are shown; the whole text is in the ledger."""


async def review(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["review", "build_dataset"]]:
    """Ask about one page of pending responses; answers may be partial, the rest is asked again."""
    run_id, round = state["run_id"], state["round"]
    ledger = services.ledger
    page = await in_thread(lambda: pending_reviews(ledger, run_id, round, PAGE))
    if not page:
        return Command(goto="build_dataset")
    answer = ask([_request(key, feedback) for key, feedback in page.items()], ["approve", "edit", "reject"])
    named = [decision.about for decision in answer.decisions if decision.about]
    pending = page.keys() | await in_thread(ledger.pending.among, run_id, round, named)
    answers, unknown = reviews_of(answer, list(page), pending)
    if unknown:
        total = await in_thread(ledger.pending.count, run_id, round)
        for position in unknown:
            detail = f"decision {position} is about a response that is not waiting for review: ignored"
            get_stream_writer()({"stage": "review", "done": len(answers), "total": total, "detail": detail})
    await in_thread(lambda: services.ledger.add_reviews(run_id, answers))
    reviewed(answers)
    return Command(goto="review")


def pending_reviews(ledger: Ledger, run_id: str, round: int, limit: int | None = None) -> dict[str, Feedback]:
    """Feedback of the round that needs a person and has no answer yet, by response key; the first `limit` of it."""
    keys = ledger.pending.keys(run_id, round, limit)
    found = ledger.feedback(run_id, keys)
    if limit is not None and len(found) < len(keys):  # some are broken: they must not stand for an empty page
        found = dict(islice(pending_reviews(ledger, run_id, round).items(), limit))
    return found


def reviews_of(
    answer: Answer, page: Sequence[str], pending: Container[str]
) -> tuple[list[Review], list[int]]:
    """The answer as reviews, and the positions (from 1) of decisions about responses that are not pending.

    A decision names its response or stands in the order of the page.
    """
    reviews, unknown = [], []
    for position, decision in enumerate(answer.decisions):
        key = decision.about or (page[position] if position < len(page) else "")
        if key not in pending:
            unknown.append(position + 1)
            continue
        reviews.append(
            Review(
                response_key=key,
                decision=decision.type,
                rating=decision.new_rating if decision.type == "edit" else None,
                comment=decision.message,
                reviewer=decision.reviewer,
            )
        )
    return reviews, unknown


def _request(key: str, feedback: Feedback) -> ActionRequest:
    score = "no score" if feedback.overall_score is None else f"{feedback.overall_score:.0f} of 100"
    reasons = "; ".join(feedback.review_reasons)
    return ActionRequest(
        name=REVIEW_RESPONSE,
        args={
            "response_id": key,
            "prompt": _excerpt(feedback.prompt),
            "response": _excerpt(feedback.response),
            "rating": feedback.rating,
            "overall_score": feedback.overall_score,
            "reasons": feedback.review_reasons,
        },
        description=f"Judges: {score}, rating {feedback.rating}. Asked because: {reasons}.",
    )


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]} … ({len(text)} characters)"
