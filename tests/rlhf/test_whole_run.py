"""Whole runs through the command line: a person's answers in parts, gates, rejection, and nobody asked at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call, status

pytestmark = pytest.mark.usefixtures("workplace")


def rlhf(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=answers)


def run(prompts: Path, recipe: Path, *options: str) -> Result:
    return rlhf(
        "run", str(prompts), "--recipe", str(recipe), "--adapter", "plans", "--run-id", "one", *options
    )


def report() -> Any:
    return json.loads(rlhf("show", "one", "--json").stdout)


def reviews(expected: int) -> list[str]:
    """Ids of the responses that wait for review."""
    import asyncio

    from rlhf.nodes.services import Services
    from rlhf.runs.drive import pending_of
    from rlhf.state.ledger import Ledger

    ledger = Ledger("sqlite:///.rlhf/ledger.sqlite")
    services = Services(ledger.run("one").settings)
    ledger.close()
    pending = asyncio.run(pending_of(services, "one"))
    services.close()
    assert pending is not None
    assert len(pending.requests) == expected
    return [request["args"]["response_id"] for request in pending.requests]


def test_a_run_waits_for_people_and_ends_with_a_deployed_adapter(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint, workplace: Path
) -> None:
    result = run(prompts, recipe)
    assert result.exit_code == 3, result.output
    assert "Note: vllm/scripted answers and judges: a judge may favour its own writing." in result.stderr
    asked = endpoint.count()
    waiting = report()["stages"]["feedback"]["num_review"]
    assert waiting >= 3
    assert f"{waiting} response(s) wait for review" in result.stdout
    assert rlhf("resume", "one").exit_code == 3

    [first, second] = reviews(waiting)[:2]
    part = [{"type": "edit", "response_id": first, "rating": 1, "message": "no", "reviewer": "Ana"}]
    (workplace / "part.json").write_text(json.dumps({"decisions": part}))
    result = rlhf("resume", "one", "--decisions", "part.json")
    assert result.exit_code == 3
    assert f"{waiting - 1} response(s) wait for review" in result.stdout
    assert first not in reviews(waiting - 1)

    result = rlhf("review", "one", answers="4\nfine\nq\n")
    assert result.exit_code == 3
    assert second not in reviews(waiting - 2)
    assert "Prompt:   Split $" in result.stdout

    result = rlhf("resume", "one", "--approve")
    assert result.exit_code == 3
    assert "pairs?" in result.stdout
    assert endpoint.count() == asked, "answers cost no call"

    result = rlhf("review", "one", answers="y\n")
    assert result.exit_code == 3, result.output
    assert "Promote plans?" in result.stdout
    result = rlhf("resume", "one", "--approve")
    assert result.exit_code == 0, result.output
    finished = report()
    assert finished["status"] == "finished"
    assert finished["stages"]["deployment"]["alias"] == "champion"
    assert Path(finished["stages"]["deployment"]["path"], "adapter_model.safetensors").is_file()
    assert "champion" in rlhf("adapters").stdout
    assert rlhf("resume", "one", "--approve").exit_code == 2


def test_training_is_rejected_and_a_second_run_finds_its_verdicts_in_the_ledger(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint
) -> None:
    recipe.write_text(recipe.read_text().replace("score_band = 20.0", 'mode = "off"'))
    assert run(prompts, recipe).exit_code == 3
    result = rlhf("resume", "one", "--reject")
    assert result.exit_code == 0, result.output
    finished = report()
    assert (finished["status"], finished["stages"]["training"]["adapter_path"]) == ("finished", None)
    assert "Training was rejected" in finished["note"]

    asked = endpoint.count(is_judge_call)
    recipe.write_text(recipe.read_text().replace("min_margin = 5.0", "min_margin = 100.0"))
    result = rlhf("run", str(prompts), "--recipe", str(recipe), "--adapter", "plans")
    assert endpoint.count(is_judge_call) == asked
    assert result.exit_code == 4, "no pair survives"
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert "min_margin" in line, "says which filter took them"


def test_yes_asks_nobody_and_a_hold_stays_a_candidate(prompts: Path, recipe: Path) -> None:
    result = run(prompts, recipe, "--yes")
    assert result.exit_code == 0, result.output
    stages = report()["stages"]
    expected = "champion" if stages["evaluation"]["verdict"] == "ship" else "candidate"
    assert stages["deployment"]["alias"] == expected
    for stage in ("generation", "feedback", "dataset", "training", "evaluation", "deployment"):
        assert f"\n{stage}" in result.stderr


def test_a_dead_endpoint_fails_the_run_and_a_mended_one_finishes_it(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint
) -> None:
    script = endpoint.script
    endpoint.script = status(401)
    result = run(prompts, recipe)
    assert result.exit_code == 4, result.output
    assert "401" in result.stderr
    assert "unexpected" not in result.stderr
    endpoint.forget()

    endpoint.script = lambda request: status(401)(request) if is_judge_call(request.body) else script(request)
    result = rlhf("resume", "one")
    assert result.exit_code == 4, result.output
    assert "401" in result.stderr
    assert report()["status"] == "failed"
    assert "rlhf resume one" in rlhf("show", "one").stdout
    generated = endpoint.count() - endpoint.count(is_judge_call)
    endpoint.script = script
    assert rlhf("resume", "one").exit_code == 3
    assert endpoint.count() - endpoint.count(is_judge_call) == generated, "no response is made twice"
