"""Records as earlier versions wrote them still say what they said."""

from typing import Any

import pytest

from rlhf.state.records import DimensionFeedback, Feedback, Review

OLD: dict[str, Any] = {
    "prompt": "Split $100.",
    "response": "All of it to CVS.",
    "overall_score": 72.0,
    "rating": 4,
    "coverage": 0.75,
    "needs_review": True,
    "review_reasons": ["not judged: clarity", "random audit sample"],
    "dimensions": {
        "accuracy": {"status": "scored", "score": 72.0, "confidence": 0.8, "rationale": "The sum is right."},
        "clarity": {"status": "failed", "rationale": "no answer within 120 s"},
    },
}
"""Feedback before there were `in_audit` and a dimension's `error`."""


def test_an_old_feedback_is_in_the_audit_if_its_reasons_say_so() -> None:
    assert Feedback.model_validate(OLD).in_audit
    assert Feedback(**OLD).in_audit
    assert not Feedback.model_validate(OLD | {"review_reasons": ["not judged: clarity"]}).in_audit


def test_the_field_decides_where_there_is_one_whatever_the_reasons_say() -> None:
    assert not Feedback.model_validate(OLD | {"in_audit": False}).in_audit
    assert Feedback.model_validate(OLD | {"in_audit": True, "review_reasons": []}).in_audit


def test_an_old_failure_has_its_reason_where_it_belongs_and_an_old_rationale_stays_one() -> None:
    feedback = Feedback.model_validate(OLD)
    failed, scored = feedback.dimensions["clarity"], feedback.dimensions["accuracy"]
    assert (failed.error, failed.rationale) == ("no answer within 120 s", "")
    assert (scored.error, scored.rationale) == (None, "The sum is right.")


def test_what_is_read_from_an_old_row_is_written_as_a_new_one_and_read_as_the_same() -> None:
    feedback = Feedback.model_validate(OLD)
    assert Feedback.model_validate(feedback.model_dump(mode="json")) == feedback
    assert Feedback.model_validate_json(feedback.model_dump_json()) == feedback


def test_a_failure_that_says_nothing_says_nothing() -> None:
    assert DimensionFeedback.model_validate({"status": "failed"}).error is None


@pytest.mark.parametrize(
    ("decision", "rating", "own", "worth"),
    [("approve", None, None, None), ("reject", None, 1, 10.0), ("edit", 4, 4, 70.0), ("edit", None, 1, 10.0)],
)
def test_what_a_persons_answer_is_worth(
    decision: Any, rating: int | None, own: int | None, worth: float | None
) -> None:
    review = Review(response_key="a", decision=decision, rating=rating)
    assert (review.own_rating, review.own_score) == (own, worth)
