"""Intervals of a mean: what they cover with few values, and how many more values would tell."""

from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from benchmarks.gate import KINDS, METHODS, measure
from rlhf.training.statistics.intervals import Interval, mean_interval, values_needed

changes = st.lists(st.floats(-100, 100).map(lambda value: round(value, 2)), min_size=1, max_size=30)


@given(values=changes)
def test_any_interval_holds_its_mean_and_turns_around_with_its_values(values: list[float]) -> None:
    found = mean_interval(values)
    assert found.delta == pytest.approx(fmean(values))
    assert -100.0 <= found.low <= found.delta + 1e-9
    assert found.delta - 1e-9 <= found.high <= 100.0
    turned = mean_interval([-value for value in values])
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-6)


@given(values=changes.filter(lambda values: max(values) - min(values) > 0.01))
def test_it_is_never_narrower_than_students(values: list[float]) -> None:
    found, student = mean_interval(values), ttest_1samp(values, 0.0).confidence_interval()
    assert found.low <= max(student.low, -100.0) + 1e-6
    assert found.high >= min(student.high, 100.0) - 1e-6


def test_values_that_are_alike_leave_no_doubt_and_a_single_one_leaves_all() -> None:
    assert mean_interval([4.0] * 12) == Interval(4.0, 4.0, 4.0)
    assert mean_interval([30.0]) == Interval(30.0, -100.0, 100.0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_covers_what_it_says_from_as_few_prompts_as_may_ship(kind: str) -> None:
    covered, above, _ = measure(KINDS[kind], METHODS["gate"], prompts=12, sets=600)
    assert 0.90 <= covered <= 0.985
    assert above <= 0.085


def test_the_bootstrap_it_replaces_covered_too_little() -> None:
    figures = [measure(draw, METHODS["bca"], prompts=12, sets=200)[0] for draw in KINDS.values()]
    assert fmean(figures) < 0.92


@pytest.mark.parametrize("gain", [3.0, 5.0, 10.0])
def test_as_many_values_as_it_takes_show_the_gain_four_times_in_five(gain: float) -> None:
    rng = np.random.default_rng(5)
    needed = values_needed(rng.normal(gain, 10.0, 4_000).tolist(), gain)
    assert needed is not None
    sets = rng.normal(gain, 10.0, (2_000, needed))
    shown = np.mean(np.less(ttest_1samp(sets, 0.0, axis=1).pvalue, 0.05))
    assert shown == pytest.approx(0.8, abs=0.04)


def test_without_a_spread_nobody_knows_how_many_it_takes() -> None:
    assert values_needed([5.0], 2.0) is None
    assert values_needed([5.0] * 9, 2.0) is None
