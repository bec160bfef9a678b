"""Scores of judges and ratings of people as LangSmith feedback on the run that judged the response."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from rlhf.nodes.tracing.client import Session
from rlhf.nodes.tracing.langsmith_internals import hides_outputs
from rlhf.nodes.tracing.redaction import redacted
from rlhf.nodes.tracing.spans import graph_run
from rlhf.state.records import Feedback, Review

if TYPE_CHECKING:
    from langsmith import Client, RunTree

_log = logging.getLogger("rlhf.tracer")


def score(feedback: Feedback, judge: str, rubric_version: str) -> None:
    """Write the scores of a judged response as LangSmith feedback on the run of the judge graph.

    Keys: `overall` and each dimension that was scored; a score is points ÷ 100, so 0–1, and `value` the points.
    A dimension's rationale is its comment, unless outputs are hidden. Sent in the background.
    """
    run = graph_run()
    if run is None:
        return
    told = {"model": judge, "rubric_version": rubric_version}
    scores = {"overall": (feedback.overall_score, "")}
    scores |= {name: (part.score, part.rationale) for name, part in feedback.dimensions.items()}
    for key, (points, comment) in scores.items():
        if points is not None:
            _send_feedback(run, key, points / 100, points, comment, "model", told)
    if len(_judged) >= _JUDGED_LIMIT:
        _judged.clear()
    _judged[feedback.response_id] = run
    run.child_runs.clear()  # all sent: a long run must not collect its whole trace in memory


def reviewed(reviews: list[Review]) -> None:
    """Write people's ratings as LangSmith feedback, key `human_rating`: (rating − 1) ÷ 4, `value` the rating.

    On the run that judged the response if this process did, else on the run of the review.
    """
    here = graph_run()
    if here is None:
        return
    for review in reviews:
        rating = review.own_rating
        told = {
            "response_id": review.response_key,
            "reviewer": review.reviewer,
            "decision": review.decision,
        }
        points = None if rating is None else (rating - 1) / 4
        run = _judged.get(review.response_key, here)
        _send_feedback(run, "human_rating", points, rating, review.comment, "api", told)


def flush(client: "Client", timeout: float) -> bool:
    """Wait until everything told so far has been sent; False if that took longer or traces were lost."""
    from concurrent.futures import wait

    waiting = wait([_sender().submit(lambda: None)], timeout).not_done
    client.flush(timeout)
    queue = client.tracing_queue
    lost = isinstance(client.session, Session) and client.session.failed
    return not waiting and not lost and not (queue and queue.unfinished_tasks)


_judged: "dict[str, RunTree]" = {}
"""The runs that judged a response, for the word of a person that may follow."""
_JUDGED_LIMIT = 2048


@cache
def _sender() -> ThreadPoolExecutor:
    """One thread that sends feedback: it has to learn the project's id first, which may take a while."""
    return ThreadPoolExecutor(1, "langsmith-feedback")


def _send_feedback(
    run: "RunTree",
    key: str,
    score: float | None,
    value: float | None,
    comment: str,
    source: Literal["model", "api"],
    told: Mapping[str, Any],
) -> None:
    client, session = run.client, run.client.session
    if not isinstance(session, Session):
        return
    comment = "" if hides_outputs(client) else comment

    def send() -> None:
        if session.shut:
            return
        client.create_feedback(
            run.id,
            key,
            score=score,
            value=value,
            comment=redacted(comment) or None,
            feedback_source_type=source,
            source_info=redacted(dict(told)),
            trace_id=run.trace_id,
            session_id=_project_id(client, run.session_name),
            start_time=run.start_time,
            stop_after_attempt=1,
        )

    _sender().submit(send).add_done_callback(_told)


def _told(sent: "Future[None]") -> None:
    """A score that did not arrive is told with the traces that did not."""
    if error := sent.exception():
        _log.debug("Feedback was not sent: %s", type(error).__name__)


@cache
def _project_id(client: "Client", name: str) -> Any:
    """The project's id; one that is not there yet is made, as its first run would make it."""
    from langsmith.utils import LangSmithConflictError, LangSmithNotFoundError

    try:
        return client.read_project(project_name=name).id
    except LangSmithNotFoundError:
        try:
            return client.create_project(name).id
        except LangSmithConflictError:
            return client.read_project(project_name=name).id
