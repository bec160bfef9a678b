"""Starting, following and resuming runs: what the command line and the Python API share."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rlhf.progress import Follow, Progress
from rlhf.runs.lock import run_lock
from rlhf.state.errors import InputError
from rlhf.state.files.atomic import checked_name
from rlhf.state.records import REVIEW_RESPONSE, PromptRow
from rlhf.state.run_report import RunReport

if TYPE_CHECKING:
    from rlhf.nodes.approvals import Decision
    from rlhf.nodes.services import Services
    from rlhf.state.ledger import Ledger
    from rlhf.state.records import Feedback
    from rlhf.state.settings import Settings


@dataclass(frozen=True)
class Pending:
    """What a run waits for: requests that share one interrupt, each {"name", "args", "description"}."""

    interrupt_id: str
    requests: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """review_response, approve_training or approve_deployment."""
        return str(self.requests[0]["name"])

    @property
    def about(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """What is asked, whatever was said of an answer before."""
        return [(str(request["name"]), request["args"]) for request in self.requests]

    @property
    def is_review(self) -> bool:
        """Whether it is a page of responses; else it is one gate."""
        return self.name == REVIEW_RESPONSE


@dataclass(frozen=True)
class Outcome:
    """Where a run stands when nothing more happens by itself; `pending` is set if it waits for a person."""

    ledger: "Ledger"
    run_id: str
    pending: Pending | None

    @cached_property
    def report(self) -> RunReport:
        """The run's report; made when it is asked for, because a page of a review needs none. Blocking."""
        report = report_of(self.ledger, self.run_id, in_use=False)
        if self.pending is not None:
            report = report.model_copy(update={"note": _describe(self.pending)})
        return report


def new_run_id(ledger: "Ledger", adapter_name: str) -> str:
    """An unused run id that says what and when, such as budgeting-20260131-142501."""
    stem = f"{adapter_name[:40]}-{time.strftime('%Y%m%d-%H%M%S')}"
    number, run_id = 1, stem
    while ledger.has_run(run_id):
        number += 1
        run_id = f"{stem}-{number}"
    return run_id


def register(
    services: "Services",
    adapter_name: str,
    rows: Sequence[PromptRow],
    source: str,
    run_id: str | None = None,
    settings: "Settings | None" = None,
    recipe: str | None = None,
) -> str:
    """Write a new run to the ledger before anything happens; returns its id.

    `settings` are the run's own where they differ from the operator's; `recipe` is where these come from.
    InputError if the id is taken or the prompts cannot be used.
    """
    from rlhf.nodes.prepare import register_run
    from rlhf.state.run_index import note_run

    checked_name(adapter_name, "Adapter name")
    run_id = run_id or new_run_id(services.ledger, adapter_name)
    register_run(services.ledger, settings or services.settings, run_id, adapter_name, rows, source)
    note_run(run_id, services.ledger.url, recipe)
    return run_id


async def pending_of(services: "Services", run_id: str) -> Pending | None:
    """What the run waits for, or None."""
    async with _opened(services) as graph:
        return await _pending(services, run_id, await graph.aget_state(_config(run_id)))


async def advance(
    services: "Services",
    run_id: str,
    follow: Follow,
    answers: "Sequence[Decision] | None" = None,
    before: Sequence[str] = (),
) -> Outcome:
    """Start or go on with a registered run until it ends or waits for a person.

    `answers` go to what the run waits for now; before a node named in `before` the run stops. The run belongs
    to this process meanwhile; InputError if another one has it.
    """
    from rlhf.nodes.tracing.context import traced
    from rlhf.nodes.tracing.runs import about

    with run_lock(services, run_id):
        async with _opened(services) as graph:
            run = services.run(run_id)
            with traced(run.settings, lambda: about(run)):
                pending = await _driven(graph, services, run_id, follow, answers, before)
    return Outcome(services.ledger, run_id, pending)


async def _driven(
    graph: Any,
    services: "Services",
    run_id: str,
    follow: Follow,
    answers: "Sequence[Decision] | None",
    stop_before: Sequence[str],
) -> Pending | None:
    from langgraph.types import Command

    config = _config(run_id)
    before = await graph.aget_state(config)
    waiting = await _pending(services, run_id, before)
    if waiting is not None and not answers:
        return waiting
    payload: Any = None
    if waiting is not None:
        named = [answer.model_dump(exclude_defaults=True) for answer in _named(answers or (), waiting)]
        payload = Command(resume={waiting.interrupt_id: {"decisions": named}})
    elif answers:
        raise InputError(f"Run {run_id} waits for no one; go on with `rlhf resume {run_id}`.")
    elif before.created_at is None:
        payload = {"adapter_name": services.run(run_id).adapter_name}
    elif not before.tasks:
        # Not `next`: it is empty too when a kill came between a node's writes and the checkpoint after them.
        return None
    judging = _Judging(services, run_id)
    config["run_name"] = f"run {services.run(run_id).adapter_name}"
    stream = graph.astream(
        payload, config, stream_mode=["custom", "updates"], interrupt_before=list(stop_before)
    )
    async for mode, event in stream:
        if mode == "custom":
            follow(Progress(event["stage"], event["done"], event["total"], event.get("detail", "")))
        elif "generate" in event:
            judging.begin()
        elif "judge" in event:
            follow(judging.one_more())
    return await _pending(services, run_id, await graph.aget_state(_config(run_id)))


class _Judging:
    """Counts judged responses: the panels work side by side and none of them knows how many there are."""

    def __init__(self, services: "Services", run_id: str) -> None:
        self._ledger = services.ledger
        self._run_id = run_id
        self._done = self._total = 0

    def begin(self) -> None:
        """Look up how many responses the round has, and how many of them are judged."""
        round = self._ledger.run(self._run_id).round
        self._done, self._total = self._ledger.rounds.progress(self._run_id, round)

    def one_more(self) -> Progress:
        """Another response is judged."""
        if not self._total:  # resumed in the middle: the ledger counts this one already
            self.begin()
        else:
            self._done = min(self._done + 1, self._total)
        return Progress("feedback", self._done, self._total)


def _describe(pending: Pending) -> str:
    """One line on what a person is asked."""
    if pending.is_review:
        return f"{len(pending.requests)} response(s) wait for review."
    from rlhf.nodes.approvals import question

    return question(pending.requests[0])


def report_of(ledger: "Ledger", run_id: str, *, in_use: bool) -> RunReport:
    """The run's report; one that runs nowhere any more says how to go on."""
    from rlhf.nodes.report import full_report

    report = full_report(ledger, run_id)
    if report.status == "running" and not in_use and not ledger.run(run_id).is_served:
        return report.model_copy(update={"note": interrupted_note(run_id)})
    return report


def interrupted_note(run_id: str) -> str:
    """What to do about a run whose process ended in the middle."""
    return f"Interrupted; go on with `rlhf resume {run_id}`."


@asynccontextmanager
async def _opened(services: "Services") -> AsyncIterator[Any]:
    from rlhf.graph.checkpoints import open_checkpoints
    from rlhf.graph.pipeline import build_pipeline

    async with open_checkpoints(services.settings.storage.checkpoint_path) as saver:
        yield build_pipeline(services).compile(checkpointer=saver, name="pipeline")


def _config(run_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": run_id}}


async def _pending(services: "Services", run_id: str, snapshot: Any) -> Pending | None:
    """What is still asked: an import or a retry may have settled some or all of it, and all settled is no wait."""
    for interrupt in snapshot.interrupts:
        requests = interrupt.value["action_requests"]
        if requests[0]["name"] == REVIEW_RESPONSE:
            round = services.ledger.run(run_id).round
            asked = [request["args"]["response_id"] for request in requests]
            waiting = await asyncio.to_thread(services.ledger.pending.among, run_id, round, asked)
            found = await asyncio.to_thread(services.ledger.feedback, run_id, waiting)
            requests = [_told(found[key], key) for key in asked if key in found]
        return Pending(interrupt.id, requests) if requests else None
    return None


def _told(feedback: "Feedback", key: str) -> dict[str, Any]:
    """A request with the whole texts, which the checkpoint does not have."""
    from rlhf.nodes.review import headline

    shown: dict[str, Any] = {"response_id": key, "prompt": feedback.prompt, "response": feedback.response}
    if not feedback.in_audit:
        shown["rating"] = feedback.rating
        shown["overall_score"] = feedback.overall_score
        shown["reasons"] = feedback.review_reasons
    return {"name": REVIEW_RESPONSE, "args": shown, "description": headline(feedback)}


def _named(answers: "Sequence[Decision]", waiting: Pending) -> "list[Decision]":
    """The answers, each with the response it is about where only its position says so: the node's page may differ."""
    if not waiting.is_review:
        return list(answers)
    asked = [request["args"]["response_id"] for request in waiting.requests]
    placed = [answer.on(key) for answer, key in zip(answers, asked, strict=False)]
    return [*placed, *answers[len(placed) :]]
