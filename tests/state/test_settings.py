"""Recipes: the shipped ones load, wrong ones are refused with file and key, every key is read somewhere."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from rlhf.state.errors import SettingsError
from rlhf.state.recipe import choose_recipe, load_recipe, parse_recipe, recipe_text, shipped_recipes
from rlhf.state.settings import Settings

ROOT = Path(__file__).parents[2]
MINIMAL = '[policy]\nmodel = "local"\n[judge]\nmodel = "local"\n'


def sections() -> dict[str, list[str]]:
    """The keys of each section of a recipe."""
    return {
        section: list(field.annotation.model_fields)
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


@pytest.fixture
def served_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODEL", "qwen3:8b")
    monkeypatch.setenv("VLLM_MODEL", "org/model")


@pytest.mark.usefixtures("served_models")
@pytest.mark.parametrize("name", ["local", "ollama", "openai", "vllm"])
def test_a_shipped_recipe_loads_and_names_every_key(name: str) -> None:
    settings = load_recipe(name)
    assert settings.policy.endpoint().provider == settings.judge.endpoint().provider == name
    table = recipe_text(name).replace("# adapter", "adapter").replace("# api_key_env", "api_key_env")
    for section, keys in sections().items():
        part = table.partition(f"[{section}]")[2].partition("\n[")[0]
        unsaid = {key for key in keys if not re.search(rf"^{key} = ", part, re.MULTILINE)}
        assert unsaid <= {
            "adapter",
            "base_url",
            "api_key_env",
            "concurrency",
            "extra_body",
            "identity",
            "max_answer_bytes",
            "max_response_chars",
            "timeout",
        }


def test_there_are_four_recipes() -> None:
    assert shipped_recipes() == ["local", "ollama", "openai", "vllm"]


def test_the_environment_fills_model_and_address_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_MODEL", "gpt-x")
    endpoint = load_recipe("openai").judge.endpoint()
    assert (endpoint.model, endpoint.base_url) == ("gpt-x", "http://127.0.0.1:9/v1")
    assert parse_recipe('task_type = "general"\n' + MINIMAL, "r").task_type == "general"
    with pytest.raises(SettingsError, match=r"pipeline\.output_dir|task_type"):
        parse_recipe('task_type = "${HOME}"\n' + MINIMAL, "r")


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"recipe ollama: policy\.model: set OLLAMA_MODEL"):
        load_recipe("ollama")


BAD_RECIPES = {
    "unknown key": ("[pipeline]\nround = 2\n", "pipeline.round: unknown key"),
    "unknown section": ("[pipelines]\nrounds = 2\n", "pipelines: unknown key"),
    "wrong type": ('[pipeline]\nrounds = "2"\n', "pipeline.rounds"),
    "out of range": ("[pipeline]\nrounds = 0\n", "pipeline.rounds"),
    "negative threshold": ("[acceptance]\nmin_score_acceptable = -1.0\n", "acceptance.min_score_acceptable"),
    "rating of six": ("[acceptance]\nmin_rating_chosen = 6\n", "acceptance.min_rating_chosen"),
    "ratings overlap": ("[acceptance]\nmax_rating_rejected = 4\n", "max_rating_rejected must be below"),
    "weights": (
        "[acceptance]\nweights = { accuracy = 0.5, brand_alignment = 0.2, compliance = 0.25, clarity = 0.15, "
        "actionability = 0.1 }\n",
        "acceptance.weights: weights sum to 1.2, not 1",
    ),
    "a dimension too few": (
        "[acceptance]\nweights = { accuracy = 1.0 }\n",
        "missing: brand_alignment, compliance, clarity, actionability",
    ),
    "unknown choice": ('[review]\nmode = "sometimes"\n', "review.mode"),
    "evidence weight": ("[judge]\nmodel = 'local'\nevidence_weight = 1.5\n", "judge.evidence_weight"),
    "judge from a folder": ("[judge]\nmodel = 'hf:x'\n", "judge: a judge is an endpoint"),
    "unknown provider": ("[judge]\nmodel = 'acme/x'\n", "judge.model: model 'acme/x' is not known"),
    "adapter, but no weights": ("[policy]\nmodel = 'openai/x'\nadapter = 'a'\n", "adapter needs a policy"),
    "checkpoints elsewhere": ("[storage]\ncheckpoint_url = 'postgresql://x'\n", "storage.checkpoint_url"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_RECIPES)
def test_a_bad_recipe_is_refused_with_file_and_key(what: str, tmp_path: Path) -> None:
    text, expected = BAD_RECIPES[what]
    path = tmp_path / "mine.toml"
    missing = [s for s in ("policy", "judge") if f"[{s}]" not in text]
    path.write_text(text + "".join(f'[{section}]\nmodel = "local"\n' for section in missing))
    with pytest.raises(SettingsError) as refused:
        load_recipe(str(path))
    assert str(refused.value).startswith(str(path))
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("policy = [")
    with pytest.raises(SettingsError, match=r"a\.toml: not valid TOML"):
        load_recipe(str(tmp_path / "a.toml"))
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"b\.toml: not UTF-8"):
        load_recipe(str(tmp_path / "b.toml"))
    with pytest.raises(SettingsError, match=r"c\.toml: cannot be read"):
        load_recipe(str(tmp_path / "c.toml"))
    with pytest.raises(
        SettingsError, match="There is no recipe 'nope'; shipped: local, ollama, openai, vllm"
    ):
        load_recipe("nope")


def test_the_recipe_is_chosen_by_name_then_variable_then_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choose_recipe().source == "local"
    monkeypatch.setenv("OLLAMA_MODEL", "qwen3:8b")
    assert choose_recipe().source == "ollama"
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    chosen = choose_recipe()
    assert (chosen.source, chosen.reason) == ("openai", "OPENAI_API_KEY is set")
    monkeypatch.setenv("RLHF_RECIPE", "local")
    assert (choose_recipe().source, choose_recipe().reason) == ("local", "RLHF_RECIPE names it")
    assert choose_recipe("ollama").source == "ollama"


def test_a_key_is_read_by_name_and_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = load_recipe("openai").judge.endpoint()
    with pytest.raises(SettingsError, match="set OPENAI_API_KEY"):
        endpoint.key()
    monkeypatch.setenv("OPENAI_API_KEY", "secret-value")
    assert endpoint.key() == "secret-value"
    assert "secret-value" not in load_recipe("openai").model_dump_json() + endpoint.model_dump_json()


def test_replaced_settings_are_checked_again() -> None:
    settings = load_recipe("local")
    assert settings.replace({"gates": {"training": "auto"}}, "--yes").gates.training == "auto"
    with pytest.raises(SettingsError, match=r"context: review\.mode"):
        settings.replace({"review": {"mode": "never"}}, "context")


def test_every_key_of_a_recipe_is_read_somewhere() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("graph", "nodes", "rlhf", "state", "training")
        for path in (ROOT / folder).rglob("*.py")
    )
    unread = [
        f"{section}.{key}"
        for section, keys in sections().items()
        for key in keys
        if not re.search(rf"\.{key}\b", code)
    ]
    assert not unread


def test_a_combined_verdict_cannot_be_compact() -> None:
    combined = {"judge": {"mode": "combined"}}
    assert load_recipe("openai").replace(combined, "here").judge.mode == "combined"
    with pytest.raises(SettingsError, match=r"here: judge: mode = 'combined' needs style = 'full'"):
        load_recipe("local").replace(combined, "here")
