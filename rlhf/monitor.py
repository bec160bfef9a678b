"""Watching the quality of feedback over time and comparing two versions; the history is in the ledger."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rlhf.client import Client, Recipe, settings_from, waited
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generation.function import called
from rlhf.nodes.quality import DEFAULT_THRESHOLDS, Thresholds, by_task_type, keep, summary
from rlhf.state.errors import InputError
from rlhf.state.keys import content_key
from rlhf.state.measures import Alert, Batch, FeedbackQuality
from rlhf.state.records import Feedback
from rlhf.trust.comparison import VersionComparison, compare_feedback

if TYPE_CHECKING:
    from rlhf.tracer import LangSmithTracer

AlertHandler = Callable[[Alert], None] | Callable[[Alert], Awaitable[None]]
"""Called with each alert; plain or asynchronous."""

MIXED = "mixed"
"""Task type of a batch that holds several."""

_log = logging.getLogger(__name__)


class RLHFMonitor(Client):
    """Quality of feedback per task type: means, shares, coverage, drift and alerts.

    The history is the ledger of `recipe` (chosen as for SyntheticFeedbackGenerator), where runs put their
    rounds too; LangSmith is not needed for it. With a `tracer`, each batch is a trace of its project too. `alert` is
    a handler or several; one that raises is logged and stops neither the batch nor the other handlers.
    `thresholds` says where alerts begin: by default a rating below 3, coverage below 0.9, more than half
    rejected or for review, and drift (stability index above 0.25 with p below 0.01).
    """

    def __init__(
        self,
        tracer: "LangSmithTracer | None" = None,
        *,
        recipe: Recipe | None = None,
        alert: AlertHandler | Sequence[AlertHandler] | None = None,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> None:
        super().__init__(settings_from(recipe))
        self._tracer = tracer
        self._handlers = tuple(alert) if isinstance(alert, Sequence) else (alert,) if alert else ()
        self._thresholds = thresholds

    def track_feedback_quality(
        self, feedback_batch: Iterable[Feedback], *, label: str = ""
    ) -> FeedbackQuality:
        """Measure a batch, keep it in the history, and call the alert handlers.

        Scores are 0–100, ratings 1–5 stars, shares 0–1; feedback that no judge could score lowers `coverage`
        alone. Drift is against the newest ten earlier batches of the same task type. In a mixed batch every
        task type is measured, kept and alerted by itself (`by_task_type`); the figures of the whole are
        summaries. The same feedback under the same `label` is one batch however often it is tracked.

        Raises InputError for an empty batch and for anything that is not Feedback.
        """
        return waited(self.atrack_feedback_quality(feedback_batch, label=label))

    async def atrack_feedback_quality(
        self, feedback_batch: Iterable[Feedback], *, label: str = ""
    ) -> FeedbackQuality:
        """`track_feedback_quality` for asynchronous code."""
        quality = await in_thread(self._tracked, _checked(feedback_batch), label)
        if self._tracer is not None:
            _trace(self._tracer, quality)
        for alert in quality.alerts:
            for handler in self._handlers:
                await _told(handler, alert)
        return quality

    def _tracked(self, feedback: Sequence[Feedback], label: str) -> FeedbackQuality:
        found = {
            task_type: keep(
                self.services.ledger, _key(label, task_type, part), label, task_type, part, self._thresholds
            )
            for task_type, part in by_task_type(feedback).items()
        }
        if len(found) == 1:
            [quality] = found.values()
            return quality
        return summary(MIXED, label, feedback).model_copy(
            update={
                "drift_note": "task types have histories of their own: see by_task_type",
                "alerts": [alert for part in found.values() for alert in part.alerts],
                "by_task_type": found,
            }
        )

    def history(self, task_type: str | None = None, limit: int | None = None) -> list[Batch]:
        """The newest `limit` batches (all by default), of one task type or of all, oldest first."""
        return waited(self.ahistory(task_type, limit))

    async def ahistory(self, task_type: str | None = None, limit: int | None = None) -> list[Batch]:
        """`history` for asynchronous code."""
        return await in_thread(lambda: self.services.ledger.history.batches(task_type, limit))

    def compare_model_versions(
        self,
        first: str,
        second: str,
        first_feedback: Iterable[Feedback],
        second_feedback: Iterable[Feedback],
    ) -> VersionComparison:
        """Compare two versions prompt by prompt, as `rlhf compare` does, and with its numbers.

        `winner` is `first`, `second` or "tie": somebody wins only when the 95 % interval of `score_delta`
        (second − first, points of 100) excludes zero. Prompts are paired by `prompt_id`, or by their text
        where it is empty. Raises InputError when there is no common prompt, and for names that are alike.
        """
        return waited(self.acompare_model_versions(first, second, first_feedback, second_feedback))

    async def acompare_model_versions(
        self,
        first: str,
        second: str,
        first_feedback: Iterable[Feedback],
        second_feedback: Iterable[Feedback],
    ) -> VersionComparison:
        """`compare_model_versions` for asynchronous code."""
        before, after = list(first_feedback), list(second_feedback)
        return await in_thread(compare_feedback, first, second, before, after)


def _trace(tracer: "LangSmithTracer", quality: FeedbackQuality) -> None:
    from rlhf.tracer import TracedBlock

    told = {"task_type": quality.task_type, "label": quality.label or None}
    with TracedBlock(tracer, "feedback quality", told) as block:
        block.log(**quality.model_dump(mode="json"))


def _checked(feedback_batch: Iterable[Feedback]) -> list[Feedback]:
    feedback = list(feedback_batch)
    if not feedback:
        raise InputError("feedback_batch is empty: there is nothing to measure.")
    for number, entry in enumerate(feedback, 1):
        if not isinstance(entry, Feedback):
            raise InputError(f"feedback_batch, entry {number}: not Feedback but {type(entry).__name__}.")
    return feedback


def _key(label: str, task_type: str, feedback: Sequence[Feedback]) -> str:
    told = [(each.prompt_id or each.prompt, each.response, each.overall_score) for each in feedback]
    return content_key("batch", label, task_type, sorted(map(content_key, told)))


async def _told(handler: AlertHandler, alert: Alert) -> None:
    try:
        await called(handler, alert)
    except Exception as error:  # the batch is kept, and other handlers are still to be told
        name = getattr(handler, "__name__", type(handler).__name__)
        _log.warning("The alert handler %s failed: %s: %s", name, type(error).__name__, error)
