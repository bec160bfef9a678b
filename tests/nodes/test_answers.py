"""Every form in which a client answers an interrupt, and what is said of one that nobody knows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.answers import _gate_decision, read_decision, read_review
from rlhf.nodes.approvals import Caller, NotTaken
from rlhf.state.errors import InputError

OPERATOR = Caller("ben", is_operator=True)


def edited(**args: Any) -> dict[str, Any]:
    return {"type": "edit", "args": {"action": "review_response", "args": args}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # LangChain's middleware and agent-chat-ui: texts, and several at once.
        ({"decisions": [{"type": "approve"}]}, [("approve", None, "")]),
        ({"decisions": [{"type": "reject", "message": "No."}]}, [("reject", None, "No.")]),
        ({"decisions": [{"type": "respond", "message": "4"}]}, [("edit", 4, "")]),
        (
            {
                "decisions": [
                    {"type": "edit", "edited_action": {"name": "review_response", "args": {"rating": "2"}}},
                    {"type": "approve"},
                ]
            },
            [("edit", 2, ""), ("approve", None, "")],
        ),
        # Agent Inbox.
        (
            [{"type": "accept", "args": {"action": "review_response", "args": {"rating": 4}}}],
            [("approve", None, "")],
        ),
        ([{"type": "accept", "args": None}], [("approve", None, "")]),
        ([edited(rating="2")], [("edit", 2, "")]),
        ([edited(rating=2, response_id="abc")], [("edit", 2, "")]),
        ([{"type": "response", "args": "2"}], [("edit", 2, "")]),
        ([{"type": "response", "args": " 2: Wrong sum. "}], [("edit", 2, "Wrong sum.")]),
        ([{"type": "response", "args": "Reject: wrong sum"}], [("reject", None, "wrong sum")]),
        (
            [{"type": "response", "args": "3 retailers are missing"}],
            [("approve", None, "3 retailers are missing")],
        ),
        ([{"type": "ignore", "args": None}], [None]),
        # One without its list; a text box that sends JSON.
        ({"type": "edit", "rating": 5}, [("edit", 5, "")]),
        ('[{"type": "accept", "args": null}]', [("approve", None, "")]),
    ],
)
def test_the_known_forms_are_read(answer: Any, expected: list[tuple[str, int | None, str]]) -> None:
    read = [d and (d.type, d.new_rating, d.message) for d in read_review(answer)]
    assert read == expected


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "No decision is in it"),
        ("yes", "No decision is in it"),
        ({}, "No decision is in it"),
        ({"decisions": []}, "No decision is in it"),
        ({"decisions": "approve"}, "No decision is in it"),
        ({"decisions": [{"type": "approve"}], "comment": "hm"}, "No decision is in it"),
        ("[" * 20_000, "No decision is in it"),
        (["approve"], "Decision 1: a decision is an object with a type"),
        ([{"type": ["approve"]}], "a decision is an object with a type"),
        ([{"type": "approve"}, {"type": "maybe"}], "Decision 2: type"),
        ([{"type": "edit"}], "an edit needs a rating"),
        ([edited(rating="7")], "an edit needs a rating"),
        ([edited(rating=True)], "an edit needs a rating"),
        ([edited(rating="2", response="Better.")], "only the rating can be edited, not response"),
        ([edited(rating="2", prompt="Other?")], "only the rating can be edited, not prompt"),
        ([{"type": "edit", "args": "2"}], "args is the action that was asked"),
        ([{"type": "edit", "rating": True}], "a whole number from 1 to 5"),
        ([{"type": "edit", "rating": 0}], "rating"),
        ([{"type": "response", "args": ""}], "a response is a text"),
        ([{"type": "approve", "wieght": 1}], "wieght: unknown key"),
        ([{"type": "approve", "message": "x" * 5_000}], "message"),
    ],
)
def test_an_unknown_form_is_told_the_known_ones(answer: Any, complaint: str) -> None:
    with pytest.raises(NotTaken) as refused:
        read_review(answer)
    told = str(refused.value)
    assert complaint in told
    assert told.endswith('or {"type": "reject"}, one for each response in order, or with its response_id.')
    assert "pydantic" not in told


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"decisions": [{"type": "approve"}]}, ("approve", "")),
        ({"decisions": [{"type": "reject", "message": "No."}]}, ("reject", "No.")),
        ([{"type": "accept", "args": {"action": "approve_training", "args": {}}}], ("approve", "")),
        ([{"type": "response", "args": "reject: Too few."}], ("reject", "Too few.")),
        ([{"type": "response", "args": "Approve"}], ("approve", "")),
    ],
)
def test_a_gate_takes_a_yes_or_a_no(answer: Any, expected: tuple[str, str]) -> None:
    decision = _gate_decision(answer, "approve_training", OPERATOR)
    assert (decision.type, decision.message) == expected


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"decisions": [{"type": "edit", "rating": 3}]}, "approve_training cannot be edited"),
        ([edited(rating="3")], "approve_training cannot be edited"),
        ([edited(epochs="9")], "only the rating can be edited, not epochs"),
        ([{"type": "response", "args": "3"}], "approve_training cannot be edited"),
        ([{"type": "response", "args": "Looks fine to me"}], "a comment alone decides nothing"),
        ([{"type": "accept"}, {"type": "accept"}], "2 decisions where one is asked for"),
        ("approve", "No decision is in it"),
        ([{"type": "ignore", "args": None}], ""),
    ],
)
def test_a_gate_takes_nothing_else_for_a_no(answer: Any, complaint: str) -> None:
    with pytest.raises(NotTaken) as refused:
        _gate_decision(answer, "approve_training", OPERATOR)
    assert complaint in str(refused.value)
    assert bool(complaint) == bool(str(refused.value)), "what is put off is no mistake"


def test_a_gate_is_no_reviewers() -> None:
    with pytest.raises(NotTaken, match="ann is a reviewer; approve_training is answered by an operator"):
        _gate_decision(
            [{"type": "accept", "args": None}], "approve_training", Caller("ann", is_operator=False)
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
KEYS = st.sampled_from(["type", "args", "rating", "message", "response_id", "reviewer", "edited_action"])
DECISIONS = {"approve", "edit", "reject"}
TYPES = st.sampled_from(["accept", "approve", "edit", "reject", "respond", "response", "ignore"])


@given(st.builds(lambda entry, kind: {**entry, "type": kind}, st.dictionaries(KEYS, JSON), TYPES | JSON))
def test_whatever_is_sent_is_a_decision_or_a_line(entry: dict[str, Any]) -> None:
    try:
        decision = read_decision(entry)
    except InputError:
        return
    if decision is not None:
        assert decision.type in DECISIONS
    assert json.dumps(decision and decision.model_dump(mode="json"))
