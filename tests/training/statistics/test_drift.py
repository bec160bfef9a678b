"""Drift: when two sets of scores differ, when they do not, and when nothing can be said."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.training.statistics.drift import (
    MIN_REFERENCE,
    MIN_SCORES,
    drift,
    population_stability_index,
    two_sample,
)

scores = st.floats(0.0, 100.0).map(lambda value: round(value, 2))
many = st.lists(scores, min_size=2, max_size=60)


def normal(mean: float, count: int, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [min(100.0, max(0.0, chance.gauss(mean, 10.0))) for _ in range(count)]


@given(many, many)
def test_the_stability_index_is_finite_and_never_negative(reference: list[float], found: list[float]) -> None:
    assert 0.0 <= population_stability_index(reference, found) < 100.0


@given(many, st.randoms())
def test_the_same_scores_in_another_order_have_not_moved(values: list[float], chance: random.Random) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)
    assert population_stability_index(values, shuffled) == pytest.approx(0.0, abs=1e-12)
    assert two_sample(values, shuffled) == (0.0, 1.0)


@given(many, many)
def test_the_two_sample_test_gives_a_distance_and_a_probability_and_knows_no_order(
    first: list[float], second: list[float]
) -> None:
    distance, p_value = two_sample(first, second)
    assert 0.0 <= distance <= 1.0
    assert 0.0 <= p_value <= 1.0
    assert two_sample(second, first) == pytest.approx((distance, p_value))


@given(many, many, st.floats(0.1, 10.0), st.floats(-50.0, 50.0))
def test_the_stability_index_does_not_depend_on_the_unit(
    reference: list[float], found: list[float], scale: float, shift: float
) -> None:
    def changed(values: list[float]) -> list[float]:
        return [round(scale * value + shift, 9) for value in values]

    before = population_stability_index(reference, found)
    assert population_stability_index(changed(reference), changed(found)) == pytest.approx(before)


@given(st.integers(30, 60), st.integers(10, 30), scores, scores.filter(bool))
def test_a_constant_that_moves_is_seen(old: int, new: int, value: float, step: float) -> None:
    moved = population_stability_index([value] * old, [value + step] * new)
    assert moved > 1.0, "such a value has a bin of its own"
    assert two_sample([value] * old, [value + step] * new)[1] < 0.01


def test_a_fall_of_ten_points_is_drift_and_chance_is_not() -> None:
    history = [normal(70.0, 40, seed) for seed in range(5)]
    same, note = drift(history, normal(70.0, 40, 99))
    assert same is not None
    assert note == ""
    assert same.p_value > 0.05
    assert same.num_reference == 200
    assert same.num_batches == 5
    fallen, _ = drift(history, normal(60.0, 40, 99))
    assert fallen is not None
    assert fallen.p_value < 0.001
    assert fallen.psi > 0.25 > same.psi
    assert -14.0 < fallen.score_delta < -6.0


def test_a_random_batch_seldom_alarms() -> None:
    history = [normal(70.0, 50, seed) for seed in range(4)]
    found = [drift(history, normal(70.0, 25, 1000 + seed))[0] for seed in range(100)]
    assert sum(each is not None and each.psi > 0.25 and each.p_value < 0.01 for each in found) <= 3


def test_too_little_history_is_said_and_gives_no_figure() -> None:
    assert drift([], [50.0] * MIN_SCORES) == (
        None,
        f"there are 0 earlier scores to compare with, {MIN_REFERENCE} are needed",
    )
    assert drift([[50.0] * 99], [50.0] * 3) == (None, f"the batch has 3 scores, {MIN_SCORES} are needed")
