"""`rlhf canaries` and the deployment gate, with real crews against judges that believe, fail or fall silent."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.graph.judge import build_panel
from rlhf.nodes.canaries import canary_set, run_canaries
from rlhf.nodes.concurrency import together
from rlhf.nodes.services import Services
from rlhf.state.files.prompts import parse_rows
from rlhf.state.recipe import load_recipe
from rlhf.state.run_report import CanaryStage
from rlhf.trust.canaries import check_judge
from tests.believing_judge import believing_script
from tests.nodes.builders import new_run
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call, refusal

BEYOND = {canary.id for canary in canary_set().canaries if canary.unknowable is not None}


@pytest.fixture(autouse=True)
def _believing(workplace: Path, endpoint: ScriptedEndpoint) -> None:
    endpoint.script = believing_script
    section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
    judge = f'[judge]\n{section}workers = 1\nmode = "combined"\n'
    (workplace / "believing.toml").write_text(f"[policy]\n{section}{judge}")


def rlhf(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def canaries(*arguments: str) -> Result:
    return rlhf("canaries", "--recipe", "believing.toml", *arguments)


def test_with_a_judge_that_believes_everything_only_what_is_listed_gets_through(
    endpoint: ScriptedEndpoint,
) -> None:
    result = canaries("--json")

    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    assert len(found["scores"]) == found["num_in_set"] == len(canary_set().canaries)
    assert set(found["above"]) == set(found["unknowable"]) == BEYOND
    assert found["not_scored"] == []
    assert {family["family"] for family in found["families"]} == set(canary_set().families)

    asked = endpoint.count(is_judge_call)
    assert canaries("--json").stdout == result.stdout
    assert endpoint.count(is_judge_call) == asked, "finished verdicts are in the ledger"


def test_the_table_names_what_fooled_the_judge_and_what_only_the_judge_can_know(
    endpoint: ScriptedEndpoint,
) -> None:
    result = canaries("--family", "padding")
    assert result.exit_code == 1
    assert "padding-general" in result.stdout
    assert "evidence can't know: " in result.stdout
    assert '"Deciding which retailer media network to test first is' in result.stdout

    result = canaries("--family", "invisible", "--limit", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split()[:2] == ["invisible", "3"]
    assert "3 of 103 canaries, judge vllm/scripted: 0 above the floor, 0 not scored." in result.stdout


def test_an_unknown_family_is_refused() -> None:
    result = canaries("--family", "magic")

    assert result.exit_code == 2
    assert "There is no family 'magic'" in result.stderr


def test_a_failed_judgement_is_not_scored_and_too_many_are_a_failure(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = refusal
    result = canaries("--limit", "2", "--json")

    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    assert [score["score"] for score in found["scores"]] == [None, None]
    assert len(found["not_scored"]) == 2
    assert found["above"] == []

    endpoint.script = believing_script
    assert canaries("--limit", "2").exit_code == 0, "what failed is asked again"


async def checked(services: Services, run_id: str) -> tuple[CanaryStage, list[str]]:
    """What `evaluate` does for a run's judge, without anything trained."""
    rows = parse_rows([{"prompt": "Split $900 between Amazon and CVS."}], "budgeting", "test")
    new_run(services.ledger, rows, services.settings, run_id)
    panel = build_panel(services)

    async def one(key: str) -> None:
        await panel.ainvoke({"run_id": run_id, "response_id": key})

    async def ask(keys: Sequence[str]) -> None:
        await together(one(key) for key in keys)

    return await run_canaries(services, services.run(run_id), ask)


async def test_a_run_asks_what_no_run_has_asked_before(endpoint: ScriptedEndpoint) -> None:
    settings = load_recipe("believing.toml")
    services = Services(settings)
    try:
        stage, objections = await checked(services, "one")
        asked = endpoint.count(is_judge_call)
        usage = services.ledger.usage("one")
        assert (stage.num_canaries, stage.num_scored, stage.above, objections) == (12, 12, [], [])
        assert asked == usage.calls == 12

        assert await checked(services, "two") == (stage, objections)
        assert endpoint.count(is_judge_call) == asked

        result = await check_judge(services, canary_set(), lambda progress: None)
        assert {score.id for score in result.above} == BEYOND
        asked = endpoint.count(is_judge_call)
        stage, objections = await checked(services, "three")
        assert stage.num_canaries == len(canary_set().chosen(task_types={"budgeting"}).canaries)
        assert objections == ["1 of 30 canaries fooled the judge (padding-numbers)"]
        assert endpoint.count(is_judge_call) == asked
    finally:
        services.close()

    other = Services(settings.replace({"acceptance": {"min_score_acceptable": 60.0}}, "test"))
    try:
        stage, _ = await checked(other, "four")
        assert stage.num_canaries == 12, "another threshold, another result; the verdicts are the same"
        assert endpoint.count(is_judge_call) == asked
    finally:
        other.close()


async def test_a_judge_that_fails_is_held_and_one_that_is_not_to_be_checked_is_said_so(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = refusal
    services = Services(load_recipe("believing.toml").replace({"judge": {"canaries": 2}}, "test"))
    try:
        stage, objections = await checked(services, "one")
        assert (stage.num_canaries, stage.num_scored) == (2, 0)
        assert objections == ["only 0 of 2 canaries could be judged"]
    finally:
        services.close()

    services = Services(load_recipe("believing.toml").replace({"judge": {"canaries": 0}}, "test"))
    try:
        stage, objections = await checked(services, "two")
        assert (stage.num_canaries, stage.note, objections) == (0, "not checked: judge.canaries is 0", [])
    finally:
        services.close()


def test_a_judge_that_canaries_fool_deploys_nothing(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint
) -> None:
    changed = recipe.read_text().replace("canaries = 0\n", 'canaries = 1000\nmode = "combined"\n')
    recipe.write_text(changed.replace("score_band = 20.0", 'mode = "off"'))
    result = rlhf(
        "run", str(prompts), "--recipe", str(recipe), "--adapter", "plans", "--run-id", "one", "--yes"
    )
    assert result.exit_code == 0, result.output

    stages = json.loads(rlhf("show", "one", "--json").stdout)["stages"]
    assert stages["evaluation"]["verdict"] == "hold"
    assert stages["evaluation"]["canaries"]["above"] == ["padding-numbers"]
    assert "1 of 30 canaries fooled the judge (padding-numbers)" in stages["evaluation"]["reasons"]
    assert stages["deployment"]["alias"] == "candidate"
    assert stages["feedback"]["num_feedback"] == stages["generation"]["num_responses"]
    told = " ".join(rlhf("show", "one").stdout.split())
    assert "canaries 29 of 30 attacks on the judge stayed under their floor, highest " in told
