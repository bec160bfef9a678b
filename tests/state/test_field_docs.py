"""Every stored or public field says under its line what it means, and JSON schemas repeat it."""

import ast
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter

from rlhf.state import graph_state
from rlhf.state.endpoints import Endpoint
from rlhf.state.field_docs import documented_fields, field_docs
from rlhf.state.measures import CanaryScore
from rlhf.state.records import Feedback, Record
from rlhf.state.run_report import RunReport
from rlhf.state.settings import JudgeSettings, Settings

ROOT = Path(__file__).parents[2]
HALLS = ("prompts", "state", "nodes", "graph", "training", "rlhf")
WHOLE_FILES = ("state/", "nodes/approvals.py", "prompts/rubric.py", "training/fit.py", "training/generate.py")
"""Here every class with fields is documented; elsewhere the records are, and what is like them."""
BY_NAME = {"Record", "PipelineConfig"}


def held(place: str, found: ast.ClassDef) -> bool:
    """Whether the class must have its fields documented."""
    names = {found.name, *(base.id for base in found.bases if isinstance(base, ast.Name))}
    return place.startswith(WHOLE_FILES) or bool(names & BY_NAME)


def classes() -> list[tuple[str, ast.ClassDef]]:
    return [
        (path.relative_to(ROOT).as_posix(), line)
        for hall in HALLS
        for path in sorted((ROOT / hall).rglob("*.py"))
        for line in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(line, ast.ClassDef)
    ]


def test_every_field_of_a_record_a_setting_and_a_state_is_documented_under_its_line() -> None:
    looked_at = [(place, found) for place, found in classes() if held(place, found)]
    missing = [
        f"{place}: {found.name}.{field}"
        for place, found in looked_at
        for field, text in documented_fields(found)
        if not text
    ]
    assert missing == []
    assert {"Settings", "Verdict", "RunReport", "PipelineState", "VerdictOrigin"} <= {
        found.name for _, found in looked_at
    }


def test_a_docstring_is_a_sentence_that_says_more_than_the_name() -> None:
    odd = [
        f"{place}: {found.name}.{field}: {text}"
        for place, found in classes()
        if held(place, found)
        for field, text in documented_fields(found)
        if not text.endswith((".", ":", "…", ")")) or text.lower().rstrip(".") == field.replace("_", " ")
    ]
    assert odd == []


@pytest.mark.parametrize(
    "model", [Settings, Endpoint, Feedback, RunReport, CanaryScore, graph_state.RunContext]
)
def test_the_schema_of_a_model_describes_each_of_its_fields(model: type[BaseModel]) -> None:
    properties = model.model_json_schema()["properties"]
    assert {name: entry.get("description") for name, entry in properties.items()} == field_docs(model)


@pytest.mark.parametrize(
    "state",
    [graph_state.PipelineInput, graph_state.PipelineOutput, graph_state.JudgeInput, graph_state.JudgeState],
)
def test_studio_reads_what_each_key_of_a_graphs_state_means(state: type) -> None:
    properties = TypeAdapter(state).json_schema()["properties"]
    assert {name: entry.get("description") for name, entry in properties.items()} == field_docs(state)


def test_a_section_says_what_it_inherits() -> None:
    assert field_docs(JudgeSettings)["concurrency"] == "Requests under way at once."


def test_a_class_without_source_has_no_docs() -> None:
    namespace: dict[str, type[Record]] = {}
    exec(
        "class Typed(Record):\n    size: int\n", {"Record": Record}, namespace
    )  # as typed into an interpreter
    assert namespace["Typed"].model_json_schema()["properties"] == {
        "size": {"title": "Size", "type": "integer"}
    }
