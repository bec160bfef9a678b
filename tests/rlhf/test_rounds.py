"""Several rounds, and runs that begin with an adapter there already is."""

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlhf.cli import app
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

pytestmark = pytest.mark.usefixtures("workplace")


def run(prompts: Path, recipe: Path, name: str) -> None:
    arguments = [str(prompts), "--recipe", str(recipe), "--adapter", "plans", "--run-id", name, "--yes"]
    result = CliRunner().invoke(app, ["run", *arguments])
    assert result.exit_code == 0, result.output


def training_job(name: str, round: int) -> dict[str, str | None]:
    [job] = Path(".rlhf", "runs", name, f"train-{round}").glob("*/job.json")
    described: dict[str, dict[str, str | None]] = json.loads(job.read_text())
    return described["job"]


def test_the_second_round_answers_and_learns_with_the_first_rounds_adapter(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint, tiny_model: Path
) -> None:
    text = recipe.read_text().replace("[pipeline]\n", "[pipeline]\nrounds = 2\n")
    recipe.write_text(text.replace("min_margin = 5.0", "min_margin = 0.5"))
    run(prompts, recipe, "twice")
    asked = endpoint.count(lambda body: not is_judge_call(body))
    assert asked == 6 * 3, "the policy's endpoint answers the first round's six training prompts alone"
    first, second = training_job("twice", 1), training_job("twice", 2)
    assert first["parent_adapter"] is None
    parent = second["parent_adapter"]
    assert parent is not None
    assert Path(parent, "adapter_model.safetensors").is_file()
    assert "train-1" in parent
    assert second["dataset_path"] != first["dataset_path"]
    versions = Path("models", "adapters", "plans")
    manifests = [json.loads((versions / v / "manifest.json").read_text()) for v in ("v1", "v2")]
    assert [manifest["round"] for manifest in manifests] == [1, 2]
    report = json.loads(CliRunner().invoke(app, ["show", "twice", "--json"]).stdout)
    assert (report["round"], report["stages"]["deployment"]["version"]) == (2, "v2")

    assert CliRunner().invoke(app, ["adapters", "promote", "plans", "v2"]).exit_code == 0
    policy = f'[policy]\nmodel = "hf:{tiny_model}"\nadapter = "plans@v1"\nmax_tokens = 32\n'
    begun = text.replace("rounds = 2\n", "").replace("min_margin = 5.0", "min_margin = 0.5")
    recipe.write_text(policy + begun[begun.index("[judge]") :])
    endpoint.forget()
    run(prompts, recipe, "further")
    assert endpoint.count(lambda body: not is_judge_call(body)) == 0
    parent = training_job("further", 1)["parent_adapter"]
    assert parent is not None
    assert Path(parent) == Path(versions, "v1").absolute()

    report = json.loads(CliRunner().invoke(app, ["show", "further", "--json"]).stdout)
    evaluation = report["stages"]["evaluation"]
    assert evaluation["champion"] == "v2", "what serves is the baseline, not what the run began with"
    assert evaluation["against_start"]["num_prompts"] == evaluation["num_prompts"]
    manifest = json.loads(
        (versions / report["stages"]["deployment"]["version"] / "manifest.json").read_text()
    )
    assert manifest["evaluation"] == evaluation
    shown = CliRunner().invoke(app, ["show", "further"]).stdout
    assert "against v2, which served then" in shown
    assert "against the start (" in shown
    with sqlite3.connect(Path(".rlhf", "ledger.sqlite")) as ledger:
        made = dict(
            ledger.execute("SELECT policy, max(round) FROM samples WHERE run_id = 'further' GROUP BY 1")
        )
    assert made == {"policy": 1, "baseline": 0, "adapter": 1, "champion": 2}
