"""Acceptance: where ratings begin, what makes a response chosen, and whom a person has to look at."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.accept import accepted, in_audit, review_reasons
from rlhf.state.records import DimensionFeedback, Feedback
from rlhf.state.settings import Settings
from tests.nodes.builders import feedback, response_id, settings

UNAUDITED = settings(review={"audit_fraction": 0.0})


def judged(score: float | None, chosen: Settings = UNAUDITED, **changes: Any) -> Feedback:
    return accepted(feedback(score, **changes), chosen, response_id(1))


def test_acceptance_begins_at_the_threshold() -> None:
    assert not judged(69.9999).is_acceptable
    assert judged(70.0).is_acceptable


def test_chosen_needs_acceptance_and_rejected_a_low_rating() -> None:
    assert [(judged(s).is_chosen, judged(s).is_rejected) for s in (90, 65, 50, 30)] == [
        (True, False),
        (False, False),  # four stars, but below 70
        (False, False),
        (False, True),
    ]


def test_the_recipes_thresholds_are_used() -> None:
    rules = {"min_score_acceptable": 40.0, "min_rating_chosen": 5, "max_rating_rejected": 3}
    result = judged(50.0, settings(acceptance=rules, review={"mode": "off"}))
    assert (result.is_acceptable, result.is_chosen, result.is_rejected) == (True, False, True)


def test_a_vetoed_response_is_never_chosen_however_well_it_scores() -> None:
    result = judged(95.0, vetoed=True)
    assert (result.rating, result.is_acceptable, result.is_chosen) == (5, False, False)


def test_without_a_score_there_is_no_rating_and_a_person_must_look() -> None:
    result = judged(None)
    assert (result.rating, result.is_acceptable, result.is_chosen, result.is_rejected) == (
        None,
        False,
        False,
        False,
    )
    assert result.needs_review
    assert result.review_reasons == ["no dimension was scored"]


def test_with_review_off_nobody_is_asked_about_a_response_without_a_score() -> None:
    result = judged(None, settings(review={"mode": "off"}))
    assert not result.needs_review
    assert result.review_reasons == ["no dimension was scored"], "the reason is still told"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"overall_score": 74.9}, "score 75 is near the threshold 70"),
        ({"overall_score": 65.1}, "score 65 is near the threshold 70"),
        ({"confidence": 0.4}, "confidence 0.40 is low"),
        (
            {"dimensions": {"clarity": DimensionFeedback(status="failed")}},
            "not judged: clarity",
        ),
    ],
)
def test_what_the_judges_are_unsure_of_is_reviewed(changes: Mapping[str, Any], reason: str) -> None:
    assert review_reasons(feedback(90.0, **changes), UNAUDITED, response_id(1)) == [reason]


def test_a_clear_case_is_not_reviewed() -> None:
    for score in (90.0, 75.0, 65.0, 10.0):
        assert not judged(score).needs_review


def test_review_of_all_and_of_none() -> None:
    everything = judged(90.0, settings(review={"mode": "all"}))
    assert (everything.needs_review, everything.review_reasons) == (True, ["every response is reviewed"])
    nothing = judged(70.0, settings(review={"mode": "off", "audit_fraction": 1.0}), confidence=0.0)
    assert (nothing.needs_review, nothing.review_reasons) == (False, [])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_audit_sample_comes_close_to_its_share(share: float) -> None:
    chosen = settings(review={"audit_fraction": share})
    drawn = sum(in_audit(chosen, response_id(n)) for n in range(2000))
    # Four standard deviations of a fair draw; the draw is fixed by the keys, so this never flickers.
    assert abs(drawn / 2000 - share) <= 4 * (share * (1 - share) / 2000) ** 0.5


@given(st.integers(0, 10_000), st.floats(0, 100), st.floats(0, 1))
def test_the_audit_is_decided_before_any_score(number: int, score: float, confidence: float) -> None:
    chosen = settings(review={"audit_fraction": 0.3})
    key = response_id(number)
    before, after = (
        accepted(entry, chosen, key) for entry in (feedback(50.0), feedback(score, confidence=confidence))
    )
    assert before.in_audit is after.in_audit is in_audit(chosen, key)
    for entry in (before, after):
        assert ("random audit sample" in entry.review_reasons) is entry.in_audit, "people are told"


def test_a_larger_audit_holds_the_smaller_one_and_another_seed_draws_another() -> None:
    def drawn(share: float, seed: int = 7) -> set[int]:
        chosen = settings(review={"audit_fraction": share}, pipeline={"seed": seed})
        return {n for n in range(500) if in_audit(chosen, response_id(n))}

    assert drawn(0.1) < drawn(0.3)
    assert drawn(0.3) != drawn(0.3, seed=8)


def test_the_audit_does_not_follow_the_order_of_the_responses() -> None:
    chosen = settings(review={"audit_fraction": 0.5})
    drawn = [in_audit(chosen, response_id(n)) for n in range(2000)]
    same = sum(one is other for one, other in itertools.pairwise(drawn))
    assert abs(same / 1999 - 0.5) < 0.05
