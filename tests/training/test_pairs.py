"""Selection of pairs: the better is always the chosen, and every prompt that gives none says why."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.training.pairs import REMEDIES, Candidate, Rules, select_pairs, similar

MARGIN = Rules("margin", min_margin=10, pairs_per_prompt=2)
THRESHOLD = Rules("threshold")


def candidate(key: str, score: float | None, *, vetoed: bool = False, text: str | None = None) -> Candidate:
    rating = None if score is None else min(5, int(score // 20) + 1)
    return Candidate(key, text or f"response {key} speaks of {key * 3}", score, rating, vetoed)


def outcome(rules: Rules, *rows: Candidate, short: str = "") -> tuple[list[tuple[str, str]], dict[str, int]]:
    pairs, dropped = select_pairs({"p": rows}, rules, lambda row: row.key not in short)
    return [(pair.chosen.key, pair.rejected.key) for pair in pairs], dropped


def test_best_meets_worst_and_second_meets_second_worst() -> None:
    rows = [candidate(key, score) for key, score in zip("abcde", (50, 90, 10, 70, 30), strict=True)]
    assert outcome(MARGIN, *rows) == ([("b", "c"), ("d", "e")], {})


def test_a_person_wants_four_stars_against_two() -> None:
    rows = [candidate("a", 95), candidate("b", 50), candidate("c", 15)]
    assert outcome(THRESHOLD, *rows) == ([("a", "c")], {})


@pytest.mark.parametrize(
    ("rules", "rows", "reason"),
    [
        (MARGIN, [candidate("a", 90)], "single_response"),
        (MARGIN, [candidate("a", 90), candidate("b", None)], "no_score"),
        (MARGIN, [candidate("a", 50), candidate("b", 50)], "tie"),
        (MARGIN, [candidate("a", 50), candidate("b", 45)], "below_margin"),
        (MARGIN, [candidate("a", 90, vetoed=True), candidate("b", 10, vetoed=True)], "veto"),
        (MARGIN, [candidate("a", 90, text="One Two."), candidate("b", 10, text="one, two")], "duplicate"),
        (THRESHOLD, [candidate("a", 59), candidate("b", 10)], "no_chosen"),
        (THRESHOLD, [candidate("a", 90), candidate("b", 59)], "no_rejected"),
        (THRESHOLD, [candidate("a", 90, vetoed=True), candidate("b", 10)], "veto"),
    ],
)
def test_a_prompt_without_a_pair_says_why(rules: Rules, rows: Sequence[Candidate], reason: str) -> None:
    assert outcome(rules, *rows) == ([], {reason: 1})
    assert reason in REMEDIES


def test_a_response_that_is_too_long_makes_no_pair() -> None:
    rows = [candidate("a", 90), candidate("b", 70), candidate("c", 30), candidate("d", 10)]
    assert outcome(MARGIN, *rows, short="a") == ([("b", "c")], {"too_long": 1})
    assert outcome(MARGIN, *rows, short="abcd") == ([], {"too_long": 2})


def test_a_vetoed_response_can_be_rejected_but_never_chosen() -> None:
    rows = [candidate("a", 95, vetoed=True), candidate("b", 80), candidate("c", 5, vetoed=True)]
    assert outcome(MARGIN, *rows) == ([("b", "c")], {})


def test_texts_are_alike_whatever_their_case_and_punctuation() -> None:
    assert similar("Amazon: $300K!", "amazon 300k $")
    assert similar("", " ... ")
    assert not similar("Amazon gets $300K", "Walmart gets $200K")


scores = st.one_of(st.none(), st.floats(0, 100).map(lambda value: round(value, 1)))
candidates = st.lists(st.tuples(scores, st.booleans(), st.text("abc ", max_size=12)), max_size=9).map(
    lambda rows: [candidate(f"k{i}", s, vetoed=v, text=t + f" {i}") for i, (s, v, t) in enumerate(rows)]
)
rules = st.builds(
    Rules,
    selection=st.sampled_from(["margin", "threshold"]),
    min_margin=st.floats(0, 60),
    pairs_per_prompt=st.integers(1, 4),
)


@given(rows=candidates, rules=rules, shuffled=st.randoms(use_true_random=False))
def test_whatever_comes_the_chosen_is_better_and_nothing_is_used_twice(
    rows: list[Candidate], rules: Rules, shuffled: object
) -> None:
    pairs, dropped = select_pairs({"p": rows}, rules, lambda row: True)
    assert len(pairs) <= rules.pairs_per_prompt
    used = [key for pair in pairs for key in (pair.chosen.key, pair.rejected.key)]
    assert len(set(used)) == len(used)
    for pair in pairs:
        assert pair.margin > 0
        assert not pair.chosen.vetoed
        assert pair.chosen.text != pair.rejected.text
        if rules.selection == "margin":
            assert pair.margin >= rules.min_margin
        else:
            assert (pair.chosen.rating or 0) >= 4
            assert (pair.rejected.rating or 5) <= 2
    assert len(pairs) + sum(dropped.values()) > 0
    mixed = list(rows)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]
    assert select_pairs({"p": mixed}, rules, lambda row: True) == (pairs, dropped)
