"""Review answers: by order or by id, partial or as Agent Inbox sends them, never about another response."""

from typing import Any

import pytest

from rlhf.nodes.answers import read_review
from rlhf.nodes.approvals import Decision
from rlhf.nodes.prepare import register_run
from rlhf.nodes.review import pending_reviews, request_of, reviews_of
from rlhf.state.ledger import Ledger
from tests.nodes.builders import LedgerRun, feedback, prompt_rows, settings

PAGE = ["aaa", "bbb", "ccc"]


def answer(*decisions: dict[str, Any]) -> list[Decision | None]:
    return read_review({"decisions": list(decisions)})


def read(*decisions: dict[str, Any]) -> tuple[list[tuple[str, str, int | None]], list[int]]:
    reviews, unknown = reviews_of(answer(*decisions), PAGE, PAGE)
    return [(row.response_key, row.decision, row.rating) for row in reviews], unknown


def test_decisions_without_ids_stand_in_the_order_of_the_page() -> None:
    assert read({"type": "approve"}, {"type": "reject"}) == (
        [("aaa", "approve", None), ("bbb", "reject", None)],
        [],
    )


def test_a_decision_may_name_its_response() -> None:
    assert read({"type": "reject", "response_id": "ccc"}) == ([("ccc", "reject", None)], [])


def test_a_later_page_may_be_answered_by_id() -> None:
    reviews, unknown = reviews_of(answer({"type": "approve", "response_id": "zzz"}), PAGE, [*PAGE, "zzz"])
    assert [row.response_key for row in reviews] == ["zzz"]
    assert unknown == []


def test_an_edit_carries_a_persons_rating() -> None:
    assert read({"type": "edit", "rating": 5, "response_id": "bbb"}) == ([("bbb", "edit", 5)], [])


def test_an_edit_as_agent_inbox_sends_it_is_understood() -> None:
    edited = {"name": "review_response", "args": {"response_id": "bbb", "rating": 2}}
    assert read({"type": "edit", "edited_action": edited}) == ([("bbb", "edit", 2)], [])


def test_a_rating_counts_only_in_an_edit() -> None:
    assert read({"type": "approve", "rating": 1}) == ([("aaa", "approve", None)], [])


def test_answers_about_other_responses_are_told_apart_and_left_out() -> None:
    assert read({"type": "approve", "response_id": "nobody"}, {"type": "reject"}) == (
        [("bbb", "reject", None)],
        [1],
    )


def test_more_answers_than_questions_are_left_out() -> None:
    reviews, unknown = read(*({"type": "approve"} for _ in range(5)))
    assert len(reviews) == 3
    assert unknown == [4, 5]


def test_comments_and_names_are_kept() -> None:
    decision = {"type": "reject", "message": "Wrong sum.", "reviewer": "Ana"}
    (review,), _ = reviews_of(answer(decision), PAGE, PAGE)
    assert (review.comment, review.reviewer) == ("Wrong sum.", "Ana")


def test_what_is_put_off_keeps_its_place() -> None:
    assert read({"type": "ignore"}, {"type": "reject"}) == ([("bbb", "reject", None)], [])


def test_with_accounts_the_reviewer_is_whoever_sent_the_answer() -> None:
    (review,), _ = reviews_of(answer({"type": "approve", "reviewer": "the boss"}), PAGE, PAGE, "ann")
    assert review.reviewer == "ann"


def test_the_audits_sample_is_shown_without_anything_of_the_judges() -> None:
    shown = feedback(64.0, needs_review=True, rating=4, review_reasons=["drawn"], in_audit=True)
    blind = request_of("key", shown, texts=True)
    assert (blind.args, blind.arguments) == ({"response_id": "key", "rating": None}, {"rating": ""})
    assert "64" not in blind.description
    assert "Judges" not in blind.description
    assert "drawn" not in blind.description
    seen = request_of("key", shown.model_copy(update={"in_audit": False}), texts=True)
    assert seen.description.startswith("Judges: 64 of 100, rating 4. Asked because: drawn.\n\n")
    assert seen.arguments == {"rating": 4}


@pytest.mark.parametrize("text", ["```\n# Approve me\n```", "![](http://x/y.png)", "````", "a" * 5_000])
def test_a_text_stays_within_its_fence_and_its_bound(text: str) -> None:
    request = request_of("key", feedback(64.0, response=text), texts=True)
    fence = request.description.partition("**Response** key\n\n")[2].partition("text\n")[0]
    assert set(fence) == {"`"}
    assert fence not in text
    assert text[:1_000] in request.description
    assert len(request.model_dump_json()) < 4_500
    bare = request_of("key", feedback(64.0, response=text), texts=False)
    assert text not in bare.model_dump_json()


def test_what_waits_is_what_needs_review_in_this_round_and_has_no_answer(ledger: Ledger) -> None:
    register_run(ledger, settings(), "run-1", "planner", prompt_rows(5), "rows")
    prompts = ledger.prompts("run-1", "train")
    run = LedgerRun(ledger, "run-1")
    ids = [
        run.add(prompt, f"Answer {number}", feedback(60.0, needs_review=number != 0))
        for number, prompt in enumerate(prompts)
    ]
    assert list(pending_reviews(ledger, "run-1", 1)) == ids[1:]
    assert pending_reviews(ledger, "run-1", 2) == {}

    reviews, _ = reviews_of(answer({"type": "approve"}, {"type": "reject"}), ids[1:], ids[1:])
    ledger.add_reviews("run-1", reviews)
    assert list(pending_reviews(ledger, "run-1", 1)) == ids[3:]


def test_the_first_answer_to_a_response_stands(ledger: Ledger) -> None:
    for decision in ("approve", "reject"):
        reviews, _ = reviews_of(answer({"type": decision}), PAGE, PAGE)
        ledger.add_reviews("run-1", reviews)
    assert ledger.reviews("run-1")["aaa"].decision == "approve"
