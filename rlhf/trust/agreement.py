"""How far judges agree with people's labels, beside what a ruler, a coin and another person would get."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from pydantic import Field

from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.files.labels import Label, PairLabel, ScoreLabel
from rlhf.state.records import Choice, Record
from rlhf.training.statistics.preferences import (
    HumanCeiling,
    OrderFigures,
    PairFigures,
    both_orders,
    choice,
    human_ceiling,
    length_matched,
    longer,
    order_figures,
    pair_figures,
    random_figures,
)
from rlhf.training.statistics.score_agreement import (
    MAX_LEVELS,
    Correlation,
    ScoreFigures,
    score_figures,
    spearman,
)
from rlhf.trust.labels import Verdicts, dimension_of, raw_score_of, score_for

POINTWISE_ORDER = "Each response is judged by itself: the order of the two cannot matter."
ONE_ORDER = "The choices were made in one order only: what the order does is not known."


class PairAgreement(Record):
    """Agreement on pairs. Baselines are over the pairs that were judged, so that figures compare."""

    overall: PairFigures
    """By the scores as they are used."""
    without_calibration: PairFigures | None = None
    """By the raw scores; None where no map was applied."""
    orders: OrderFigures | None = None
    """What showing the two the other way round changes; None where `order_note` says why."""
    order_note: str
    """What is known about the order."""
    dimensions: dict[str, PairFigures] = Field(default_factory=dict)
    """What each dimension's score alone would have chosen."""
    categories: dict[str, PairFigures] = Field(default_factory=dict)
    """By the labels' category."""
    length_matched: PairFigures
    """On the pairs whose responses are of like length."""
    length_matched_longer: PairFigures
    """The longer response on the same subset."""
    baselines: dict[str, PairFigures]
    """What simple rules would have chosen, by the rule's name."""
    human: HumanCeiling | None = None
    """None where the labels carry no votes."""


class ScoreAgreement(Record):
    """Agreement with absolute scores, both on 0–100."""

    overall: ScoreFigures
    """By the scores as they are used."""
    without_calibration: ScoreFigures | None = None
    """By the raw scores; None where no map was applied."""
    dimensions: dict[str, ScoreFigures] = Field(default_factory=dict)
    """By dimension, each against the same labels."""
    categories: dict[str, ScoreFigures] = Field(default_factory=dict)
    """By the labels' category."""
    mean_for_all: float | None = None
    """Mean distance, points, if every response got the mean of people's scores."""
    length: Correlation | None = None
    """Rank correlation of people's scores with the response's length alone."""


class LabelAgreement(Record):
    """Judges against a file of labels. Exactly one of `pairs` and `scores` is set."""

    source: str
    """The judge's model, or the file of verdicts."""
    task_types: list[str]
    """Rubric packs that the responses were judged by."""
    num_labels: int
    """Labels in the file."""
    num_failed: int
    """Labels without a verdict: they count in no other figure."""
    pairs: PairAgreement | None = None
    """Set where the labels are choices."""
    scores: ScoreAgreement | None = None
    """Set where the labels are scores."""
    notes: list[str] = Field(default_factory=list)
    """What a reader must know about the figures."""


def agreement_on(
    labels: Sequence[PairLabel] | Sequence[ScoreLabel],
    verdicts: Verdicts,
    source: str,
    *,
    tie_within: float = 0.0,
) -> LabelAgreement:
    """Compare verdicts with labels (all pairs, or all scores).

    The preferred response is the one with the higher overall score, or the higher score of the dimension that
    the label's `criterion` names; scores that differ by `tie_within` points (of 100) or less are a tie.
    """
    pairs = [label for label in labels if isinstance(label, PairLabel)]
    scores = [label for label in labels if isinstance(label, ScoreLabel)]
    on_pairs = _on_pairs(pairs, verdicts, tie_within) if pairs else None
    on_scores = _on_scores(scores, verdicts) if scores else None
    overall = on_pairs.overall if on_pairs else on_scores.overall if on_scores else None
    judged = overall.num_judged if overall else 0
    return LabelAgreement(
        source=source,
        task_types=sorted({label.prompt.task_type for label in labels}),
        num_labels=len(labels),
        num_failed=len(labels) - judged,
        pairs=on_pairs,
        scores=on_scores,
    )


def _on_pairs(labels: Sequence[PairLabel], verdicts: Verdicts, tie_within: float) -> PairAgreement:
    note = POINTWISE_ORDER
    orders = raw = None
    dimensions: dict[str, PairFigures] = {}
    if verdicts.choices is not None:
        told = [verdicts.choices.get(label.id, (None, None)) for label in labels]
        given, swapped = [one for one, _ in told], [two for _, two in told]
        said, _ = both_orders(given, swapped)
        orders = order_figures(given, swapped, [label.label for label in labels])
        note = "A pair told differently in the two orders counts as a tie." if orders else ONE_ORDER
    else:
        said = [_preferred(label, verdicts, tie_within, score_for) for label in labels]
        if any(entry.raw_overall_score is not None for entry in verdicts.feedback.values()):
            raw = [_preferred(label, verdicts, tie_within, raw_score_of) for label in labels]
        for name in DIMENSIONS:
            told_by = [label for label in labels if dimension_of(label) in (None, name)]
            if told_by:
                by_name = [_by_dimension(label, verdicts, tie_within, name) for label in told_by]
                dimensions[name] = pair_figures(by_name, [label.label for label in told_by])
    judged = [label for label, choice_made in zip(labels, said, strict=True) if choice_made is not None]
    people = [label.label for label in judged]
    like = [n for n, label in enumerate(labels) if length_matched(*label.responses)]
    return PairAgreement(
        overall=_figures(labels, said),
        without_calibration=_figures(labels, raw) if raw else None,
        orders=orders,
        order_note=note,
        dimensions=dimensions,
        categories={
            name: _figures([labels[n] for n in places], [said[n] for n in places])
            for name, places in _by_category(labels).items()
        },
        length_matched=_figures([labels[n] for n in like], [said[n] for n in like]),
        length_matched_longer=_longer([labels[n] for n in like if said[n] is not None]),
        baselines={
            "longer wins": _longer(judged),
            "always first": pair_figures(["a" for _ in judged], people),
            "random": random_figures(people),
        },
        human=human_ceiling([label.votes for label in judged]),
    )


_Score = Callable[[Label, Any], float | None]


def _preferred(label: PairLabel, verdicts: Verdicts, tie_within: float, score: _Score) -> Choice | None:
    first, second = (score(label, feedback) for feedback in verdicts.of(label))
    return None if first is None or second is None else choice(first, second, tie_within)


def _by_dimension(label: PairLabel, verdicts: Verdicts, tie_within: float, name: str) -> Choice | None:
    return _preferred(label, verdicts, tie_within, partial(score_for, dimension=name))


def _figures(labels: Sequence[PairLabel], said: Sequence[Choice | None]) -> PairFigures:
    return pair_figures(said, [label.label for label in labels])


def _longer(labels: Sequence[PairLabel]) -> PairFigures:
    return _figures(labels, [longer(*label.responses) for label in labels])


def _on_scores(labels: Sequence[ScoreLabel], verdicts: Verdicts) -> ScoreAgreement:
    feedback = [verdicts.of(label)[0] for label in labels]
    levels = _levels(labels)

    def figures(places: Sequence[int], score: _Score = score_for) -> ScoreFigures:
        said = [score(labels[n], feedback[n]) for n in places]
        return score_figures(said, [labels[n].points for n in places], levels)

    everything = range(len(labels))
    calibrated = any(entry is not None and entry.raw_overall_score is not None for entry in feedback)
    judged = [
        label for label, entry in zip(labels, feedback, strict=True) if score_for(label, entry) is not None
    ]
    people = [label.points for label in judged]
    dimensions = {}
    for name in DIMENSIONS:
        places = [n for n in everything if dimension_of(labels[n]) in (None, name)]
        if places:
            dimensions[name] = figures(places, partial(score_for, dimension=name))
    return ScoreAgreement(
        overall=figures(everything),
        without_calibration=figures(everything, raw_score_of) if calibrated else None,
        dimensions=dimensions,
        categories={name: figures(places) for name, places in _by_category(labels).items()},
        mean_for_all=round(fmean(abs(p - fmean(people)) for p in people), 4) if people else None,
        length=spearman([float(len(label.response)) for label in judged], people) if judged else None,
    )


def _levels(labels: Sequence[ScoreLabel]) -> int | None:
    """The number of steps of people's scale, if it has whole ones, few, and the same in all labels."""
    scales = {(label.low, label.high) for label in labels}
    if len(scales) > 1 or not all(label.score == int(label.score) for label in labels):
        return None
    low, high = scales.pop()
    whole = low == int(low) and high == int(high)
    return int(high - low) + 1 if whole and high - low < MAX_LEVELS else None


def _by_category(labels: Sequence[Label]) -> dict[str, list[int]]:
    """Positions per category, the largest first."""
    found: dict[str, list[int]] = {}
    for n, label in enumerate(labels):
        if label.category:
            found.setdefault(label.category, []).append(n)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))
