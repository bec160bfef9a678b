"""Prediction-powered inference: a mean from many judged items of which people labelled a random few.

PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453): the judges' mean over the unlabelled items, corrected by
what people say of the labelled ones, weighed so that a useless judge costs nothing. Nobody's judgement has to be
right; the labelled items have to be a random sample.

With n labels y, the judges' values f of the same items and g of the N others, and a weight w:

    mean      w·E[g] + E[y - w·f]                   E[f] = E[g], both being random: any w leaves it unbiased
    variance  w²·Var[g]/N + Var[y - w·f]/n          the two parts are independent
    w         Cov[y, f] / ((1 + n/N)·Var[f])        where its derivative by w is zero; kept within 0 and 1
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
    weight = _weight(labels, judged, unlabelled)
    corrections = [label - weight * value for label, value in zip(labels, judged, strict=True)]
    mean = weight * fmean(unlabelled) + fmean(corrections)
    others = variance(unlabelled) / len(unlabelled) if len(unlabelled) > 1 else 0.0
    half = _quantile(len(labels) - 1) * sqrt(weight**2 * others + variance(corrections) / len(labels))
    return Estimate(mean, mean - half, mean + half)


def _weight(labels: Sequence[float], judged: Sequence[float], unlabelled: Sequence[float]) -> float:
    """How far to trust the judges: 0 leaves people's mean, 1 corrects the judges' whole mean."""
    spread = variance([*judged, *unlabelled])
    if spread < 1e-12 or len(unlabelled) < 2:  # judges who say the same of everything tell nothing
        return 0.0
    people, said = fmean(labels), fmean(judged)
    shared = fmean((label - people) * (value - said) for label, value in zip(labels, judged, strict=True))
    return min(1.0, max(0.0, shared / ((1 + len(labels) / len(unlabelled)) * spread)))


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


def _quantile(degrees: int) -> float:
    """Half-width of a 95 % interval in standard errors, by Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE_LEVEL / 2, degrees))
