"""Agreement: kappa by its definition, its limits, and no figure where there is too little to tell."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.training.statistics.agreement import (
    MIN_OVERLAP,
    Agreement,
    agreement,
    cohen_kappa,
    weighted_kappa,
)

Pairs = list[tuple[int, int]]
RATINGS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=40)


def parted(pairs: Pairs) -> tuple[list[int], list[int]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


def by_definition(pairs: Pairs, *, quadratic: bool) -> float | None:
    """Kappa from the table of confusions, with a weight for every cell."""
    number = len(pairs)
    observed = expected = 0.0
    for i, j in product(range(1, 6), repeat=2):
        weight = (i - j) ** 2 if quadratic else int(i != j)
        observed += weight * pairs.count((i, j))
        left, right = parted(pairs)
        expected += weight * left.count(i) * right.count(j) / max(1, number)
    return None if expected == 0 else 1 - observed / expected


@given(RATINGS)
def test_kappa_is_what_its_definition_says(pairs: Pairs) -> None:
    first, second = parted(pairs)
    assert cohen_kappa(first, second) == pytest.approx(by_definition(pairs, quadratic=False))
    assert weighted_kappa(first, second) == pytest.approx(by_definition(pairs, quadratic=True))


@given(RATINGS)
def test_kappa_does_not_depend_on_order_or_side_and_stays_in_its_range(pairs: Pairs) -> None:
    first, second = parted(pairs)
    turned = parted(pairs[::-1])
    for kappa in (cohen_kappa, weighted_kappa):
        value = kappa(first, second)
        assert value == pytest.approx(kappa(second, first))
        assert value == pytest.approx(kappa(*turned))
        if value is not None:
            assert -1.0 - 1e-12 <= value <= 1.0


@given(st.lists(st.integers(1, 5), min_size=1))
def test_raters_who_always_agree_have_kappa_one_unless_they_never_vary(ratings: list[int]) -> None:
    expected = 1.0 if len(set(ratings)) > 1 else None
    assert cohen_kappa(ratings, ratings) == expected
    assert weighted_kappa(ratings, ratings) == expected


def test_known_examples() -> None:
    first = ["negative", "positive", "negative", "neutral", "positive"]
    second = ["negative", "positive", "negative", "neutral", "negative"]
    assert cohen_kappa(first, second) == pytest.approx(0.6875)
    assert cohen_kappa(["a", "b"], ["b", "a"]) == -1.0
    assert weighted_kappa([1, 5], [5, 1]) == -1.0
    assert cohen_kappa([1, 1], [2, 2]) == 0.0
    assert weighted_kappa([1, 2, 3, 4, 5], [2, 3, 4, 5, 5]) == pytest.approx(1 - 4 / 20)


def test_a_near_miss_costs_less_than_a_far_one_only_with_weights() -> None:
    truth = [1, 2, 3, 4, 5] * 3
    near = [2, *truth[1:]]
    far = [5, *truth[1:]]
    close, wide = weighted_kappa(truth, near), weighted_kappa(truth, far)
    assert close is not None
    assert wide is not None
    assert close > wide


@pytest.mark.parametrize("kappa", [cohen_kappa, weighted_kappa])
def test_raters_of_different_things_are_refused(kappa: object) -> None:
    assert callable(kappa)
    with pytest.raises(ValueError, match="shorter"):
        kappa([1, 2], [1])


def test_the_figures_of_judges_that_are_one_star_too_kind() -> None:
    people = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    found = agreement([rating + 1 for rating in people], people)
    assert (found.num_rated, found.exact, found.within_one) == (10, 0.0, 1.0)
    assert (found.mean_difference, found.bias) == (1.0, 1.0)
    assert found.weighted_kappa is not None
    assert 0 < found.weighted_kappa < 1
    assert found.note == ""


@given(RATINGS.filter(lambda pairs: len(pairs) < MIN_OVERLAP))
def test_too_little_overlap_gives_no_figure_but_says_so(pairs: Pairs) -> None:
    found = agreement(*parted(pairs))
    assert found == Agreement(num_rated=len(pairs), note=found.note)
    assert f"{len(pairs)} responses" in found.note


@given(RATINGS.filter(lambda pairs: len(pairs) >= MIN_OVERLAP))
def test_figures_fit_together(pairs: Pairs) -> None:
    found = agreement(*parted(pairs))
    assert found.exact is not None
    assert found.within_one is not None
    assert found.mean_difference is not None
    assert found.bias is not None
    assert found.exact <= found.within_one
    assert abs(found.bias) <= found.mean_difference
    assert (found.weighted_kappa is None) == bool(found.note)


def test_ratings_that_never_vary_have_no_kappa() -> None:
    found = agreement([3] * 12, [3] * 12)
    assert (found.exact, found.weighted_kappa) == (1.0, None)
    assert "kappa" in found.note
