"""The embedded default for real: SmolLM2 answers, is judged by llama.cpp, learns for one step and is deployed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.state.recipe import recipe_text

PROMPTS = Path(__file__).parents[2] / "examples" / "prompts" / "budgeting.jsonl"
SMALLER = {
    "num_variations_per_prompt = 5": "num_variations_per_prompt = 3",
    "num_held_out_variations = 4": "num_held_out_variations = 1",
    "max_tokens = 80": "max_tokens = 32",
    "min_margin = 8.0": "min_margin = 0.1",
    "pairs_per_prompt = 2": "pairs_per_prompt = 1",
    "epochs = 3": "epochs = 1",
    "canaries = 12": "canaries = 3",
}


@pytest.mark.usefixtures("workplace")
def test_a_handful_of_responses_goes_through_the_real_models() -> None:
    text = recipe_text("local")
    for shipped, smaller in SMALLER.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, smaller)
    Path("small.toml").write_text(text)
    options = ["--recipe", "small.toml", "--adapter", "small", "--run-id", "real", "--limit", "4", "--yes"]
    result = CliRunner().invoke(app, ["run", str(PROMPTS), *options])
    assert result.exit_code == 0, result.output
    report = json.loads(CliRunner().invoke(app, ["show", "real", "--json"]).stdout)
    stages = report["stages"]
    assert stages["generation"]["num_responses"] == 9
    assert stages["feedback"]["coverage"] == 1.0, "the embedded judge gave every level"
    assert 1 <= stages["dataset"]["num_examples"] <= 3
    assert stages["training"]["metrics"]["steps"] == 1
    assert stages["evaluation"]["canaries"]["num_scored"] == 3
    assert stages["evaluation"]["canaries"]["above"] == []
    assert stages["evaluation"]["verdict"] == "hold"
    assert Path(stages["deployment"]["path"], "adapter_model.safetensors").is_file()
    assert report["usage"]["calls"] >= 5 * 10
