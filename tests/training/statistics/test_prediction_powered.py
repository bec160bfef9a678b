"""Prediction-powered estimates: right in simulation, as the paper gives them, and never surer than they may be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf.training.statistics.prediction_powered import (
    MIN_LABELS,
    plain_mean,
    plain_share,
    powered_mean,
    powered_score,
    powered_share,
)

POINTS = st.floats(0, 100)


class World:
    """Responses of a true quality, judges who are biased, and people who keep the judges' word or rate anew."""

    def __init__(self, seed: int, quality: float, noise: float, bias: float) -> None:
        random = np.random.default_rng(seed)
        true = np.clip(random.normal(quality, 15, 10 * MIN_LABELS), 0, 100)
        self.judged = np.clip(0.8 * true + bias + random.normal(0, noise, true.size), 0, 100)
        stars = 1 + np.minimum(np.clip(true + random.normal(0, 4, true.size), 0, 100) // 20, 4)
        agree = stars == 1 + np.minimum(self.judged // 20, 4)
        self.people = np.where(agree, self.judged, 20 * stars - 10)
        self.audit = np.zeros(true.size, bool)
        self.audit[random.permutation(true.size)[:MIN_LABELS]] = True

    def scores(self) -> tuple[list[float], list[float], list[float]]:
        return (
            self.people[self.audit].tolist(),
            self.judged[self.audit].tolist(),
            self.judged[~self.audit].tolist(),
        )

    def accepted(self) -> tuple[list[bool], list[bool], list[bool]]:
        labels, judged, rest = ([value >= 70 for value in part] for part in self.scores())
        return labels, judged, rest


WORLDS = [(60, 8, 20), (60, 20, 20), (82, 8, 15), (40, 8, 30), (45, 0, 9)]
"""(quality, judges' noise, judges' bias): from decent judges to useless ones, and to ones who are never wrong."""


@pytest.mark.parametrize(("quality", "noise", "bias"), WORLDS)
def test_nineteen_in_twenty_intervals_hold_the_truth_with_the_fewest_labels(
    quality: float, noise: float, bias: float
) -> None:
    held = shares_held = 0
    for seed in range(400):
        world = World(seed, quality, noise, bias)
        score, share = powered_score(*world.scores()), powered_share(*world.accepted())
        held += score.low <= world.people.mean() <= score.high
        shares_held += share.low <= (world.people >= 70).mean() <= share.high
    # 400 draws at 95 % stay above 0.92 in all but one case of a hundred.
    assert held / 400 >= 0.92
    assert shares_held / 400 >= 0.92


def test_judges_alone_are_sure_and_wrong_where_people_correct_them() -> None:
    naive = corrected = 0
    for seed in range(100):
        world = World(seed, 60, 8, 30)
        alone = plain_mean(world.judged.tolist())
        naive += alone.low <= world.people.mean() <= alone.high
        found = powered_score(*world.scores())
        corrected += found.low <= world.people.mean() <= found.high
    assert naive <= 5
    assert corrected >= 90


def test_judges_who_know_narrow_the_interval_and_useless_ones_do_not_widen_it_much() -> None:
    known = World(1, 60, 0, 9)
    labels, judged, rest = known.scores()
    alone = plain_mean(labels)
    helped = powered_mean(labels, judged, rest)
    assert helped.high - helped.low < 0.75 * (alone.high - alone.low)
    random = np.random.default_rng(2)
    noise = powered_mean(labels, random.random(len(labels)).tolist(), random.random(len(rest)).tolist())
    assert noise.high - noise.low < 1.1 * (alone.high - alone.low)


def test_the_estimate_is_that_of_the_paper() -> None:
    labels, judged, rest = World(3, 60, 8, 20).scores()
    told, said, others = np.array(labels), np.array(judged), np.array(rest)
    covariance = np.mean((told - told.mean()) * (said - said.mean()))
    weight = covariance / ((1 + len(labels) / len(rest)) * np.var(np.r_[said, others], ddof=1))
    assert 0 < weight < 1
    expected = weight * others.mean() + (told - weight * said).mean()
    assert powered_mean(labels, judged, rest).mean == pytest.approx(expected)


def test_the_weight_is_near_where_the_interval_is_narrowest() -> None:
    labels, judged, rest = World(5, 60, 8, 20).scores()
    told, said, others = np.array(labels), np.array(judged), np.array(rest)

    def spread(weight: float) -> float:
        corrections = told - weight * said
        return float(weight**2 * others.var(ddof=1) / others.size + corrections.var(ddof=1) / told.size)

    found = powered_mean(labels, judged, rest)
    half = (found.high - found.low) / 2
    narrowest = min(spread(weight) for weight in np.linspace(0, 1, 101))
    quantile = 2.093  # Student's t at 97.5 %, 19 degrees of freedom
    # The weight is fitted to the judges' spread over all items, not to these labels' alone.
    assert 0.999 <= half / (quantile * narrowest**0.5) <= 1.1
    assert half < quantile * spread(0.0) ** 0.5


def test_over_many_samples_the_estimate_is_right_on_average_and_its_error_as_wide_as_it_says() -> None:
    misses, widths = [], []
    for seed in range(400):
        world = World(seed, 60, 8, 20)
        found = powered_mean(*world.scores())
        misses.append(found.mean - world.people.mean())
        widths.append((found.high - found.low) / 2 / 2.093)
    assert abs(np.mean(misses)) < 3 * np.std(misses) / len(misses) ** 0.5
    # A tenth of the items is labelled: the error against this very set is a little below that against all sets.
    assert 0.8 < np.std(misses) / np.mean(widths) < 1.05


def test_judges_who_say_the_same_of_everything_leave_peoples_mean() -> None:
    labels = [10.0, 50.0, 90.0, 70.0]
    found = powered_mean(labels, [60.0] * 4, [60.0] * 50)
    assert found.mean == pytest.approx(55.0)
    assert found.low < 55.0 < found.high


def test_where_everything_is_labelled_the_mean_is_peoples() -> None:
    labels = [10.0, 50.0, 90.0, 70.0]
    assert powered_mean(labels, [0.0] * 4, []) == plain_mean(labels)
    assert powered_share([True, False], [True, True], []).mean == 0.5


def test_labels_that_all_agree_do_not_prove_that_judges_never_err() -> None:
    found = powered_share([True] * MIN_LABELS, [True] * MIN_LABELS, [True] * 500)
    assert found.mean == 1.0
    assert found.low < 0.9
    same = powered_score([50.0] * MIN_LABELS, [50.0] * MIN_LABELS, [50.0] * 500)
    assert same.mean == 50.0
    assert same.high - same.low > 1.0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60),
    st.lists(st.booleans(), max_size=60),
)
def test_a_share_stays_a_share(pairs: list[tuple[bool, bool]], rest: list[bool]) -> None:
    found = powered_share([label for label, _ in pairs], [judged for _, judged in pairs], rest)
    assert 0.0 <= found.low <= found.mean <= found.high <= 1.0
    assert found.low < found.high


@settings(deadline=None)
@given(
    st.lists(st.tuples(POINTS, POINTS), min_size=2, max_size=60),
    st.lists(POINTS, max_size=60),
)
def test_a_mean_is_finite_and_inside_its_interval(
    pairs: list[tuple[float, float]], rest: list[float]
) -> None:
    found = powered_mean([label for label, _ in pairs], [judged for _, judged in pairs], rest)
    assert np.isfinite([found.mean, found.low, found.high]).all()
    assert found.low <= found.mean <= found.high
    score = powered_score([label for label, _ in pairs], [judged for _, judged in pairs], rest)
    assert score.mean == min(100.0, max(0.0, found.mean))
    assert 0.0 <= score.low <= score.mean <= score.high <= 100.0


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="two labels"):
        powered_mean([50.0], [50.0], [50.0])
    with pytest.raises(ValueError, match="two labels"):
        powered_mean([50.0, 60.0], [50.0], [50.0])
    with pytest.raises(ValueError, match="two values"):
        plain_mean([50.0])


def test_the_plain_share_is_wilsons() -> None:
    found = plain_share([True] * 8 + [False] * 2)
    assert found.mean == 0.8
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
