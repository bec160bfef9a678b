"""Scores: what is missing counts nowhere, no map lifts a cap, stars and points belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.prompts.dimensions import DEFAULT_WEIGHTS, DIMENSIONS
from rlhf.state.measures import ScoreMap
from rlhf.state.scores import blended, points_of_rating, rating_of, through_map, weighted_mean

points = st.floats(0.0, 100.0)
some = st.dictionaries(st.sampled_from(DIMENSIONS), points)


@pytest.mark.parametrize(
    ("score", "rating"),
    [(0, 1), (19.9999, 1), (20, 2), (39.99, 2), (40, 3), (59.99, 3), (60, 4), (79.99, 4), (80, 5), (100, 5)],
)
def test_ratings_begin_at_every_fifth_of_the_scale(score: float, rating: int) -> None:
    assert rating_of(score) == rating


@pytest.mark.parametrize(("rating", "score"), [(1, 10.0), (2, 30.0), (3, 50.0), (4, 70.0), (5, 90.0)])
def test_a_persons_rating_stands_for_the_middle_of_its_fifth(rating: int, score: float) -> None:
    assert points_of_rating(rating) == score
    assert rating_of(score) == rating


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_better_score_never_has_a_worse_rating(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 1 <= rating_of(low) <= rating_of(high) <= 5


@given(some)
def test_the_mean_lies_between_the_scores_there_are(scores: dict[str, float]) -> None:
    mean = weighted_mean(scores, DEFAULT_WEIGHTS)
    if not scores:
        assert mean is None
    else:
        assert mean is not None
        assert min(scores.values()) - 1e-4 <= mean <= max(scores.values()) + 1e-4


def test_dimensions_that_weigh_nothing_give_no_score() -> None:
    assert weighted_mean({"clarity": 80.0}, dict.fromkeys(DIMENSIONS, 0.0)) is None


@given(points, points, st.none() | points)
def test_no_map_lifts_a_cap(score: float, to: float, cap: float | None) -> None:
    found = through_map(score, ScoreMap(x=[50.0], y=[to]), cap)
    assert found == round(to if cap is None else min(to, cap), 4)


@given(points, points, st.floats(0.0, 1.0), st.none() | points)
def test_evidence_moves_a_score_towards_its_own_and_never_over_its_cap(
    score: float, evidence: float, weight: float, cap: float | None
) -> None:
    found = blended(score, evidence, weight, cap)
    low, high = sorted((score, evidence))
    assert found <= high + 1e-4
    assert found >= min(low, 100.0 if cap is None else cap) - 1e-4
    if cap is not None:
        assert found <= cap + 1e-4
    assert blended(score, None, weight, None) == round(score, 4)
