"""Thresholds with a promise: the bound by its definition, the search, and a simulation that the promise holds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from rlhf.training.statistics.certificate import CERTAINTY, certify, upper_bound


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_the_bound_is_the_rate_at_which_so_few_errors_are_just_too_lucky(counts: tuple[int, int]) -> None:
    errors, number = counts
    bound = upper_bound(errors, number)
    assert binom.cdf(errors, number, bound) == pytest.approx(1 - CERTAINTY, abs=1e-6)
    assert bound > errors / number
    assert upper_bound(number, number) == 1.0


def test_a_count_that_cannot_be_is_refused() -> None:
    for errors, number in ((1, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="no count"):
            upper_bound(errors, number)
    with pytest.raises(ValueError, match="between 0 and 1"):
        certify([1.0], [True], 1.0)
    with pytest.raises(ValueError, match="shorter"):
        certify([1.0, 2.0], [True], 0.8)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=150),
    st.sampled_from((0.6, 0.8, 0.9)),
    st.integers(0, 50),
)
def test_what_is_recommended_was_proved_on_all_labels_at_or_above_it(
    rows: list[tuple[int, bool]], wanted: float, failed: int
) -> None:
    values, agrees = [float(value) for value, _ in rows], [agreed for _, agreed in rows]
    found = certify(values, agrees, wanted, failed)
    if found.threshold is None:
        assert found.note
        return
    above = [agreed for value, agreed in zip(values, agrees, strict=True) if value >= found.threshold]
    assert found.num_labels == len(above)
    assert found.agreement == pytest.approx(sum(above) / len(above), abs=1e-4)
    assert 1 - upper_bound(above.count(False), len(above)) >= wanted
    assert found.kept == pytest.approx(len(above) / (len(rows) + failed), abs=1e-4)
    assert [step.threshold for step in found.steps] == sorted(
        (s.threshold for s in found.steps), reverse=True
    )


def test_judges_that_are_always_right_keep_everything_and_wrong_ones_nothing() -> None:
    values = [n / 200 for n in range(200)]
    right = certify(values, [True] * 200, 0.9)
    assert (right.threshold, right.kept) == (0.0, 1.0)
    wrong = certify(values, [False] * 200, 0.9)
    assert (wrong.threshold, wrong.kept) == (None, 0.0)
    few = certify(values[:10], [True] * 10, 0.9)
    assert few.threshold is None
    assert "10 labels" in few.note


@pytest.mark.parametrize("wanted", [0.7, 0.85])
def test_the_promise_holds_at_its_level(wanted: float) -> None:
    """Over many drawn label sets, the share whose threshold breaks the promise is at most 1 - CERTAINTY.

    The hardest case for the search: agreement falls with the threshold and crosses the wanted one slowly, so
    that there is always a step just on the wrong side.
    """
    chance = random.Random(11)
    trials, broken, found_any = 400, 0, 0
    for _ in range(trials):
        values = [chance.random() for _ in range(250)]
        # Agreement at value v is c + s * v, so above a threshold u it is c + s * (1 + u) / 2 on average.
        slope, base = 0.3, wanted - 0.2
        agrees = [chance.random() < base + slope * value for value in values]
        found = certify(values, agrees, wanted)
        if found.threshold is None:
            continue
        found_any += 1
        broken += base + slope * (1 + found.threshold) / 2 < wanted
    # Three standard errors of chance above the level.
    level = 1 - CERTAINTY
    assert broken / trials <= level + 3 * (level * (1 - level) / trials) ** 0.5
    assert found_any > 0


def test_the_promise_holds_where_every_threshold_is_just_wrong() -> None:
    """Agreement just below what is wanted everywhere: any threshold at all breaks the promise."""
    chance = random.Random(5)
    trials = 600
    broken = sum(
        certify(
            [chance.random() for _ in range(150)], [chance.random() < 0.799 for _ in range(150)], 0.8
        ).threshold
        is not None
        for _ in range(trials)
    )
    level = 1 - CERTAINTY
    assert broken / trials <= level + 3 * (level * (1 - level) / trials) ** 0.5
    assert broken > 0, "the search must not be so careful that the level is never used"
