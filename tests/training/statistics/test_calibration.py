"""Isotonic maps: monotone, right about a known distortion, kept only where held-out labels say so."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from rlhf.training.statistics.calibration import MIN_LABELS, OVERALL, Case, Side, calibrate
from rlhf.training.statistics.score_maps import (
    KEPT_ORDER,
    fit_pairs,
    fit_scores,
    win_probability,
    win_slope,
)

WEIGHTS = {"accuracy": 0.6, "clarity": 0.4}
SCORES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 100)), min_size=2, max_size=40).filter(
    lambda rows: len({x for x, _ in rows}) > 1
)


def clipped(score: float) -> float:
    return min(100.0, max(0.0, score))


def scored(distort: Callable[[float], float], number: int = 120, noise: float = 6.0) -> list[Case]:
    """People say `q`; judges say a distorted `q` with noise."""
    chance = random.Random(2)
    cases = []
    for n in range(number):
        quality = chance.uniform(0, 100)
        told = {name: distort(clipped(quality + chance.gauss(0, noise))) for name in WEIGHTS}
        cases.append(Case(f"p{n // 2}", (Side(told),), clipped(quality + chance.gauss(0, 4))))
    return cases


def paired(distort: Callable[[float], float], number: int = 400) -> list[Case]:
    chance = random.Random(3)
    cases = []
    for n in range(number):
        qualities = [chance.uniform(0, 100) for _ in range(2)]
        sides = tuple(
            Side({name: distort(clipped(q + chance.gauss(0, 3))) for name in WEIGHTS}) for q in qualities
        )
        won = chance.random() < win_probability(qualities[0] - qualities[1], 0.1)
        cases.append(Case(f"p{n // 2}", sides, float(won)))
    return cases


@given(SCORES)
def test_a_map_is_isotonic_regression_that_keeps_a_little_of_the_order(rows: list[tuple[int, int]]) -> None:
    values, targets = [x / 10 for x, _ in rows], [float(y) for _, y in rows]
    ours = fit_scores(values, targets)
    theirs = IsotonicRegression(y_min=0, y_max=100, out_of_bounds="clip").fit(values, targets)
    for value in values:
        expected = (1 - KEPT_ORDER) * theirs.predict([value])[0] + KEPT_ORDER * value
        assert ours(value) == pytest.approx(expected, abs=1e-2)
    mapped = [ours(step / 2) for step in range(201)]
    assert all(0 <= left < right <= 100 for left, right in pairwise(mapped))


def test_pairs_keep_the_mean_and_spread_of_the_scores() -> None:
    cases = paired(lambda score: score)
    scores = [(case.sides[0].scores["clarity"], case.sides[1].scores["clarity"]) for case in cases]
    found = fit_pairs(scores, [case.target for case in cases])
    assert found is not None
    flat = [score for pair in scores for score in pair]
    mapped = [found(score) for score in flat]
    assert sum(mapped) / len(mapped) == pytest.approx(sum(flat) / len(flat), abs=2)
    assert fit_pairs([(50.0, 50.0)] * 10, [1.0, 0.0] * 5) is None
    assert fit_pairs([(10.0, 90.0), (90.0, 10.0)], [0.5, 0.5]) is None, "scores that tell nothing"


def test_the_slope_of_the_win_probability_is_found() -> None:
    chance = random.Random(4)
    differences = [chance.uniform(-60, 60) for _ in range(4000)]
    outcomes = [float(chance.random() < win_probability(d, 0.08)) for d in differences]
    assert win_slope(differences, outcomes) == pytest.approx(0.08, rel=0.15)
    assert win_slope([0.0, 0.0], [1.0, 0.0]) == 0.0


def test_a_distorted_judge_is_put_right() -> None:
    fit = calibrate(scored(lambda score: 100 * (score / 100) ** 3), WEIGHTS, seed=7)
    assert set(fit.dimensions) == set(WEIGHTS)
    assert fit.overall is not None
    for name in (*WEIGHTS, OVERALL):
        found = fit.figures[name]
        assert found.stored
        assert found.raw is not None
        assert found.calibrated is not None
        assert found.raw > 20
        assert found.calibrated < 10
    assert fit.dimensions["clarity"](100 * 0.5**3) == pytest.approx(50, abs=8)


def test_a_judge_that_is_right_already_gets_no_map() -> None:
    fit = calibrate(scored(lambda score: score), WEIGHTS, seed=7)
    assert (fit.dimensions, fit.overall) == ({}, None)
    assert "raw" in fit.figures[OVERALL].note
    cases = scored(lambda score: score)
    raw = [0.6 * c.sides[0].scores["accuracy"] + 0.4 * c.sides[0].scores["clarity"] for c in cases]
    assert [score for (score,) in fit.held_out] == pytest.approx(raw, abs=1e-3)


def test_a_judge_that_knows_nothing_gets_no_map_however_wrong_it_is() -> None:
    chance = random.Random(9)
    fit = calibrate(scored(lambda _: chance.uniform(0, 30)), WEIGHTS, seed=7)
    assert (fit.dimensions, fit.overall) == ({}, None)
    assert "same score for all" in fit.figures[OVERALL].note


def test_pairs_put_a_bent_scale_right_without_losing_the_order() -> None:
    fit = calibrate(paired(lambda score: 100 * (score / 100) ** 8), WEIGHTS, seed=7)
    found = fit.figures[OVERALL]
    assert found.stored
    assert found.raw is not None
    assert found.calibrated is not None
    assert found.calibrated < found.raw < 0.25
    assert found.raw_accuracy is not None
    assert found.calibrated_accuracy == pytest.approx(found.raw_accuracy, abs=0.03)
    assert calibrate(paired(lambda score: score), WEIGHTS, seed=7).overall is None


def test_labels_about_a_dimension_are_for_it_alone() -> None:
    cases = [
        Case(case.group, case.sides, case.target, about="clarity")
        for case in scored(lambda score: 100 * (score / 100) ** 3)
    ]
    fit = calibrate(cases, WEIGHTS, seed=7)
    assert set(fit.dimensions) == {"clarity"}
    assert fit.overall is None
    assert fit.figures["accuracy"].num_labels == 0


def test_a_cap_holds_through_the_maps() -> None:
    cases = scored(lambda score: score / 3)
    capped = Case(
        "capped", (Side({"accuracy": 20.0, "clarity": 20.0}, {"accuracy": 20.0, "clarity": 20.0}),), 60.0
    )
    with_caps = calibrate([*cases, capped], WEIGHTS, seed=7)
    assert set(with_caps.dimensions) == set(WEIGHTS)
    assert with_caps.dimensions["clarity"](20.0) > 50


def test_too_few_labels_or_prompts_say_so() -> None:
    few = calibrate(scored(lambda score: score / 2, number=MIN_LABELS - 1), WEIGHTS, seed=7)
    assert few.figures[OVERALL].raw is None
    assert "are needed" in few.figures[OVERALL].note
    one_prompt = [Case("p", case.sides, case.target) for case in scored(lambda score: score / 2)]
    assert "1 prompts" in calibrate(one_prompt, WEIGHTS, seed=7).figures[OVERALL].note


def test_a_dimension_that_failed_is_left_out_and_not_counted_as_nothing() -> None:
    cases = scored(lambda score: score / 2)
    holes = [
        Case(case.group, (Side({"accuracy": case.sides[0].scores["accuracy"]}),), case.target)
        for case in cases
    ]
    fit = calibrate(holes, WEIGHTS, seed=7)
    assert fit.figures["clarity"].num_labels == 0
    assert fit.figures[OVERALL].num_labels == len(cases)
