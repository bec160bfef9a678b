"""The two graphs as wired: their nodes, what goes in and out of them, and what a client can never set."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlhf.graph.judge import build_panel
from rlhf.graph.judge import graph as judge
from rlhf.graph.pipeline import graph as pipeline
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.errors import SettingsError
from rlhf.state.files.prompts import parse_rows
from rlhf.state.graph_state import JudgeState, PipelineState, RunContext, as_context
from rlhf.state.recipe import load_recipe
from rlhf.state.records import Feedback
from rlhf.state.run_report import RunReport
from rlhf.state.settings import Settings

JUDGES = {f"judge_{name}" for name in DIMENSIONS}
STAGES = {
    "prepare",
    "generate",
    "judge",
    "collect",
    "review",
    "build_dataset",
    "approve_training",
    "train",
    "evaluate",
    "approve_deployment",
    "deploy",
    "finish",
}


def nodes(graph: Any) -> set[str]:
    return set(graph.get_graph().nodes) - {"__start__", "__end__"}


def edges(graph: Any) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in graph.get_graph().edges}


def keys(schema: dict[str, Any]) -> set[str]:
    return set(schema["properties"])


def test_the_judge_graph_shows_its_judges_by_name() -> None:
    judges = {*JUDGES, "judge_combined"}
    assert nodes(judge) == {"route", *judges, "aggregate", "accept"}
    assert edges(judge) == {
        ("__start__", "route"),
        *(("route", name) for name in judges),
        *((name, "aggregate") for name in judges),
        ("aggregate", "accept"),
        ("accept", "__end__"),
    }


def test_the_pipeline_shows_every_stage_and_its_way_back() -> None:
    assert nodes(pipeline) == STAGES
    assert {
        ("generate", "judge"),
        ("judge", "collect"),
        ("collect", "generate"),
        ("collect", "review"),
        ("review", "build_dataset"),
        ("build_dataset", "approve_training"),
        ("approve_training", "train"),
        ("approve_training", "finish"),
        ("train", "evaluate"),
        ("evaluate", "approve_deployment"),
        ("approve_deployment", "deploy"),
        ("deploy", "generate"),
        ("deploy", "finish"),
    } <= edges(pipeline)


def test_the_panel_of_the_pipeline_is_the_judge_graph_without_checkpoints_of_its_own() -> None:
    panel = build_panel(Services())
    assert nodes(panel) == nodes(judge)
    assert panel.checkpointer is False


def test_drawn_from_within_the_pipeline_shows_its_judges() -> None:
    drawn = set(pipeline.get_graph(xray=True).nodes)
    assert {f"judge:{name}" for name in nodes(judge)} <= drawn
    assert [name for name, _ in pipeline.get_subgraphs()] == ["judge"]


@pytest.mark.parametrize(
    "schema",
    [judge.get_input_jsonschema(), pipeline.get_input_jsonschema(), pipeline.get_context_jsonschema()],
)
def test_every_field_of_a_form_says_what_goes_in(schema: dict[str, Any]) -> None:
    for name, field in schema["properties"].items():
        missing = {"title", "description", "examples"} - set(field)
        assert not missing, f"{name} lacks {missing}"
        if "default" not in field and name != "task_type":
            assert name in schema["required"]


@pytest.mark.parametrize("graph", [judge, pipeline])
def test_every_field_that_comes_out_is_described(graph: Any) -> None:
    for name, field in graph.get_output_jsonschema()["properties"].items():
        assert {"title", "description"} <= set(field), name


def test_a_form_for_prompts_starts_with_a_row_that_is_taken() -> None:
    schema = pipeline.get_input_jsonschema()
    [row] = schema["properties"]["prompts"]["default"]
    assert set(row) == set(schema["$defs"]["Row"]["properties"]) - {"messages"}, "a prompt or a conversation"
    [read] = parse_rows([row], "general", "prompts")
    assert (read.id, read.task_type) == ("q1", "budgeting")


def test_the_examples_of_choices_are_taken_together() -> None:
    schema = pipeline.get_context_jsonschema()
    assert schema is not None
    fields = schema["properties"]
    as_context({name: field["examples"][0] for name, field in fields.items()}).applied_to(
        load_recipe("local")
    )


def test_the_judge_takes_a_response_and_returns_the_object_of_the_command_line() -> None:
    assert keys(judge.get_input_jsonschema()) == {"prompt", "messages", "response", "context", "task_type"}
    assert keys(judge.get_output_jsonschema()) == set(Feedback.model_fields)
    assert keys(judge.get_output_jsonschema()) < set(JudgeState.__annotations__) | keys(
        judge.get_output_jsonschema()
    )
    assert judge.get_input_jsonschema()["required"] == ["prompt", "response"]


def test_the_pipeline_takes_prompts_and_returns_the_report() -> None:
    assert keys(pipeline.get_input_jsonschema()) == {"prompts", "adapter_name"}
    assert keys(pipeline.get_output_jsonschema()) == {*RunReport.model_fields, "last_judged"}
    assert keys(pipeline.get_output_jsonschema()) < set(PipelineState.__annotations__)


@pytest.mark.parametrize("graph", [judge, pipeline])
def test_the_context_offers_choices_and_nothing_of_the_operators(graph: Any) -> None:
    offered = keys(graph.get_context_jsonschema())
    assert offered == set(RunContext.model_fields)
    assert graph.get_context_jsonschema()["additionalProperties"] is False
    assert {"task_type", "weights", "min_score_acceptable", "review", "rounds", "training_gate"} <= offered
    operators = ("url", "key", "path", "dir", "model", "endpoint", "adapter", "seed", "concurrency")
    assert not [name for name in offered if any(word in name for word in operators)]


@pytest.mark.parametrize(
    "context",
    [
        {"base_url": "http://127.0.0.1:9"},
        {"api_key_env": "HOME"},
        {"judge": {"model": "openai/other"}},
        {"storage": {"ledger_url": "sqlite:///elsewhere.sqlite"}},
        {"output_dir": "/"},
        {"policy": {"adapter": "../../etc"}},
        {"training": {"base_model": "/"}},
        {"configurable": {}},
    ],
)
def test_a_client_cannot_set_endpoints_keys_or_paths(context: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="context"):
        as_context(context)


@pytest.mark.parametrize(
    "context",
    [
        {"weights": {"accuracy": 1.0}},
        {"weights": dict.fromkeys(DIMENSIONS, 0.3)},
        {"min_score_acceptable": -1},
        {"rounds": 0},
        {"audit_fraction": 1.5},
        {"min_rating_chosen": 2, "max_rating_rejected": 2},
    ],
)
def test_a_clients_wrong_choice_is_refused_by_name(context: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"context: (acceptance|pipeline|review)"):
        as_context(context).applied_to(load_recipe("local"))


def test_a_clients_choices_change_what_they_name_and_nothing_else() -> None:
    before = load_recipe("local")
    choices = {
        "task_type": "creative",
        "weights": dict.fromkeys(DIMENSIONS, 0.2),
        "min_score_acceptable": 55.0,
        "min_rating_chosen": 5,
        "max_rating_rejected": 1,
        "selection": "threshold",
        "min_margin": 33.0,
        "review": "all",
        "audit_fraction": 0.5,
        "rounds": 3,
        "training_gate": "auto",
        "deployment_gate": "auto",
    }
    after = as_context(choices).applied_to(before)
    assert set(choices) == set(RunContext.model_fields), "every choice is tried here"
    assert (after.task_type, after.review.mode, after.review.audit_fraction) == ("creative", "all", 0.5)
    assert (after.pipeline.rounds, after.gates.training, after.gates.deployment) == (3, "auto", "auto")
    assert (after.dataset.selection, after.dataset.min_margin) == ("threshold", 33.0)
    assert after.acceptance.model_dump() == {
        name: choices[name]
        for name in ("min_score_acceptable", "min_rating_chosen", "max_rating_rejected", "weights")
    }
    for section in ("policy", "judge", "storage", "training"):
        assert getattr(after, section) == getattr(before, section)


def test_without_choices_the_operators_settings_are_used_as_they_are() -> None:
    settings: Settings = load_recipe("local")
    nothing: object
    for nothing in (None, {}, RunContext()):
        assert as_context(nothing).applied_to(settings) is settings


def test_langgraph_json_names_both_graphs_and_the_checkpoints() -> None:
    config = json.loads(Path("langgraph.json").read_text(encoding="utf-8"))
    assert config["graphs"] == {"judge": "rlhf.graph.judge:graph", "pipeline": "rlhf.graph.pipeline:graph"}
    assert config["checkpointer"]["path"] == "rlhf.graph.checkpoints.make"


def test_importing_the_graphs_loads_nothing_heavy() -> None:
    script = (
        "import sys, rlhf.graph.pipeline\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets', 'crewai', 'accelerate', 'textstat'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
