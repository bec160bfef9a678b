"""Scores against people's scores: what moves a figure and what cannot, and what has no figure."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.training.statistics.score_agreement import level_of, pearson, score_figures, spearman

POINTS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=4, max_size=30)


@given(POINTS)
def test_ranks_do_not_feel_a_monotone_distortion(pairs: list[tuple[int, int]]) -> None:
    first, second = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    straight, bent = spearman(first, second), spearman([a**3 for a in first], second)
    assert (straight is None) == (bent is None)
    if straight and bent:
        assert straight.value == pytest.approx(bent.value, abs=1e-4)
        assert -1 <= straight.low <= straight.value <= straight.high <= 1


def test_known_correlations() -> None:
    found = pearson([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
    assert found is not None
    assert found.value == 1.0
    crossed = spearman([1, 2, 3, 4], [4, 3, 2, 1])
    assert crossed is not None
    assert crossed.value == -1.0
    assert pearson([1, 1, 1, 1], [1, 2, 3, 4]) is None
    assert pearson([1, 2, 3], [1, 2, 3]) is None


@given(POINTS)
def test_a_judge_that_says_what_people_say_is_perfect(pairs: list[tuple[int, int]]) -> None:
    scores = [float(a) for a, _ in pairs]
    found = score_figures(scores, scores)
    assert found.mae is not None
    assert (found.mae.value, found.bias, found.coverage) == (0.0, 0.0, 1.0)


def test_a_kind_judge_has_a_bias_and_a_failed_verdict_no_figure() -> None:
    found = score_figures([60.0, None, 80.0], [50.0, 0.0, 70.0])
    assert found.mae is not None
    assert (found.mae.value, found.bias, found.num_judged, found.num_labels) == (10.0, 10.0, 2, 3)
    assert (found.spearman, found.weighted_kappa) == (None, None)
    assert score_figures([None], [50.0]).mae is None


@given(st.integers(2, 11))
def test_levels_are_evenly_apart(levels: int) -> None:
    steps = [100.0 * level / (levels - 1) for level in range(levels)]
    assert [level_of(step, levels) for step in steps] == list(range(levels))
    found = [level_of(score / 2, levels) for score in range(201)]
    assert all(0 <= right - left <= 1 for left, right in pairwise(found))


def test_kappa_is_over_peoples_levels() -> None:
    people = [0.0, 25.0, 50.0, 75.0, 100.0]
    near = score_figures([p + 5 if p < 100 else 95 for p in people], people, levels=5)
    assert near.weighted_kappa == 1.0
