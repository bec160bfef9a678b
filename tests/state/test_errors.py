"""What people read of data that cannot be used: where, what, and never the value."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rlhf.state.errors import first_mistake


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    names: list[str] = Field(default_factory=list)
    rating: int = 3

    @model_validator(mode="after")
    def _whole(self) -> "Row":
        if self.rating > 5:
            raise ValueError("too good to be true")
        return self


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"rating": "sk-secret"},
            "rating: Input should be a valid integer, unable to parse string as an integer",
        ),
        ({"names": ["a", 7]}, "names.1: Input should be a valid string"),
        ({"stars": 3}, "stars: unknown key"),
        ({"\x1b[2Jstars": 3}, r"'\x1b[2Jstars': unknown key"),
        ({"s" * 5_000: 3}, f"{'s' * 80}…: unknown key"),
        ({"rating": 9}, "the row: too good to be true"),
        ("sk-secret", "the row: Input should be a valid dictionary or instance of Row"),
    ],
)
def test_the_first_mistake_is_one_line(given: Any, told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Row.model_validate(given)
    assert first_mistake(raised.value, "the row") == told


def test_without_a_name_for_the_whole_it_is_the_complaint_alone() -> None:
    with pytest.raises(ValidationError) as raised:
        Row.model_validate({"rating": 9})
    assert first_mistake(raised.value) == "too good to be true"
