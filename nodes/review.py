"""Node `review`: shows people what the judges are unsure of, page by page, until each has an answer."""

import re
from collections.abc import Container, Sequence
from itertools import islice
from typing import Literal

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.answers import read_review
from rlhf.nodes.approvals import ActionRequest, Answer, Decision, ask, caller
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.scores import reviewed
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import Ledger
from rlhf.state.records import REVIEW_RESPONSE, Feedback, Review

EXCERPT = 1_200
"""Characters of a prompt or response that are shown; the whole text is in the ledger."""


async def review(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["review", "build_dataset"]]:
    """Ask about one page of pending responses; answers may be partial, the rest is asked again.

    Raises NotTaken for an answer in no known form.
    """
    run_id, round = state["run_id"], state["round"]
    ledger = services.ledger
    run = await in_thread(services.run, run_id)
    rules = run.settings.review
    page = await in_thread(lambda: pending_reviews(ledger, run_id, round, rules.page))
    if not page:
        return Command(goto="build_dataset", update={"complaint": ""})
    # The command line and Python show the texts of the ledger: no checkpoint of theirs holds an excerpt.
    texts = rules.texts_in_interrupts and run.is_served
    requests = [request_of(key, found, texts=texts) for key, found in page.items()]
    blind = all(found.in_audit for found in page.values())
    given = ask(
        requests,
        ["edit", "reject"] if blind else ["approve", "edit", "reject"],
        Answer,
        state.get("complaint", ""),
    )
    decisions = read_review(given)
    named = [decision.about for decision in decisions if decision and decision.about]
    pending = page.keys() | await in_thread(ledger.pending.among, run_id, round, named)
    answers, unknown = reviews_of(decisions, list(page), pending, caller().name)
    if unknown:
        total = await in_thread(ledger.pending.count, run_id, round)
        for position in unknown:
            detail = f"decision {position} is about a response that is not waiting for review: ignored"
            get_stream_writer()({"stage": "review", "done": len(answers), "total": total, "detail": detail})
    await in_thread(lambda: services.ledger.add_reviews(run_id, answers))
    reviewed(answers)
    return Command(goto="review", update={"complaint": ""})


def pending_reviews(ledger: Ledger, run_id: str, round: int, limit: int | None = None) -> dict[str, Feedback]:
    """Feedback of the round that needs a person and has no answer yet, by response key; the first `limit` of it."""
    keys = ledger.pending.keys(run_id, round, limit)
    found = ledger.feedback(run_id, keys)
    if limit is not None and len(found) < len(keys):  # some are broken: they must not stand for an empty page
        found = dict(islice(pending_reviews(ledger, run_id, round).items(), limit))
    return found


def reviews_of(
    decisions: Sequence[Decision | None], page: Sequence[str], pending: Container[str], reviewer: str = ""
) -> tuple[list[Review], list[int]]:
    """The decisions as reviews, and the positions (from 1) of those about responses that are not pending.

    A decision names its response or stands in the order of the page; None is put off. A known `reviewer` stands
    for whoever the decision names.
    """
    reviews, unknown = [], []
    for position, decision in enumerate(decisions):
        if decision is None:
            continue
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
                reviewer=reviewer or decision.reviewer,
            )
        )
    return reviews, unknown


def request_of(key: str, feedback: Feedback, *, texts: bool) -> ActionRequest:
    """What a person is asked about a response. Of the audit's sample they see no score before they have answered."""
    rating = None if feedback.in_audit else feedback.rating
    return ActionRequest(
        name=REVIEW_RESPONSE,
        args={"response_id": key, "rating": rating},
        arguments={"rating": "" if rating is None else rating},
        description="\n\n".join(
            [
                headline(feedback),
                *(_quoted(feedback, key) if texts else [f"Its texts are in the ledger, response {key}."]),
                f"Edit the rating, or respond with 1 to 5, `reject` or `2: why`.{'' if feedback.in_audit else _OTHERS}",
            ]
        ),
    )


_OTHERS = " Accept, and the judges' rating stands; a response in other words is kept beside it as a comment."


def headline(feedback: Feedback) -> str:
    """Why a person is asked, in one line; nothing that would tell the audit's sample from its scores."""
    if feedback.in_audit:
        return "Rate this response from 1 to 5."
    score = "no score" if feedback.overall_score is None else f"{feedback.overall_score:.0f} of 100"
    reasons = "; ".join(feedback.review_reasons)
    return f"Judges: {score}, rating {feedback.rating}. Asked because: {reasons}."


def _quoted(feedback: Feedback, key: str) -> list[str]:
    return [
        f"**Prompt**\n\n{_fenced(feedback.prompt)}",
        f"**Response** {key}\n\n{_fenced(feedback.response)}",
    ]


def _fenced(text: str) -> str:
    """An excerpt that Markdown leaves alone: no text ends its own fence, opens a link or loads an image."""
    if len(text) > EXCERPT:
        text = f"{text[:EXCERPT]} … ({len(text)} characters)"
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
