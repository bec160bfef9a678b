"""Prediction-powered inference: a mean from many judged items of which people labelled a random few.

PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453) by the package ppi-python: the judges' mean over
the unlabelled items, corrected by what people say of the labelled ones, weighed so that a useless judge costs
nothing. Nobody's judgement has to be right; the labelled items have to be a random sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

CONFIDENCE_LEVEL = 0.95
MIN_LABELS = 20
"""Fewest labels that give an interval; in simulations the true mean is then inside in 94 % of cases or more."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, in the unit of the labels."""

    mean: float
    low: float
    high: float


def powered_mean(labels: Sequence[float], judged: Sequence[float], unlabelled: Sequence[float]) -> Estimate:
    """The mean of what people would say over all items, 95 % interval.

    `labels` are people's values of the labelled items, `judged` the judges' of the same items, `unlabelled` the
    judges' of all others. Student's t stands in for the normal quantile, which is too narrow for few labels.
    Raises ValueError below two labels or if the first two differ in length.
    """
    if len(labels) < 2 or len(labels) != len(judged):
        raise ValueError("an estimate needs two labels or more, each with the judges' value")
    if len(unlabelled) == 0:
        return plain_mean(labels)
    import numpy as np
    from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

    told, said, rest = (np.asarray(part, dtype=float) for part in (labels, judged, unlabelled))
    # Judges who say the same of everything tell nothing; the weight would be 0 / 0.
    weight = 0.0 if np.ptp(np.concatenate([said, rest])) < 1e-6 else None
    mean = float(ppi_mean_pointestimate(told, said, rest, lam=weight)[0])
    low, high = ppi_mean_ci(told, said, rest, alpha=1 - CONFIDENCE_LEVEL, lam=weight)
    half = float(high[0] - low[0]) / 2 * _quantile(len(labels) - 1) / _quantile(None)
    return Estimate(mean, mean - half, mean + half)


def powered_score(labels: Sequence[float], judged: Sequence[float], unlabelled: Sequence[float]) -> Estimate:
    """The mean score people would give, points of 100; arguments as for `powered_mean`.

    The interval allows for two people who differ from the judges by one star (20 points), see `_doubting`.
    """
    return _within(100.0, _doubting(labels, judged, unlabelled, fmean(judged), 10.0))


def powered_share(labels: Sequence[bool], judged: Sequence[bool], unlabelled: Sequence[bool]) -> Estimate:
    """The share of items people would say yes to (0 to 1), 95 % interval; arguments as for `powered_mean`.

    The interval allows for one yes and one no where judges said the opposite, see `_doubting`.
    """
    return _within(1.0, _doubting(labels, judged, unlabelled, 0.5, 0.5))


def _doubting(
    labels: Sequence[float],
    judged: Sequence[float],
    unlabelled: Sequence[float],
    centre: float,
    half: float,
) -> Estimate:
    """The powered mean, with the interval that two more labels would give: people above and judges below the
    centre by `half`, and the other way round (after Agresti and Coull 1998).

    Without them a few labels that all agree with the judges would prove that judges never err: with 20 labels and
    a rare yes, the plain interval holds the true share in half of all cases.
    """
    mean = powered_mean(labels, judged, unlabelled).mean
    up, down = centre + half, centre - half
    wide = powered_mean([*labels, up, down], [*judged, down, up], unlabelled)
    return Estimate(mean, min(wide.low, mean), max(wide.high, mean))


def _within(top: float, found: Estimate) -> Estimate:
    """The estimate without what lies outside 0 to `top`."""
    return Estimate(*(min(top, max(0.0, value)) for value in (found.mean, found.low, found.high)))


def plain_mean(values: Sequence[float]) -> Estimate:
    """The mean of the values alone with Student's 95 % interval. Raises ValueError below two values."""
    if len(values) < 2:
        raise ValueError("an interval needs two values or more")
    mean = fmean(values)
    half = _quantile(len(values) - 1) * sqrt(variance(values) / len(values))
    return Estimate(mean, mean - half, mean + half)


def plain_share(values: Sequence[bool]) -> Estimate:
    """The share of yes with Wilson's 95 % interval (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(sum(values), len(values)).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return Estimate(fmean(values), float(found.low), float(found.high))


def _quantile(degrees: int | None) -> float:
    """Half-width of a 95 % interval in standard errors; None: of the normal distribution."""
    from scipy.stats import norm, t

    level = 0.5 + CONFIDENCE_LEVEL / 2
    return float(norm.ppf(level) if degrees is None else t.ppf(level, degrees))
