"""How well scores agree with people's scores: correlations, mean distance and weighted kappa."""

from collections.abc import Sequence
from math import atanh, floor, sqrt, tanh
from statistics import NormalDist, fmean

from pydantic import Field

from rlhf.state.records import Record
from rlhf.training.statistics.agreement import weighted_kappa
from rlhf.training.statistics.intervals import mean_interval

MAX_LEVELS = 11
"""A scale of whole numbers with at most this many is a scale of levels."""


class Correlation(Record):
    """A correlation with its 95 % interval by Fisher's transformation."""

    value: float = Field(ge=-1.0, le=1.0)
    """The correlation."""
    low: float = Field(ge=-1.0, le=1.0)
    """Lower end of the interval."""
    high: float = Field(ge=-1.0, le=1.0)
    """Upper end of the interval."""


class Distance(Record):
    """A mean absolute distance in points of 100 with its 95 % interval."""

    value: float = Field(ge=0.0)
    """The mean distance."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class ScoreFigures(Record):
    """Scores against people's on the same responses, both 0–100. A figure that cannot be had is None."""

    num_labels: int
    """Responses with a label."""
    num_judged: int
    """Those with a score: all other figures are about them."""
    spearman: Correlation | None = None
    """Rank correlation."""
    pearson: Correlation | None = None
    """Linear correlation."""
    mae: Distance | None = None
    """Mean absolute distance, points of 100."""
    bias: float | None = None
    """Mean of judges minus people, points: above zero the judges are kinder."""
    weighted_kappa: float | None = None
    """Quadratic weights, the judges' scores rounded to people's levels; None if people's scale has no levels."""

    @property
    def coverage(self) -> float:
        """Share of the labels that were judged."""
        return self.num_judged / self.num_labels if self.num_labels else 0.0


def score_figures(
    judge: Sequence[float | None], people: Sequence[float], levels: int | None = None
) -> ScoreFigures:
    """Scores (None: failed) against people's, points of 100; ValueError if the lengths differ.

    `levels` is the number of steps of people's scale, where it has steps.
    """
    pairs = [(said, label) for said, label in zip(judge, people, strict=True) if said is not None]
    if not pairs:
        return ScoreFigures(num_labels=len(people), num_judged=0)
    ours, theirs = [said for said, _ in pairs], [label for _, label in pairs]
    distance = mean_interval([abs(said - label) for said, label in pairs])
    kappa = None
    if levels is not None:
        kappa = weighted_kappa([level_of(s, levels) for s in ours], [level_of(s, levels) for s in theirs])
    return ScoreFigures(
        num_labels=len(people),
        num_judged=len(pairs),
        spearman=spearman(ours, theirs),
        pearson=pearson(ours, theirs),
        mae=Distance(
            value=round(distance.delta, 4),
            low=round(max(0.0, distance.low), 4),
            high=round(min(100.0, distance.high), 4),
        ),
        bias=round(fmean(said - label for said, label in pairs), 4),
        weighted_kappa=None if kappa is None else round(kappa, 4),
    )


def level_of(score: float, levels: int) -> int:
    """The nearest of `levels` even steps from 0 to 100, numbered from 0; halves go up."""
    return min(levels - 1, max(0, floor(score / 100.0 * (levels - 1) + 0.5)))


def pearson(first: Sequence[float], second: Sequence[float]) -> Correlation | None:
    """Linear correlation; None below four rows or where one side never varies."""
    return _correlation(first, second, ranks=False)


def spearman(first: Sequence[float], second: Sequence[float]) -> Correlation | None:
    """Rank correlation; None below four rows or where one side never varies."""
    return _correlation(first, second, ranks=True)


def _correlation(first: Sequence[float], second: Sequence[float], *, ranks: bool) -> Correlation | None:
    from scipy.stats import pearsonr, rankdata

    if len(first) < 4 or min(max(side) - min(side) for side in (first, second)) < 1e-9:
        return None
    if ranks:
        first, second = list(rankdata(first)), list(rankdata(second))
    value = max(-1.0, min(1.0, float(pearsonr(first, second).statistic)))
    # Bonett & Wright (2000) for ranks; 1 itself has no finite transform.
    inner = max(-1 + 1e-12, min(1 - 1e-12, value))
    error = sqrt((1 + (value * value / 2 if ranks else 0.0)) / (len(first) - 3))
    reach = NormalDist().inv_cdf(0.975) * error
    return Correlation(
        value=round(value, 4),
        low=round(min(value, tanh(atanh(inner) - reach)), 4),
        high=round(max(value, tanh(atanh(inner) + reach)), 4),
    )
