"""What is chosen by a plain name goes to one place of a recipe, and every such name has one."""

import inspect

import pytest
from pydantic import BaseModel

from rlhf.pipeline import PipelineConfig
from rlhf.runs.reweigh import reweigh
from rlhf.state.choices import ASK_NOBODY, PLACES, by_section
from rlhf.state.graph_state import RunContext
from rlhf.state.recipe import load_recipe
from rlhf.state.settings import Settings

NOT_OF_A_RECIPE = {"concurrency", "enable_langsmith", "langsmith_project"}
"""What a PipelineConfig says about the function and the traces of one call."""


@pytest.mark.parametrize("place", PLACES.values())
def test_every_place_is_a_key_of_a_recipe(place: str) -> None:
    section, _, key = place.partition(".")
    kind = Settings.model_fields[section].annotation
    if key:
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        assert key in kind.model_fields


def test_no_two_names_stand_for_one_key() -> None:
    assert len(set(PLACES.values())) == len(PLACES)


def test_whatever_can_be_chosen_has_its_place() -> None:
    assert RunContext.model_fields.keys() <= PLACES.keys()
    assert PipelineConfig.model_fields.keys() - NOT_OF_A_RECIPE <= PLACES.keys()
    assert inspect.signature(reweigh).parameters.keys() - {"run_id", "threshold", "recipe"} <= PLACES.keys()


def test_what_is_not_chosen_is_left_out() -> None:
    choices = {"seed": 0, "rounds": None, "task_type": "creative", "output_dir": "here"}
    assert by_section(choices) == {
        "task_type": "creative",
        "pipeline": {"seed": 0, "output_dir": "here"},
    }


def test_a_run_that_asks_nobody_has_automatic_gates_and_no_review() -> None:
    settings = load_recipe("local").replace(ASK_NOBODY, "test")
    assert (settings.gates.training, settings.gates.deployment, settings.review.mode) == (
        "auto",
        "auto",
        "off",
    )
