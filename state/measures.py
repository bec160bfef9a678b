"""What is measured of judges: score maps, canaries, and the quality of feedback over time."""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from statistics import fmean
from typing import Literal, Self

from pydantic import Field, model_validator

from rlhf.state.keys import content_key
from rlhf.state.records import Record


class ScoreMap(Record):
    """A monotone map of scores (0–100) by its corners: straight lines between them, flat beyond."""

    x: list[float] = Field(min_length=1)
    """Scores before, strictly rising."""
    y: list[float] = Field(min_length=1)
    """Scores after, never falling."""

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        if len(self.x) != len(self.y):
            raise ValueError("x and y differ in length")
        if any(left >= right for left, right in zip(self.x, self.x[1:], strict=False)):
            raise ValueError("x does not rise")
        if any(left > right for left, right in zip(self.y, self.y[1:], strict=False)):
            raise ValueError("y falls")
        if not all(0.0 <= value <= 100.0 for value in self.y):
            raise ValueError("y leaves 0 to 100")
        return self

    def __call__(self, score: float) -> float:
        """The calibrated score, 0–100."""
        right = bisect_right(self.x, score)
        if right == 0:
            return self.y[0]
        if right == len(self.x):
            return self.y[-1]
        share = (score - self.x[right - 1]) / (self.x[right] - self.x[right - 1])
        return self.y[right - 1] + share * (self.y[right] - self.y[right - 1])


class JudgeVersion(Record):
    """Everything a raw score depends on, but for the response: a map is right for this and nothing else."""

    task_type: str
    """Rubric pack."""
    rubric_version: str
    """Version of the pack: a hash of its content."""
    model: str
    """The judge as `judge.model` names it."""
    template_version: str
    """Version of all that is asked besides the rubric."""
    evidence_weight: float
    """Share of a score that the checks carry, 0–1."""

    @property
    def key(self) -> str:
        """The same for the same judge and rubric."""
        return content_key("judge", *self.model_dump().values())


class CrossValidated(Record):
    """What a map changes on labels it was not fitted on, over all folds."""

    num_labels: int
    """Labels with a score: on fewer than are needed nothing is measured, and the figures are None."""
    raw: float | None = None
    """Error of the raw scores: absolute distance in points for scores, Brier score for pairs."""
    constant: float | None = None
    """The same error if every response got the same score: a map that is no better says nothing."""
    calibrated: float | None = None
    """The same error of the calibrated scores."""
    gain_low: float | None = None
    """Lower end of the 95 % interval of `raw` minus `calibrated`, over prompts."""
    raw_accuracy: float | None = None
    """Share of pairs put in people's order, ties half; None for scores."""
    calibrated_accuracy: float | None = None
    """The same share by the calibrated scores; None for scores."""
    stored: bool = False
    """Whether the map is kept and applied."""
    note: str
    """Why the map is stored, or why not."""


class Calibration(Record):
    """The maps fitted on one set of labels for one judge; without maps it says that raw scores are the best."""

    judge: JudgeVersion
    """The judge and rubric the maps are right for."""
    weights: dict[str, float]
    """Weights the overall map was fitted with; with others it is not applied."""
    dimensions: dict[str, ScoreMap] = Field(default_factory=dict)
    """Maps by dimension; a dimension without one keeps its raw score."""
    overall: ScoreMap | None = None
    """Maps the weighted mean of the calibrated dimension scores."""
    kind: Literal["pairs", "scores"]
    """What people had labelled: choices between two responses, or scores."""
    labels: str
    """Key of the labels' content."""
    figures: dict[str, CrossValidated] = Field(default_factory=dict)
    """What each map changed on labels it was not fitted on: by dimension, and `overall`."""

    @property
    def key(self) -> str:
        """From the content, so the same fit is stored once."""
        return content_key("calibration", self.model_dump(mode="json"))

    @property
    def is_tested(self) -> bool:
        """Whether there were labels enough to tell if maps help."""
        return any(found.raw is not None for found in self.figures.values())

    def overall_map(self, weights: Mapping[str, float]) -> ScoreMap | None:
        """The overall map, if it belongs to these weights."""
        same = self.weights.keys() == weights.keys() and all(
            abs(self.weights[name] - weights[name]) < 1e-9 for name in weights
        )
        return self.overall if same else None


MIN_SCORED = 0.8
"""Share of the canaries that must be scored before their silence says anything."""


class CanaryScore(Record):
    """One canary as one judge scored it."""

    id: str
    """Name of the canary in the set."""
    family: str
    """Kind of attack."""
    task_type: str
    """Rubric pack it was judged by."""
    response_id: str
    """Key of the response in the ledger."""
    floor: float = Field(ge=0.0, le=100.0)
    """Points the score must stay under."""
    score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Overall score, points of 100; None where no dimension was scored."""
    acceptable: bool = False
    """Whether the response was found acceptable."""
    coverage: float = Field(ge=0.0, le=1.0)
    """Weight of the dimensions that were scored."""
    unknowable: str | None = None
    """Why evidence can't know it; None where it can."""

    @property
    def is_above(self) -> bool:
        """Whether it was scored at or above its floor, or found acceptable; a missing dimension excuses nothing."""
        return self.score is not None and (self.score >= self.floor or self.acceptable)

    @property
    def is_scored(self) -> bool:
        """Whether the judge gave a whole verdict: a failed judgement proves nothing, so it never passes."""
        return self.is_above or (self.score is not None and self.coverage > 1 - 1e-6)


class FamilyResult(Record):
    """One kind of attack."""

    family: str
    """Kind of attack."""
    num_canaries: int
    """Canaries of this kind that were asked."""
    num_scored: int
    """Those with a whole verdict."""
    num_above: int
    """Those at or above their floor, or found acceptable."""
    worst: float | None
    """Highest score, points of 100; None if none was scored."""
    mean: float | None
    """Mean score, points of 100; None if none was scored."""


class CanaryResult(Record):
    """A judge's canaries, as far as they were asked."""

    judge: str
    """The judge's model."""
    template_version: str
    """Version of what it was asked, evidence included."""
    rubric_versions: dict[str, str] = Field(default_factory=dict)
    """By task type."""
    set_version: str
    """Version of the set of canaries: a hash of its content."""
    num_in_set: int
    """Canaries in the whole set, asked or not."""
    scores: list[CanaryScore]
    """One per canary asked."""

    @property
    def above(self) -> list[CanaryScore]:
        """Those that fooled the judge, the highest score first."""
        return sorted((s for s in self.scores if s.is_above), key=lambda s: -(s.score or 0.0))

    @property
    def not_scored(self) -> list[CanaryScore]:
        """Those without a whole verdict: failed, and so neither passed nor fallen."""
        return [s for s in self.scores if not s.is_scored]

    @property
    def unknowable(self) -> list[CanaryScore]:
        """Those that only the judge's own reading can hold down."""
        return [s for s in self.scores if s.unknowable is not None]

    @property
    def enough_scored(self) -> bool:
        """Whether at least 80 % were scored."""
        return bool(self.scores) and len(self.not_scored) <= (1 - MIN_SCORED) * len(self.scores) + 1e-9

    @property
    def families(self) -> list[FamilyResult]:
        """What each family came to, in the set's order."""
        grouped: dict[str, list[CanaryScore]] = {}
        for each in self.scores:
            grouped.setdefault(each.family, []).append(each)
        return [_family(name, scores) for name, scores in grouped.items()]


def _family(name: str, scores: list[CanaryScore]) -> FamilyResult:
    points = [each.score for each in scores if each.is_scored and each.score is not None]
    return FamilyResult(
        family=name,
        num_canaries=len(scores),
        num_scored=len(points),
        num_above=sum(each.is_above for each in scores),
        worst=max(points, default=None),
        mean=round(fmean(points), 4) if points else None,
    )


class Drift(Record):
    """How far a batch's scores are from those of the batches before it."""

    psi: float = Field(ge=0.0)
    """Population stability index: 0 is the same distribution, from 0.25 a clear shift."""
    statistic: float = Field(ge=0.0, le=1.0)
    """Kolmogorov–Smirnov distance between the two distributions."""
    p_value: float = Field(ge=0.0, le=1.0)
    """Chance of such a distance if nothing had changed."""
    score_delta: float
    """Mean of the batch minus mean of the reference, points of 100."""
    num_scores: int
    """Scores of the batch."""
    num_reference: int
    """Earlier scores it was compared with."""
    num_batches: int
    """Earlier batches these come from, the newest ones."""


class Alert(Record):
    """A threshold that was crossed."""

    task_type: str
    """Rubric pack of the batch."""
    metric: str
    """Name of the FeedbackQuality field; `psi` for drift."""
    value: float
    """What was measured, in the metric's unit."""
    threshold: float
    """What was crossed, in the same unit (rlhf.nodes.quality.Thresholds)."""
    sentence: str
    """The alert in one sentence for people."""


class FeedbackQuality(Record):
    """What a batch of feedback says. Shares and means are over the judged feedback alone.

    Feedback that no judge could score lowers `coverage` and counts nowhere else.
    """

    task_type: str
    """The batch's task type; `mixed` when it has several: `by_task_type` then holds each."""
    label: str = ""
    """What the batch is called: `RUN round N` for a pipeline's own."""
    num_feedback: int = Field(ge=0)
    """Feedback in the batch."""
    num_scored: int = Field(ge=0)
    """Feedback with an overall score."""
    average_rating: float | None = Field(default=None, ge=1.0, le=5.0)
    """Mean rating, 1–5 stars; None if nothing was scored."""
    average_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Mean overall score, points of 100; None if nothing was scored."""
    accepted_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share that is acceptable; None if nothing was scored."""
    chosen_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share that counts as chosen; None if nothing was scored."""
    rejected_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share that counts as rejected; None if nothing was scored."""
    review_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share that a person should see."""
    coverage: float = Field(ge=0.0, le=1.0)
    """Mean weight of the scored dimensions over all feedback; unjudged feedback counts as 0 here."""
    confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """Mean confidence of the judges; None if nothing has one."""
    dimensions: dict[str, float] = Field(default_factory=dict)
    """Mean score per dimension, 0–100, over the feedback that has it."""
    drift: Drift | None = None
    """How far it is from the batches before; None where `drift_note` says why."""
    drift_note: str = ""
    """Why there is no drift figure; empty if there is one."""
    alerts: list[Alert] = Field(default_factory=list)
    """Thresholds that were crossed."""
    by_task_type: dict[str, "FeedbackQuality"] = Field(default_factory=dict)
    """A mixed batch's parts; empty for a batch of one task type."""


class Batch(Record):
    """One row of the history."""

    key: str
    """From what the batch is: of a pipeline from run, round and task type, so that it is kept once."""
    created_at: datetime
    """When it was measured."""
    quality: FeedbackQuality
    """What it says."""
