"""What an answer to an interrupt may look like; anything else is refused, never guessed."""

from typing import Any

import pytest
from pydantic import ValidationError

from rlhf.nodes.approvals import Answer


@pytest.mark.parametrize(
    "decision",
    [
        {"type": "approve"},
        {"type": "reject", "message": "Too few pairs."},
        {"type": "edit", "rating": 3},
        {"type": "edit", "edited_action": {"name": "review_response", "args": {"rating": 3}}},
        {"type": "approve", "response_id": "abc", "reviewer": "Ana"},
    ],
)
def test_the_known_forms_are_taken(decision: dict[str, Any]) -> None:
    assert Answer.model_validate({"decisions": [decision]}).decisions[0].type == decision["type"]


@pytest.mark.parametrize(
    "answer",
    [
        {"decisions": []},
        {},
        {"decisions": [{"type": "accept"}]},
        {"decisions": [{"type": "respond", "message": "hm"}]},
        {"decisions": [{}]},
        {"decisions": [{"type": "approve", "wieght": 1}]},
        {"decisions": [{"type": "approve"}], "comment": "hm"},
        "approve",
        None,
    ],
)
def test_unknown_forms_are_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate(answer)


@pytest.mark.parametrize(
    "edit",
    [
        {"type": "edit"},
        {"type": "edit", "rating": None},
        {"type": "edit", "edited_action": {"name": "review_response", "args": {"rating": 9}}},
        {"type": "edit", "edited_action": {"name": "review_response", "args": {"rating": "five"}}},
    ],
)
def test_an_edit_without_a_usable_rating_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="an edit needs a rating from 1 to 5"):
        Answer.model_validate({"decisions": [edit]})


@pytest.mark.parametrize("rating", [0, 6, 2.5, "many"])
def test_a_rating_outside_the_stars_is_refused(rating: object) -> None:
    with pytest.raises(ValidationError, match="rating"):
        Answer.model_validate({"decisions": [{"type": "edit", "rating": rating}]})
