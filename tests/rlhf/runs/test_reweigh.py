"""`rlhf reweigh` on a run made through the command line: no call, a run beside the old one, and on to training."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import rlhf.runs.reweigh
from rlhf.cli import app
from rlhf.cli.reweigh import parsed_weights
from rlhf.state.errors import InputError
from tests.scripted_endpoint import ScriptedEndpoint

pytestmark = pytest.mark.usefixtures("workplace")

WEIGHTS = {"accuracy": 0.4, "brand_alignment": 0.1, "compliance": 0.2, "clarity": 0.1, "actionability": 0.2}


def rlhf_(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def report(run_id: str) -> Any:
    return json.loads(rlhf_("show", run_id, "--json").stdout)


def dataset_of(run_id: str) -> bytes:
    return Path(report(run_id)["stages"]["dataset"]["path"]).read_bytes()


@pytest.fixture
def judged(prompts: Path, recipe: Path, endpoint: ScriptedEndpoint) -> ScriptedEndpoint:
    """A run of one that waits for its training to be approved; people were asked nothing."""
    recipe.write_text(recipe.read_text().replace("score_band = 20.0", 'mode = "off"'))
    options = ("--recipe", str(recipe), "--adapter", "plans", "--run-id", "one")
    assert rlhf_("run", str(prompts), *options).exit_code == 3
    return endpoint


def test_the_same_settings_give_the_same_dataset_and_training_goes_on_from_there(
    judged: ScriptedEndpoint, recipe: Path
) -> None:
    calls = judged.count()
    before = report("one")
    result = rlhf_("reweigh", "one", "--recipe", str(recipe))
    assert result.exit_code == 0, result.output
    assert "Run one-w1, derived from one round 1" in result.stdout
    assert "nothing: the same settings" in result.stdout
    assert report("one") == before
    assert dataset_of("one-w1") == dataset_of("one")
    assert "go on to review and training" in rlhf_("show", "one-w1").stdout
    assert "one-w1" in rlhf_("runs").stdout

    result = rlhf_("resume", "one-w1")
    assert result.exit_code == 3, result.output
    assert "pairs?" in result.stdout
    assert judged.count() == calls, "neither deriving nor going on asked anything"
    result = rlhf_("resume", "one-w1", "--approve")
    assert result.exit_code == 3, result.output
    assert "Promote plans?" in result.stdout
    assert report("one-w1")["stages"]["training"]["adapter_path"]


def test_other_settings_say_what_changed(judged: ScriptedEndpoint, recipe: Path) -> None:
    calls = judged.count()
    weights = ",".join(f"{name}={weight}" for name, weight in WEIGHTS.items())
    options = ("--weights", weights, "--threshold", "55", "--min-margin", "1", "--recipe", str(recipe))
    told = rlhf_("reweigh", "one", *options)
    assert told.exit_code == 0, told.output
    assert "acceptance.min_score_acceptable = 55.0" in told.stdout
    assert "calls       0" in told.stdout
    result = json.loads(rlhf_("reweigh", "one", *options, "--json").stdout)
    assert result["run_id"] == "one-w2"
    assert result["changes"]["acceptance.weights"] == WEIGHTS
    stages = report("one-w2")["stages"]
    assert stages["feedback"]["avg_score"] == result["mean_score_after"]
    assert report("one")["stages"]["feedback"]["avg_score"] == result["mean_score_before"]
    assert stages["dataset"] == result["dataset"]
    assert judged.count() == calls


def test_from_python_it_is_the_same(
    judged: ScriptedEndpoint, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_RECIPE", str(recipe))
    result = rlhf.runs.reweigh.reweigh("one", weights=WEIGHTS, evidence_weight=0.5)
    assert set(result.changes) == {"acceptance.weights", "judge.evidence_weight"}
    assert report("one-w1")["stages"]["feedback"]["avg_score"] == result.mean_score_after


def test_people_are_asked_in_the_new_run_and_its_dataset_waits_for_them(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint
) -> None:
    options = ("--recipe", str(recipe), "--adapter", "plans", "--run-id", "one")
    assert rlhf_("run", str(prompts), *options).exit_code == 3
    result = json.loads(rlhf_("reweigh", "one", "--json", "--recipe", str(recipe)).stdout)
    assert result["dataset"]["provisional"]
    assert rlhf_("resume", "one-w1").exit_code == 3
    first = report("one-w1")["stages"]["dataset"]
    result = rlhf_("resume", "one-w1", "--reject")
    assert result.exit_code == 3, result.output
    assert "pairs?" in result.stdout
    assert report("one-w1")["stages"]["dataset"] != first, "every waiting response is rejected now"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("accuracy=0.4, clarity=0.6", {"accuracy": 0.4, "clarity": 0.6}),
        ('{"accuracy": 0.4, "clarity": "0.6"}', {"accuracy": 0.4, "clarity": 0.6}),
    ],
)
def test_weights_are_pairs_or_json(text: str, found: dict[str, float]) -> None:
    assert parsed_weights(text) == found


@pytest.mark.parametrize("text", ["accuracy", "accuracy=much", "a=1,a=2", "{", "[1]", '{"a": true}', "a=nan"])
def test_other_weights_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--weights cannot be read"):
        parsed_weights(text)


def test_mistakes_are_one_plain_line(judged: ScriptedEndpoint, recipe: Path) -> None:
    for arguments, word in (
        (["nobody"], "no run"),
        (["one", "--weights", "accuracy=1"], "missing"),
        (["one", "--selection", "best"], "dataset.selection"),
        (["one", "--threshold", "170"], "min_score_acceptable"),
    ):
        result = rlhf_("reweigh", *arguments, "--recipe", str(recipe))
        assert result.exit_code == 2, result.output
        [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert word in line
