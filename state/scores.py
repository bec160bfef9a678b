"""What a score is: dimensions become one score of 0–100, a score becomes 1–5 stars, stars become points again."""

from collections.abc import Callable, Mapping

ScoreFunction = Callable[[float], float]
"""From a score to the calibrated one, both 0–100 (rlhf.state.measures.ScoreMap)."""


def rounded(value: float | None) -> float | None:
    """Scores and confidences are kept with four decimals."""
    return None if value is None else round(value, 4)


def blended(score: float, evidence: float | None, evidence_weight: float, cap: float | None) -> float:
    """A judge's score with what the evidence alone gives (None: it says nothing) blended in, then under its cap."""
    if evidence is not None:
        score = (1 - evidence_weight) * score + evidence_weight * evidence
    return round(score if cap is None else min(score, cap), 4)


def through_map(score: float, score_map: ScoreFunction | None, cap: float | None) -> float:
    """A dimension's score through its map; no map lifts it above the evidence's cap."""
    if score_map is None:
        return score
    score = score_map(score)
    return round(score if cap is None else min(score, cap), 4)


def weighted_mean(
    values: Mapping[str, float], weights: Mapping[str, float], overall_map: ScoreFunction | None = None
) -> float | None:
    """The mean of the dimensions that have a value, by weight, through the map of the whole.

    A dimension without a value counts nowhere: nothing is put in its place. None where nothing weighs anything.
    """
    total = sum(weights[name] for name in values)
    if total <= 0:
        return None
    mean = sum(weights[name] * value for name, value in values.items()) / total
    return round(mean if overall_map is None else overall_map(mean), 4)


def rating_of(score: float) -> int:
    """1–5 stars from 0–100 points: below 20 is 1, from 80 is 5."""
    return min(5, 1 + int(score // 20))


def points_of_rating(rating: int) -> float:
    """The middle of the fifth of the scale that a person's rating stands for: 1 is 10 points, 5 is 90."""
    return 20.0 * rating - 10.0
