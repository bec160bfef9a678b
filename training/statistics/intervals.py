"""The interval of a mean from few values, and how many more values would settle what it leaves open."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, copysign, sqrt
from statistics import NormalDist, fmean, stdev

CONFIDENCE_LEVEL = 0.95
POWER = 0.8
"""Chance with which the number of values that `values_needed` names shows a difference that is there."""


@dataclass(frozen=True)
class Interval:
    """A mean difference (after − before) in points of 100 with its 95 % interval."""

    delta: float
    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean of `values` (points, −100 to 100) with the wider, at each end, of two 95 % intervals.

    One is Student's t. The other takes its quantiles through the inverse of Hall's cubic, which corrects them for the
    skewness of the values (Hall, "On the removal of skewness by transformation", JRSS B 54, 1992): capped scores make
    differences skewed. benchmarks/gate.py measures what the two cover, beside bootstraps. Nothing is drawn at random.

    Values that do not differ give an interval of no width; a single value proves nothing: [−100, 100].
    """
    from scipy.special import stdtrit

    mean, count = fmean(values), len(values)
    if count < 2:
        return Interval(mean, -100.0, 100.0)
    if max(values) - min(values) < 1e-9:
        return Interval(mean, mean, mean)
    spread = stdev(values)
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE_LEVEL) / 2))
    skewness = fmean((value - mean) ** 3 for value in values) / spread**3
    scale = spread / sqrt(count)
    above = max(quantile, _unskewed(quantile, skewness, count))
    below = min(-quantile, _unskewed(-quantile, skewness, count))
    return Interval(mean, max(mean - scale * above, -100.0), min(mean - scale * below, 100.0))


def _unskewed(quantile: float, skewness: float, count: int) -> float:
    """The studentised mean at which Hall's cubic reaches the quantile."""
    if abs(skewness) < 1e-6:
        return quantile
    cube = 1 + skewness * (quantile / sqrt(count) - skewness / (6 * count))
    return sqrt(count) * 3 / skewness * (copysign(abs(cube) ** (1 / 3), cube) - 1)


def values_needed(values: Sequence[float], difference: float) -> int | None:
    """How many values like these show a mean of `difference` (above 0) as differing from zero, four times in five.

    The sample size of a two-sided paired t test at the observed spread (Guenther, "Sample size formulas for normal
    theory t tests", The American Statistician 35, 1981). None where the values tell no spread.
    """
    if len(values) < 2 or (spread := stdev(values)) < 1e-9:
        return None
    sure, power = (NormalDist().inv_cdf(share) for share in ((1 + CONFIDENCE_LEVEL) / 2, POWER))
    return ceil(((sure + power) * spread / difference) ** 2 + sure**2 / 2)
