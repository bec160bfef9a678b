"""The examples on the page of data formats are read as the page says."""

import json
import re
from pathlib import Path

import pytest

from rlhf.nodes.approvals import Answer
from rlhf.people.sheet import COLUMNS, JUDGE_COLUMNS
from rlhf.state.files.prompts import read_prompts, read_responses
from rlhf.state.records import DimensionFeedback, Feedback
from rlhf.training.dataset import Row

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def block(heading: str, language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", section(heading), re.DOTALL | re.MULTILINE)
    return str(found)


def named(heading: str) -> set[str]:
    """The keys that the tables of a section name in their first cells."""
    cells = re.findall(r"^\| (`[^|]+) \|", section(heading), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_same_prompt_as_json_and_as_csv_is_the_same_prompt(tmp_path: Path) -> None:
    for kind, language in (("jsonl", "json"), ("csv", "csv")):
        (tmp_path / f"prompts.{kind}").write_text(block("Prompts", language), encoding="utf-8")
    [first] = read_prompts(tmp_path / "prompts.jsonl", "general")
    [second] = read_prompts(tmp_path / "prompts.csv", "general")
    assert first == second
    assert (first.id, first.context["caps"], first.task_type) == ("q1", {"Target": 500}, "budgeting")


def test_responses_to_judge_are_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(block("Responses to judge", "csv"), encoding="utf-8")
    [(prompt, response)] = read_responses(file, "budgeting")
    assert prompt.text.startswith("Split $900")
    assert response.startswith("Target: $500")


def test_decisions_are_read() -> None:
    answer = Answer.model_validate({"decisions": json.loads(block("Decisions", "json"))})
    assert [decision.type for decision in answer.decisions] == ["edit", "approve"]


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("Feedback", set(Feedback.model_fields)),
        ("Review sheets", {*COLUMNS, *JUDGE_COLUMNS}),
        ("Datasets", set(Row("", "", "", 0, 0, "", "", "").as_record())),
    ],
)
def test_the_tables_name_every_key_and_no_other(heading: str, keys: set[str]) -> None:
    assert named(heading) == keys


def test_the_parts_of_a_dimension_are_all_named() -> None:
    [row] = re.findall(r"^\| `dimensions` \| (.*) \|$", section("Feedback"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(DimensionFeedback.model_fields)
