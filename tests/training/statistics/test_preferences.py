"""Choices against people's: figures by their definitions, baselines, both orders, the human ceiling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.state.records import Choice
from rlhf.training.statistics.preferences import (
    both_orders,
    choice,
    human_ceiling,
    length_matched,
    longer,
    order_figures,
    other,
    pair_figures,
    random_figures,
    wilson,
)

CHOICES = st.sampled_from(("a", "b", "tie"))
ROWS = st.lists(st.tuples(st.none() | CHOICES, CHOICES), max_size=40)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 20))
def test_a_preference_is_the_higher_score_unless_it_is_close(a: float, b: float, within: float) -> None:
    said = choice(a, b, within)
    assert (said == "tie") == (abs(a - b) <= within + 1e-9)
    assert said == other(choice(b, a, within))
    if said != "tie":
        assert (said == "a") == (a > b)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_holds_the_share_and_narrows_with_rows(counts: tuple[int, int]) -> None:
    hits, number = counts
    share, more = wilson(hits, number), wilson(hits * 10, number * 10)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert more.high - more.low < share.high - share.low


def test_wilsons_interval_as_published() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    assert (wilson(81, 263).low, wilson(81, 263).high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert (wilson(0, 20).low, wilson(0, 20).high) == pytest.approx((0.0, 0.1611), abs=1e-4)
    with pytest.raises(ValueError, match="no share"):
        wilson(0, 0)


@given(ROWS)
def test_figures_are_what_their_definitions_say(rows: list[tuple[Choice | None, Choice]]) -> None:
    judge, people = [said for said, _ in rows], [label for _, label in rows]
    found = pair_figures(judge, people)
    judged = [(said, label) for said, label in rows if said is not None]
    decided = [(said, label) for said, label in judged if label != "tie"]
    assert (found.num_labels, found.num_judged) == (len(rows), len(judged))
    assert (found.accuracy is None) == (not decided)
    if found.accuracy:
        right = sum(said == label for said, label in decided) + sum(said == "tie" for said, _ in decided) / 2
        assert found.accuracy.value == pytest.approx(right / len(decided), abs=1e-4)
    if judged:
        assert found.accuracy_with_ties is not None
        same = sum(said == label for said, label in judged)
        assert found.accuracy_with_ties.value == pytest.approx(same / len(judged), abs=1e-4)
        assert found.coverage == pytest.approx(len(judged) / len(rows))


def test_a_failed_verdict_is_missing_and_never_wrong() -> None:
    found = pair_figures(["a", None, None, "b"], ["a", "a", "b", "b"])
    assert found.accuracy is not None
    assert (found.accuracy.value, found.accuracy.number, found.coverage) == (1.0, 2, 0.5)
    nothing = pair_figures([None, None], ["a", "b"])
    assert (nothing.num_judged, nothing.accuracy, nothing.kappa) == (0, None, None)


@given(ROWS)
def test_names_of_the_responses_do_not_matter(rows: list[tuple[Choice | None, Choice]]) -> None:
    turned = [(other(said) if said else None, other(label)) for said, label in rows]
    first = pair_figures([said for said, _ in rows], [label for _, label in rows])
    second = pair_figures([said for said, _ in turned], [label for _, label in turned])
    assert first == second


def test_a_coin_is_right_half_of_the_time_and_never_ties() -> None:
    found = random_figures(["a", "b", "tie", "tie"])
    assert found.accuracy is not None
    assert found.accuracy_with_ties is not None
    assert (found.accuracy.value, found.accuracy_with_ties.value, found.kappa) == (0.5, 0.25, 0.0)


def test_length_is_counted_in_characters() -> None:
    assert [longer("aa", "b"), longer("b", "aa"), longer("é", "b")] == ["a", "b", "tie"]
    assert length_matched("a" * 100, "b" * 125)
    assert not length_matched("a" * 100, "b" * 126)
    assert length_matched("", "")
    assert not length_matched("", "b")


@given(st.lists(st.tuples(st.none() | CHOICES, st.none() | CHOICES, CHOICES), min_size=1, max_size=30))
def test_contradicting_orders_make_a_tie(rows: list[tuple[Choice | None, Choice | None, Choice]]) -> None:
    given_, swapped, people = ([row[n] for row in rows] for n in range(3))
    joined, alike = both_orders(given_, swapped)
    for (one, two, _), both in zip(rows, joined, strict=True):
        if one and two:
            assert both == (one if one == two else "tie")
        else:
            assert both == (one or two)
    found = order_figures(given_, swapped, people)  # type: ignore[arg-type]
    assert (found is None) == (not alike)


def test_a_judge_that_takes_the_first_is_caught_by_the_other_order() -> None:
    found = order_figures(["a", "a", "a", "a"], ["b", "b", "b", "b"], ["a", "b", "a", "b"])
    assert found is not None
    assert (found.consistent, found.first_share) == (0.0, 1.0)
    even = order_figures(["a", "b"], ["a", "b"], ["a", "b"])
    assert even is not None
    assert (even.consistent, even.first_share) == (1.0, 0.5)


def test_one_person_is_held_against_the_majority_of_the_others() -> None:
    # Each of the two against a split (b, a) or a majority: the third person's others agree on a.
    found = human_ceiling([["a", "a", "b"]])
    assert found is not None
    # The two a-voters face a split (a, b); the b-voter faces a, a and is wrong.
    assert (found.accuracy, found.num_votes, found.accuracy_with_splits) == (0.0, 1, 0.3333)
    unanimous = human_ceiling([["a"] * 5, ["b"] * 5])
    assert unanimous is not None
    assert (unanimous.accuracy, unanimous.num_votes) == (1.0, 10)
    assert human_ceiling([[], ["a"], ["tie", "tie"]]) is None
