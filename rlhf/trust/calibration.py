"""Fitting to people's labels: score maps, the margin of pairs, and the confidence below which people are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlhf.state.errors import InputError
from rlhf.state.files.labels import Label, PairLabel, ScoreLabel
from rlhf.state.keys import derived_seed
from rlhf.state.measures import Calibration
from rlhf.state.records import Feedback, Record
from rlhf.state.settings import Settings
from rlhf.training.statistics.calibration import OVERALL, Case, Fit, Side, calibrate
from rlhf.training.statistics.certificate import Certificate, certify
from rlhf.training.statistics.preferences import Share, wilson
from rlhf.trust.labels import Verdicts, dimension_of, keys_of

if TYPE_CHECKING:
    from rlhf.nodes.services import Services

MARGINS = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Rows of the margin table, points of 100."""


class MarginRow(Record):
    """Pairs whose scores differ by at least `margin` points."""

    margin: float
    """Points of 100."""
    kept: float
    """Share of all pairs with scores."""
    accuracy: Share | None
    """Share of them on which people prefer the higher score."""


class CalibrationReport(Record):
    """What was fitted, what is stored, and what the recipe should say."""

    calibrations: list[Calibration]
    """One per task type."""
    stored: bool
    """Whether the calibrations were kept in the ledger."""
    num_labels: int
    """Labels in the file."""
    num_failed: int
    """Labels with a response that no judge could score."""
    margins: list[MarginRow]
    """One row per margin, the lowest first."""
    min_margin: Certificate | None
    """Its threshold is the recommended dataset.min_margin; None where no two responses can be compared."""
    min_confidence: Certificate | None
    """Its threshold is the recommended review.min_confidence; None if no agreement was asked for."""

    @property
    def recommended(self) -> dict[str, dict[str, float]]:
        """Recipe values that are proved: {section: {key: value}}."""
        found: dict[str, dict[str, float]] = {}
        if self.min_margin is not None and self.min_margin.threshold is not None:
            found["dataset"] = {"min_margin": self.min_margin.threshold}
        if self.min_confidence is not None and self.min_confidence.threshold is not None:
            found["review"] = {"min_confidence": self.min_confidence.threshold}
        return found


@dataclass(frozen=True)
class _Told:
    """A label about the whole response, with calibrated scores and confidences of its responses, or None."""

    label: Label
    scores: tuple[float | None, ...]
    confidence: float | None
    """The lowest of its responses: below the threshold any of them goes to people."""


@dataclass(frozen=True)
class _Compared:
    margin: float
    right: bool


def calibration_report(
    services: "Services",
    labels: Sequence[Label],
    verdicts: Verdicts,
    file_key: str,
    *,
    pair_accuracy: float,
    agreement: float | None,
    store: bool,
) -> CalibrationReport:
    """Fit the judge in use to judged labels (all pairs, or all scores), and keep the maps if `store`.

    With too few labels to test maps on nothing is kept, and what was there before stays in use.
    A map takes effect for judgements from then on; a run that has begun goes on with what it had. Margin and
    confidence are measured on scores through maps that were fitted without the label's prompt. The margin is
    the lowest from which people are proved to prefer the higher score in `pair_accuracy` of the pairs; with
    score labels, pairs are made of two responses to one prompt, each in one pair at most. The confidence is
    the lowest from which judges and people are proved to agree in `agreement` of the labels: on who is better,
    or, for scores, on which side of acceptance.min_score_acceptable the response is. See
    rlhf.training.statistics.certificate.certify for what is proved.

    Raises InputError when no label could be judged.
    """
    from rlhf.nodes.judge_version import judge_version
    from rlhf.nodes.panel import pack_for

    settings = services.settings
    by_type: dict[str, list[Label]] = {}
    for label in labels:
        by_type.setdefault(label.prompt.task_type, []).append(label)
    calibrations, told = list[Calibration](), list[_Told]()
    for task_type, rows in sorted(by_type.items()):
        weights = settings.acceptance.weights or dict(pack_for(task_type).weights)
        judged = [row for row in rows if _is_judged(row, verdicts)]
        if not judged:
            raise InputError(f"No label of task type {task_type} could be judged: nothing can be fitted.")
        fit = calibrate([_case(row, verdicts) for row in judged], weights, settings.pipeline.seed)
        calibrations.append(
            Calibration(
                judge=judge_version(task_type, settings),
                weights=weights,
                dimensions=fit.dimensions,
                overall=fit.overall,
                kind="pairs" if isinstance(rows[0], PairLabel) else "scores",
                labels=file_key,
                figures=fit.figures,
            )
        )
        told += _told(rows, judged, fit, verdicts)
    if store:
        for calibration in (entry for entry in calibrations if entry.is_tested):
            services.ledger.calibrations.add(calibration)
    compared = _compared(told, settings.pipeline.seed)
    return CalibrationReport(
        calibrations=calibrations,
        stored=store,
        num_labels=len(labels),
        num_failed=sum(not _is_judged(label, verdicts) for label in labels),
        margins=[_margin_row(margin, compared) for margin in MARGINS] if compared else [],
        min_margin=_certified_margin(compared, pair_accuracy) if compared else None,
        min_confidence=None if agreement is None else _certified_confidence(told, settings, agreement),
    )


def _is_judged(label: Label, verdicts: Verdicts) -> bool:
    return all(entry is not None and entry.overall_score is not None for entry in verdicts.of(label))


def _case(label: Label, verdicts: Verdicts) -> Case:
    sides = tuple(_side(verdicts.feedback[key]) for key in keys_of(label))
    target = label.points if isinstance(label, ScoreLabel) else {"a": 1.0, "b": 0.0, "tie": 0.5}[label.label]
    return Case(label.prompt.key, sides, target, dimension_of(label) or OVERALL)


def _side(feedback: Feedback) -> Side:
    parts = {name: part for name, part in feedback.dimensions.items() if part.score is not None}
    return Side(
        scores={
            name: (part.score or 0.0) if part.raw_score is None else part.raw_score
            for name, part in parts.items()
        },
        caps={name: part.evidence_cap for name, part in parts.items() if part.evidence_cap is not None},
    )


def _told(rows: Sequence[Label], judged: Sequence[Label], fit: Fit, verdicts: Verdicts) -> list[_Told]:
    scores: Mapping[str, tuple[float | None, ...]] = {
        label.id: held_out for label, held_out in zip(judged, fit.held_out, strict=True)
    }
    found = []
    for label in rows:
        if dimension_of(label) is not None or (isinstance(label, PairLabel) and label.label == "tie"):
            continue
        known = [entry.confidence if entry else None for entry in verdicts.of(label)]
        confidence = None if None in known else min(value for value in known if value is not None)
        nothing: tuple[float | None, ...] = (None,) * len(label.responses)
        found.append(_Told(label, scores.get(label.id, nothing), confidence))
    return found


def _compared(told: Sequence[_Told], seed: int) -> list[_Compared]:
    """Pairs that people decided, with the distance of the scores and whether it points people's way."""
    found = []
    if told and isinstance(told[0].label, PairLabel):
        for row in told:
            if (lead := _lead(row)) is not None:
                found.append(_Compared(abs(lead), lead > 0))
        return found
    by_prompt: dict[str, list[_Told]] = {}
    for row in sorted(told, key=lambda row: derived_seed(seed, row.label.id, "pairs")):
        if row.scores[0] is not None:
            by_prompt.setdefault(row.label.prompt.key, []).append(row)
    for rows in by_prompt.values():
        for first, second in zip(rows[::2], rows[1::2], strict=False):
            people = _points(first) - _points(second)
            lead = (first.scores[0] or 0.0) - (second.scores[0] or 0.0)
            if people:
                found.append(_Compared(round(abs(lead), 4), lead * people > 0))
    return found


def _lead(row: _Told) -> float | None:
    """How far the response that people prefer is ahead."""
    first, second = row.scores
    if first is None or second is None:
        return None
    assert isinstance(row.label, PairLabel), "only pairs have two scores"
    return round(first - second if row.label.label == "a" else second - first, 4)


def _points(row: _Told) -> float:
    assert isinstance(row.label, ScoreLabel), "only scores have one response"
    return row.label.points


def _margin_row(margin: float, compared: Sequence[_Compared]) -> MarginRow:
    kept = [row for row in compared if row.margin >= margin]
    hits = sum(1.0 if row.right else 0.5 if row.margin == 0 else 0.0 for row in kept)
    return MarginRow(
        margin=margin,
        kept=round(len(kept) / len(compared), 4),
        accuracy=wilson(hits, len(kept)) if kept else None,
    )


def _certified_margin(compared: Sequence[_Compared], wanted: float) -> Certificate:
    return certify([row.margin for row in compared], [row.right for row in compared], wanted)


def _certified_confidence(told: Sequence[_Told], settings: Settings, wanted: float) -> Certificate:
    values, agrees = list[float](), list[bool]()
    bar = settings.acceptance.min_score_acceptable
    for row in told:
        if row.confidence is None or None in row.scores:
            continue
        values.append(row.confidence)
        if isinstance(row.label, PairLabel):
            agrees.append((_lead(row) or 0.0) > 0)
        else:
            agrees.append(((row.scores[0] or 0.0) >= bar) == (row.label.points >= bar))
    return certify(values, agrees, wanted, num_failed=len(told) - len(values))
