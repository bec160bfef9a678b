"""Monotone maps from judges' scores to people's, and how likely the higher score wins."""

from collections.abc import Sequence
from math import exp, log, sqrt
from statistics import fmean, pstdev

from rlhf.state.measures import ScoreMap

KEPT_ORDER = 0.02
"""Share of the raw score in a calibrated one, so that a flat step of the map makes no ties."""
RAREST = 0.03
"""Shares of wins nearer to 0 or 1 than this are taken as this: a handful of labels proves no more."""


def fit_scores(scores: Sequence[float], targets: Sequence[float]) -> ScoreMap:
    """The monotone map of `scores` closest to `targets` in squares, both 0–100, but for KEPT_ORDER."""
    return _rising(*_isotonic(scores, targets, 100.0))


def fit_pairs(scores: Sequence[tuple[float, float]], outcomes: Sequence[float]) -> ScoreMap | None:
    """The map of scores to the log odds of winning, drawn to the mean and spread of the scores (0–100).

    `outcomes` are 1 where the first of the pair is better, 0 where the second is, 0.5 for ties. None if the
    scores tell nothing about who wins.
    """
    values = [score for pair in scores for score in pair]
    wins = [win for outcome in outcomes for win in (outcome, 1.0 - outcome)]
    x, shares = _isotonic(values, wins, 1.0)
    odds = [log(share / (1 - share)) for share in (min(1 - RAREST, max(RAREST, share)) for share in shares)]
    told = _interpolated(values, x, odds)
    spread = pstdev(told)
    if spread < 1e-6 or pstdev(values) < 1e-6:
        return None
    middle, center, stretch = fmean(values), fmean(told), pstdev(values) / spread
    return _rising(x, [min(100.0, max(0.0, middle + stretch * (each - center))) for each in odds])


def _interpolated(values: Sequence[float], x: Sequence[float], y: Sequence[float]) -> list[float]:
    import numpy as np

    return [float(value) for value in np.interp(values, x, y)]


def _rising(x: list[float], y: list[float]) -> ScoreMap:
    if x[0] > 0.0:
        x, y = [0.0, *x], [y[0], *y]
    if x[-1] < 100.0:
        x, y = [*x, 100.0], [*y, y[-1]]
    mixed = [(1 - KEPT_ORDER) * after + KEPT_ORDER * before for before, after in zip(x, y, strict=True)]
    return ScoreMap(x=x, y=[round(value, 4) for value in mixed])


def _isotonic(
    values: Sequence[float], targets: Sequence[float], highest: float
) -> tuple[list[float], list[float]]:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=highest, out_of_bounds="clip")
    model.fit([round(value, 4) for value in values], list(targets))
    x = [round(float(value), 4) for value in model.X_thresholds_]
    y = [min(highest, max(0.0, round(float(value), 6))) for value in model.y_thresholds_]
    return x, y


def win_probability(difference: float, slope: float) -> float:
    """Chance that the first response is better, by its lead in points."""
    return 1.0 / (1.0 + exp(-max(-500.0, min(500.0, slope * difference))))


def win_slope(differences: Sequence[float], outcomes: Sequence[float]) -> float:
    """The slope, 0 to 2 per point, with the smallest squared error of the win probability."""
    from scipy.optimize import minimize_scalar

    def error(root: float) -> float:  # over the root, which gives small slopes room
        slope = root * root
        return fmean(
            (win_probability(d, slope) - outcome) ** 2
            for d, outcome in zip(differences, outcomes, strict=True)
        )

    if not any(differences):
        return 0.0
    return float(minimize_scalar(error, bounds=(0.0, sqrt(2.0)), method="bounded").x) ** 2
