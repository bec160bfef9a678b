"""LangSmith traces of whatever the graphs do: where they go, what they tell, and the scores that belong to them.

Tracing is on as LANGSMITH_TRACING (or LANGCHAIN_TRACING_V2) says, or as `tracing_to` does; LangGraph then records
its nodes by itself. This module sends all of it through one client that lets no secret out (see `sending`), adds
what LangGraph cannot see (crews in worker processes, training jobs), and costs nothing while tracing is off.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from nodes.crews.requests import ModelCall
from nodes.redaction import protect, redacted
from nodes.sending import Place, Session, place, tracing_client, variable
from state.endpoints import Endpoint
from state.records import Feedback, Review, Usage
from state.settings import Settings

if TYPE_CHECKING:
    from langsmith import Client, RunTree

_log = logging.getLogger("rlhf.tracing")

_TRUE = ("true", "1", "yes", "on")


def environment_traces() -> bool:
    """Whether the environment switches tracing on; V2 names count first, LANGSMITH_ before LANGCHAIN_."""
    return (variable("TRACING_V2") or variable("TRACING") or "").lower() in _TRUE


@contextmanager
def tracing_to(
    enabled: bool | None, project: str | None = None, to: "Place | Client | None" = None
) -> Iterator["Client | None"]:
    """Trace what happens inside to a project (True), nowhere (False), or as it is already settled (None).

    `to` is the environment's place if left out; of somebody's client, its place and what it hides are taken.
    Yields the client where this switches tracing on. Without a key for a LangSmith elsewhere it says so once
    and traces nothing. Works around asynchronous code too, but not around the `yield` of a generator.
    """
    from langsmith import tracing_context

    if enabled is None:
        yield None
        return
    there = to if isinstance(to, Place) else _place_of(to)
    if enabled and not there.usable:
        _say_once("LangSmith tracing is on, but there is no key: set LANGSMITH_API_KEY. Nothing is traced.")
    if not enabled or not there.usable:
        with tracing_context(enabled=False, parent=False):
            yield None
        return
    client = tracing_client(there, None if isinstance(to, Place | None) else to._anonymizer)
    with tracing_context(enabled=True, client=client, project_name=project or _project()):
        yield client


@contextmanager
def traced(settings: Settings, metadata: Callable[[], Mapping[str, Any]]) -> Iterator[bool]:
    """Around one run of a graph: whether it is traced, through a client of ours and with this metadata on each run."""
    from langsmith import tracing_context
    from langsmith.run_helpers import get_tracing_context
    from langsmith.utils import tracing_is_enabled

    protect(settings)
    context = get_tracing_context()
    parent: RunTree | None = context["parent"]
    if context["enabled"] is False or not (
        context["enabled"] or parent or environment_traces() or tracing_is_enabled()
    ):
        yield False
        return
    client: Client | None = parent.ls_client if parent else context["client"]
    with tracing_to(None if _is_ours(client) else True, context["project_name"], client) as new:
        if new is None and not _is_ours(client):
            yield False
            return
        if parent is not None and new is not None:  # a caller's own trace: go on with it, through our client
            parent = type(parent).from_dotted_order(
                parent.dotted_order, client=new, project_name=parent.session_name
            )
        with tracing_context(
            enabled=True,
            client=new or client,
            parent=parent,
            project_name=parent.session_name if parent else context["project_name"] or _project(),
            tags=context["tags"],
            metadata={**(context["metadata"] or {}), **metadata()},
        ):
            yield True


def install(settings: Settings) -> None:
    """Make ours the client of a whole process in which others start the traces: the server. Blocking."""
    protect(settings)
    to = place()
    if to.usable and environment_traces():
        from langsmith import configure

        configure(client=tracing_client(to))


def current() -> "RunTree | None":
    """The traced run that the caller is a part of, such as its node; None where nothing is traced."""
    from langsmith.run_helpers import get_current_run_tree, get_tracing_context

    run = get_current_run_tree()
    return None if run is None or get_tracing_context()["enabled"] is False else run


def graph_run() -> "RunTree | None":
    """The traced run of the graph whose node is at work; None where nothing is traced."""
    node = current()
    if node is None:
        return None
    from langchain_core.tracers.langchain import LangChainTracer
    from langgraph.config import get_config

    for handler in getattr(get_config().get("callbacks"), "handlers", []):
        if isinstance(handler, LangChainTracer):
            return handler.run_map.get(str(node.parent_run_id))
    return None


class Span:
    """A piece of work as a trace shows it; without a trace it takes everything and keeps nothing."""

    def __init__(self, run: "RunTree | None") -> None:
        self.run = run

    def end(self, outputs: Mapping[str, Any], error: str | None = None, **metadata: Any) -> None:
        """What came out; `error` marks work that failed without an exception."""
        if self.run is not None:
            self.run.metadata.update(metadata)
            self.run.end(outputs=dict(outputs), error=error)

    def model_call(self, call: ModelCall, endpoint: Endpoint) -> None:
        """Add a call that was made elsewhere, with its true times."""
        if self.run is None:
            return
        usage = {
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "total_tokens": call.input_tokens + call.output_tokens,
        }
        told = {
            "ls_provider": endpoint.provider,
            "ls_model_name": endpoint.model,
            "ls_model_type": "chat",
            "ls_temperature": call.temperature,
        }
        answer = {"messages": [{"role": "assistant", "content": call.answer}], "usage_metadata": usage}
        child = self.run.create_child(
            endpoint.model,
            "llm",
            inputs={"messages": [message.model_dump() for message in call.messages]},
            outputs=answer if call.error is None else {},
            error=call.error,
            start_time=datetime.fromtimestamp(call.started, UTC),
            end_time=datetime.fromtimestamp(call.ended, UTC),
            extra={"metadata": {**told, **({"usage_metadata": usage} if call.error is None else {})}},
        )
        self.run.child_runs.pop()  # sent at once: a long run must not collect its whole trace in memory
        child.post()


@contextmanager
def span(name: str, inputs: Callable[[], Mapping[str, Any]]) -> Iterator[Span]:
    """A child of the current run while the block lasts; `inputs` is only asked for where there is a trace."""
    parent = current()
    if parent is None:
        yield Span(None)
        return
    run = parent.create_child(name, inputs=dict(inputs()))
    parent.child_runs.pop()
    run.post()
    try:
        yield Span(run)
    except BaseException as error:
        run.end(error=f"{type(error).__name__}: {error}")
        raise
    finally:
        run.patch()


def annotate(**metadata: Any) -> None:
    """Metadata for the trace of the graph whose node is at work; what its caller set stays."""
    if (run := graph_run()) is not None:
        run.metadata.update({name: value for name, value in metadata.items() if name not in run.metadata})


def spend(usage: Usage, *, in_all: bool = False) -> None:
    """Add to what the graph's run has spent (metadata `usage`: calls, tokens, answers found in the ledger).

    `in_all`: that is all it has spent, not a part.
    """
    if (run := graph_run()) is not None:
        before = Usage() if in_all else Usage(**run.metadata.get("usage", {}))
        run.metadata["usage"] = (before + usage).model_dump()


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


def reviewed(reviews: list[Review]) -> None:
    """Write people's ratings as LangSmith feedback, key `human_rating`: (rating − 1) ÷ 4, `value` the rating.

    On the run that judged the response if this process did, else on the run of the review.
    """
    here = graph_run()
    if here is None:
        return
    for review in reviews:
        rating = review.rating or (1 if review.decision == "reject" else None)
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
    comment = "" if client._hide_outputs else comment

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


def _project() -> str:
    return variable("PROJECT") or variable("SESSION") or "default"


def _is_ours(client: "Client | None") -> bool:
    return client is not None and isinstance(client.session, Session)


def _place_of(client: "Client | None") -> Place:
    """Where somebody else's client sends to; the environment's place if there is none."""
    if client is None:
        return place()
    there = place(client.api_url, client.api_key)
    # A function that hides parts of them would not be asked beside ours: all of them are hidden.
    return there._replace(
        hide_inputs=there.hide_inputs or client._hide_inputs is not False,
        hide_outputs=there.hide_outputs or client._hide_outputs is not False,
    )


@cache
def _say_once(text: str) -> None:
    _log.warning(text)
