"""The quality of a batch of feedback: what it says, whether it drifts, and what crosses a threshold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Protocol, TypeVar

from pydantic import Field

from rlhf.nodes.report import round_or_none
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.keys import content_key
from rlhf.state.ledger import Ledger
from rlhf.state.measures import Alert, Drift, FeedbackQuality
from rlhf.state.records import Record
from rlhf.training.statistics.drift import drift

REFERENCE_BATCHES = 10
"""Drift is measured against this many earlier batches of the same task type, the newest ones."""


class Judged(Protocol):
    """What is measured of a judged response: a whole `Feedback`, or its figures alone as the ledger gives them."""

    @property
    def task_type(self) -> str: ...
    @property
    def overall_score(self) -> float | None: ...
    @property
    def rating(self) -> int | None: ...
    @property
    def coverage(self) -> float: ...
    @property
    def confidence(self) -> float | None: ...
    @property
    def is_acceptable(self) -> bool: ...
    @property
    def is_chosen(self) -> bool: ...
    @property
    def is_rejected(self) -> bool: ...
    @property
    def needs_review(self) -> bool: ...
    @property
    def scores(self) -> Mapping[str, float | None]: ...


_Judged = TypeVar("_Judged", bound=Judged)


class Thresholds(Record):
    """Where an alert is given; None switches one off. Each but drift needs at least one judged feedback."""

    min_average_rating: float | None = Field(default=3.0, ge=1.0, le=5.0)
    """Lowest mean rating, 1–5 stars."""
    min_average_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Lowest mean overall score, points of 100."""
    min_coverage: float | None = Field(default=0.9, ge=0.0, le=1.0)
    """Lowest mean coverage, 0–1."""
    min_confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """Lowest mean confidence, 0–1."""
    max_rejected_share: float | None = Field(default=0.5, ge=0.0, le=1.0)
    """Highest share rated as rejected, 0–1."""
    max_review_share: float | None = Field(default=0.5, ge=0.0, le=1.0)
    """Highest share that a person should see, 0–1."""
    max_psi: float | None = Field(default=0.25, ge=0.0)
    """Most drift. Small batches differ by chance, so that `drift_p_value` must be reached as well."""
    drift_p_value: float = Field(default=0.01, gt=0.0, le=1.0)
    """Highest chance of such a distance if nothing had changed: above it, drift is no alert."""


DEFAULT_THRESHOLDS = Thresholds()


def keep_round(ledger: Ledger, run_id: str, round: int) -> None:
    """Keep the round's training responses as one batch per task type. Blocking; done again, nothing is doubled."""
    for task_type, part in by_task_type(ledger.rounds.figures(run_id, round)).items():
        key = content_key("batch", run_id, round, task_type)
        keep(ledger, key, f"{run_id} round {round}", task_type, part, DEFAULT_THRESHOLDS)


def keep_round_again(ledger: Ledger, run_id: str, round: int) -> None:
    """Measure a round whose feedback has changed anew, if it is in the history. Blocking."""
    label = f"{run_id} round {round}"
    if any(batch.quality.label == label for batch in ledger.history.batches()):
        keep_round(ledger, run_id, round)


def keep(
    ledger: Ledger,
    key: str,
    label: str,
    task_type: str,
    feedback: Sequence[Judged],
    thresholds: Thresholds,
) -> FeedbackQuality:
    """Measure a batch of one task type against the batches before it, and add it to the history. Blocking."""
    earlier = ledger.history.scores_before(key, task_type, REFERENCE_BATCHES)
    quality = measure(task_type, label, feedback, earlier, thresholds)
    ledger.history.add(key, quality, scores_of(feedback))
    return quality


def measure(
    task_type: str,
    label: str,
    feedback: Sequence[Judged],
    earlier: Sequence[Sequence[float]],
    thresholds: Thresholds,
) -> FeedbackQuality:
    """What a batch of one task type says, against the scores of `earlier` batches."""
    quality = summary(task_type, label, feedback)
    found, note = drift(earlier, scores_of(feedback))
    quality = quality.model_copy(update={"drift": found, "drift_note": note})
    return quality.model_copy(update={"alerts": list(_alerts(quality, thresholds))})


def summary(task_type: str, label: str, feedback: Sequence[Judged]) -> FeedbackQuality:
    """Means and shares over the judged feedback, coverage over all; nothing is compared."""
    judged = [entry for entry in feedback if entry.overall_score is not None]

    def share(holds: Callable[[Judged], bool]) -> float | None:
        return round_or_none([float(holds(entry)) for entry in judged])

    means = {name: round_or_none(_dimension_scores(judged, name)) for name in DIMENSIONS}
    return FeedbackQuality(
        task_type=task_type,
        label=label,
        num_feedback=len(feedback),
        num_scored=len(judged),
        average_rating=round_or_none([entry.rating for entry in judged if entry.rating is not None]),
        average_score=round_or_none(scores_of(judged)),
        accepted_share=share(lambda entry: entry.is_acceptable),
        chosen_share=share(lambda entry: entry.is_chosen),
        rejected_share=share(lambda entry: entry.is_rejected),
        review_share=share(lambda entry: entry.needs_review),
        coverage=round(fmean(entry.coverage for entry in feedback), 4),
        confidence=round_or_none([entry.confidence for entry in judged if entry.confidence is not None]),
        dimensions={name: mean for name, mean in means.items() if mean is not None},
    )


def by_task_type(feedback: Sequence[_Judged]) -> dict[str, list[_Judged]]:
    """The feedback parted by task type, in the types' alphabetical order; `unknown` where none is named."""
    parts: dict[str, list[_Judged]] = {}
    for entry in feedback:
        parts.setdefault(entry.task_type or "unknown", []).append(entry)
    return dict(sorted(parts.items()))


def scores_of(feedback: Sequence[Judged]) -> list[float]:
    """The overall scores there are, 0–100."""
    return [entry.overall_score for entry in feedback if entry.overall_score is not None]


def _dimension_scores(feedback: Sequence[Judged], name: str) -> list[float]:
    scores = [entry.scores.get(name) for entry in feedback]
    return [score for score in scores if score is not None]


def _alerts(quality: FeedbackQuality, thresholds: Thresholds) -> Iterator[Alert]:
    lowest = {
        "average_rating": thresholds.min_average_rating,
        "average_score": thresholds.min_average_score,
        "coverage": thresholds.min_coverage,
        "confidence": thresholds.min_confidence,
    }
    highest = {
        "rejected_share": thresholds.max_rejected_share,
        "review_share": thresholds.max_review_share,
    }
    for metric, limit in (lowest | highest).items():
        value: float | None = quality[metric]
        if value is None or limit is None:
            continue
        if metric in lowest and value < limit:
            yield _alert(quality, metric, value, limit, "below")
        if metric in highest and value > limit:
            yield _alert(quality, metric, value, limit, "above")
    found, limit = quality.drift, thresholds.max_psi
    if found and limit is not None and found.psi > limit and found.p_value < thresholds.drift_p_value:
        yield _drift_alert(quality.task_type, found, limit)


def _alert(quality: FeedbackQuality, metric: str, value: float, limit: float, side: str) -> Alert:
    name = metric.replace("_", " ")
    return Alert(
        task_type=quality.task_type,
        metric=metric,
        value=value,
        threshold=limit,
        sentence=f"{quality.task_type}: {name} {value:.4g} is {side} {limit:.4g}.",
    )


def _drift_alert(task_type: str, found: Drift, limit: float) -> Alert:
    return Alert(
        task_type=task_type,
        metric="psi",
        value=found.psi,
        threshold=limit,
        sentence=(
            f"{task_type}: scores have drifted by {found.score_delta:+.1f} points on average "
            f"(stability index {found.psi:.2f} is above {limit:.4g}, p {found.p_value:.2g})."
        ),
    )
