"""How far two raters agree: shares, distances and Cohen's kappa, plain and quadratically weighted."""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import fsum
from statistics import fmean

from pydantic import Field

from rlhf.state.records import Record

MIN_OVERLAP = 10
"""Fewest responses rated by both that say something about their agreement."""


class Agreement(Record):
    """The judges' ratings against people's (1–5 stars) on the same responses.

    All figures are None below MIN_OVERLAP responses, and kappa also where chance alone cannot disagree.
    """

    num_rated: int = Field(default=0, ge=0)
    """Responses rated by both."""
    exact: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share rated the same."""
    within_one: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share at most one star apart."""
    mean_difference: float | None = Field(default=None, ge=0.0, le=4.0)
    """Mean distance in stars, whichever way."""
    bias: float | None = Field(default=None, ge=-4.0, le=4.0)
    """Mean of judges minus people in stars: above zero the judges are kinder."""
    weighted_kappa: float | None = Field(default=None, ge=-1.0, le=1.0)
    """Agreement beyond chance, quadratic weights: 1 perfect, 0 chance."""
    note: str = ""
    """What is missing, where a figure is."""


def agreement(judges: Sequence[int], people: Sequence[int]) -> Agreement:
    """Ratings (1–5) of the same responses in the same order; ValueError if the lengths differ."""
    differences = [judge - person for judge, person in zip(judges, people, strict=True)]
    number = len(differences)
    if number < MIN_OVERLAP:
        missing = f"{number} responses are rated by judges and people, {MIN_OVERLAP} are needed"
        return Agreement(num_rated=number, note=missing)
    kappa = weighted_kappa(judges, people)
    return Agreement(
        num_rated=number,
        exact=_share([d == 0 for d in differences]),
        within_one=_share([abs(d) <= 1 for d in differences]),
        mean_difference=round(fmean(abs(d) for d in differences), 4),
        bias=round(fmean(differences), 4),
        weighted_kappa=None if kappa is None else round(kappa, 4),
        note="" if kappa is not None else "kappa needs ratings that differ, and all are the same",
    )


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Agreement of two raters' labels beyond chance, -1 to 1 (Cohen 1960).

    None where there is nothing to compare or both always give one same label: chance then explains all.
    Raises ValueError if the lengths differ.
    """
    same = sum(a == b for a, b in zip(first, second, strict=True))
    number = len(first)
    left, right = Counter(first), Counter(second)
    by_chance = sum(count * right[label] for label, count in left.items())
    if by_chance == number * number:
        return None
    return (number * same - by_chance) / (number * number - by_chance)


def weighted_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Cohen's kappa with quadratic weights, -1 to 1 (Cohen 1968): one less observed over expected disagreement.

    The disagreement expected by chance is the mean squared distance over all pairings of the two raters'
    values. None where that is nothing. Raises ValueError if the lengths differ.
    """
    observed = fsum((a - b) ** 2 for a, b in zip(first, second, strict=True))
    if not observed and len(set(first)) < 2:
        return None
    left, right = Counter(first), Counter(second)
    expected = fsum(n * m * (a - b) ** 2 for a, n in left.items() for b, m in right.items()) / len(first)
    return 1.0 - observed / expected


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4)
