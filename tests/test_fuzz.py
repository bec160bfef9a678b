"""Whatever people write is taken or refused in one plain line: decisions, recipes, rubric packs."""

import json
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from rlhf.nodes.answers import _gate_decision, read_review
from rlhf.nodes.approvals import Caller, NotTaken
from rlhf.prompts.rubric import RubricError, _parse
from rlhf.state.errors import SettingsError
from rlhf.state.recipe import parse_recipe, recipe_text, shipped_recipes
from tests.fuzzing import as_json, assert_plain, mutated, refusal, scratched, shares, tried

DECISIONS: list[Any] = [
    {
        "decisions": [
            {"type": "approve"},
            {"type": "edit", "rating": 2, "response_id": "a1", "message": "No."},
        ]
    },
    {"decisions": [{"type": "edit", "edited_action": {"name": "review_response", "args": {"rating": "2"}}}]},
    {"decisions": [{"type": "reject", "message": "Too few.", "reviewer": "ann"}]},
    [{"type": "accept", "args": {"action": "review_response", "args": {"rating": 4}}}],
    [{"type": "edit", "args": {"action": "review_response", "args": {"rating": "2", "response_id": "a1"}}}],
    [{"type": "response", "args": "2: Wrong sum."}, {"type": "ignore", "args": None}],
    {"type": "respond", "message": "approve"},
]
PACK = (Path(__file__).parents[1] / "prompts" / "packs" / "budgeting.yaml").read_text(encoding="utf-8")
BEN = Caller("ben", is_operator=True)
RECIPES = [recipe_text(name) for name in shipped_recipes()]


@shares(25_000)
def test_an_answer_is_decisions_or_a_line(examples: int) -> None:
    def holds(answer: Any) -> None:
        for given in (answer, as_json(answer)):
            assert_plain(refusal(NotTaken, partial(read_review, given)))
            assert_plain(refusal(NotTaken, partial(_gate_decision, given, "approve_training", BEN)))

    tried(examples, mutated(st.sampled_from(DECISIONS)), holds)


@shares(25_000)
def test_a_recipe_is_settings_or_a_line(examples: int) -> None:
    def holds(text: str) -> None:
        told = refusal(SettingsError, lambda: parse_recipe(text, "recipe.toml"))
        assert_plain(told)
        assert (told or "recipe.toml: ").startswith("recipe.toml: ")

    tried(examples, scratched(st.sampled_from(RECIPES)) | mutated(tables()).map(as_toml), holds)


@shares(20_000)
def test_a_pack_is_a_pack_or_a_line(examples: int) -> None:
    def holds(content: bytes) -> None:
        told = refusal(RubricError, lambda: _parse(content, "budgeting.yaml", "budgeting", None).version)
        assert_plain(told)
        assert (told or "budgeting.yaml").startswith("budgeting.yaml")

    texts = scratched(st.just(PACK)) | mutated(st.just(yaml.safe_load(PACK))).map(as_json)
    tried(
        examples,
        texts.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=200),
        holds,
    )


def tables() -> st.SearchStrategy[Any]:
    return st.sampled_from([tomllib.loads(text) for text in RECIPES])


def as_toml(value: Any) -> str:
    """TOML that says it, as far as TOML can: sections of keys with values of any kind."""
    if not isinstance(value, dict):
        return f"task_type = {inline(value)}"
    plain = [
        f"{json.dumps(key)} = {inline(each)}" for key, each in value.items() if not isinstance(each, dict)
    ]
    sections = [
        "\n".join(
            [f"[{json.dumps(key)}]", *(f"{json.dumps(inner)} = {inline(it)}" for inner, it in each.items())]
        )
        for key, each in value.items()
        if isinstance(each, dict)
    ]
    return "\n".join([*plain, *sections])


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, float) and not isinstance(value, bool):
        return repr(value)
    return '""' if value is None else json.dumps(value)
