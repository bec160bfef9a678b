"""What is said before a run spends anything: a judge that answers too, prompts that prove nothing."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.runs.notes import self_judging
from rlhf.state.recipe import load_recipe, shipped_recipes
from tests.nodes.builders import settings

OTHER = {"model": "openai/another"}


@pytest.mark.parametrize("name", shipped_recipes())
def test_each_shipped_recipe_says_that_its_model_judges_itself(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OLLAMA_MODEL", "VLLM_MODEL", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "qwen3")
    chosen = load_recipe(name)
    assert chosen.self_judged
    assert f"{chosen.judge.model} answers and judges: a judge may favour its own writing." in self_judging(
        chosen
    )


def test_another_model_or_another_address_is_another_judge() -> None:
    assert settings().self_judged
    assert not settings(judge=OTHER).self_judged
    assert not settings(judge={"base_url": "http://127.0.0.1:8001/v1"}).self_judged
    assert settings(judge={"api_key_env": "ANOTHER_KEY", "temperature": 0.5}).self_judged


def test_a_judge_that_is_the_model_that_learns_is_not_independent_either() -> None:
    assert settings(judge={"model": "local"}, training={"base_model": "local"}).self_judged
    assert not settings(judge={"model": "local"}, training={"base_model": "hf:weights"}).self_judged


def test_automatic_gates_and_the_weight_of_the_checks_are_named() -> None:
    said = self_judging(settings(gates={"deployment": "auto"}, judge={"evidence_weight": 0.9}))
    assert "answers, judges and approves" in said
    assert "checks carry 90% of each score" in said


def test_the_doctor_tells_it_without_calling_the_recipe_broken(recipe: Path) -> None:
    told = CliRunner().invoke(app, ["doctor", "--recipe", str(recipe)]).output
    assert re.search(r"mind +judge +not independent\n +vllm/scripted answers and judges", told)
    recipe.write_text(recipe.read_text().replace('"vllm/scripted"', '"vllm/other"', 1))
    told = CliRunner().invoke(app, ["doctor", "--recipe", str(recipe)]).output
    assert re.search(r"ok +judge +vllm/scripted judges what vllm/other answers", told)
