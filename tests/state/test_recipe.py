"""Values written into a recipe's text: only they change, comments stay."""

import tomllib
from pathlib import Path

import pytest

from rlhf.state.errors import SettingsError
from rlhf.state.recipe import load_recipe, parse_recipe, recipe_text, shipped_recipes, with_values

VALUES = {"dataset": {"min_margin": 12.5}, "review": {"min_confidence": 0.6123}}


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_changes_in_two_lines(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_MODEL", "m")
    monkeypatch.setenv("OLLAMA_MODEL", "m")
    before = recipe_text(name)
    after = with_values(before, VALUES, name)
    changed = [line for line, old in zip(after.splitlines(), before.splitlines(), strict=True) if line != old]
    assert len(changed) == 2
    assert all("#" in line for line in changed), "the comments are still there"
    settings = parse_recipe(after, name)
    assert (settings.dataset.min_margin, settings.review.min_confidence) == (12.5, 0.6123)


def test_what_is_not_there_is_added() -> None:
    text = '[policy]\nmodel = "local"\n\n[review] # people\nmode = "all"\n\n[judge]\nmodel = "local"\n'
    after = with_values(text, VALUES, "mine")
    assert '[review] # people\nmode = "all"\nmin_confidence = 0.6123\n\n[judge]' in after
    assert after.endswith("[dataset]\nmin_margin = 12.5\n")
    assert with_values(text, {}, "mine") == text
    assert tomllib.loads(with_values("", {"judge": {"calibration": False}}, "mine")) == {
        "judge": {"calibration": False}
    }


@pytest.mark.parametrize(
    "text",
    [
        'review = { mode = "all" }\n',
        "review.min_confidence = 0.2\n",
        'note = """\n[review]\nmin_confidence = 0.1\n"""\n',
    ],
)
def test_a_recipe_written_in_another_way_is_left_alone(text: str) -> None:
    with pytest.raises(SettingsError, match="cannot be written into this recipe"):
        with_values(text, {"review": {"min_confidence": 0.5}}, "mine")


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(SettingsError, match="not valid TOML"):
        with_values("[review", VALUES, "mine")


def test_brackets_without_end_are_no_fault_of_the_program() -> None:
    with pytest.raises(SettingsError, match="mine: brackets are nested too deep"):
        parse_recipe(f"a = {'[' * 5_000}{']' * 5_000}", "mine")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_recipe_is_read_with_a_byte_order_mark_too(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(recipe_text("local"), encoding=encoding)
    assert load_recipe(str(path)) == load_recipe("local")
