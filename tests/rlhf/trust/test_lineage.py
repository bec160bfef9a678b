"""Lineage: from an adapter down to each verdict, its judge, its evidence, its time and its trace."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.client import place
from rlhf.nodes.tracing.context import tracing_to
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.judge import judged
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import parse_prompt
from rlhf.state.recipe import load_recipe
from rlhf.trust.lineage import lineage
from rlhf.trust.lineage_records import AdapterOrigin, PairOrigin, ResponseOrigin
from tests.langsmith_receiver import LangSmithReceiver
from tests.scripted_endpoint import ScriptedEndpoint

pytestmark = pytest.mark.usefixtures("workplace")


def rlhf(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def run(prompts: Path, recipe: Path, *options: str) -> Result:
    named = ("--recipe", str(recipe), "--adapter", "plans", "--run-id", "one")
    return rlhf("run", str(prompts), *named, *options)


def told(reference: str, recipe: Path) -> Any:
    result = rlhf("lineage", reference, "--json", "--recipe", str(recipe))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def complaint(reference: str, recipe: Path) -> str:
    result = rlhf("lineage", reference, "--recipe", str(recipe))
    assert result.exit_code == 2, result.output
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


def test_from_a_deployed_adapter_down_to_each_verdict(prompts: Path, recipe: Path) -> None:
    assert run(prompts, recipe, "--yes").exit_code == 0
    adapter = told("plans", recipe)
    assert (adapter["kind"], adapter["version"], adapter["run_id"], adapter["round"]) == (
        "adapter",
        "v1",
        "one",
        1,
    )
    assert adapter["dataset_intact"]
    rows = Path(adapter["dataset"]).read_text().splitlines()
    assert len(adapter["pairs"]) == len(rows) > 0
    assert told("plans@v1", recipe) == adapter
    for pair in adapter["pairs"]:
        row = json.loads(rows[int(pair["dataset"].rpartition("#")[2]) - 1])
        assert row["chosen_key"] == pair["chosen"]["response_key"]
        assert row["rejected"][0]["content"] == pair["rejected"]["response"]
        assert pair["margin"] == pytest.approx(
            pair["chosen"]["overall_score"] - pair["rejected"]["overall_score"], abs=1e-3
        )
        for side in (pair["chosen"], pair["rejected"]):
            assert [v["dimension"] for v in side["verdicts"]] == sorted(DIMENSIONS)
            for verdict in side["verdicts"]:
                assert verdict["endpoint"] == "vllm/scripted"
                assert verdict["rationale"]
                assert verdict["evidence"]
                assert verdict["rubric_version"]
                assert verdict["template_version"]
                assert (verdict["asked_by"], verdict["trace"]) == ("one", None)
                age = datetime.now(UTC) - datetime.fromisoformat(verdict["judged_at"])
                assert timedelta(0) <= age + timedelta(seconds=2) < timedelta(minutes=10)

    pair = adapter["pairs"][0]
    chosen, rejected = pair["chosen"]["response_key"], pair["rejected"]["response_key"]
    assert told(f"{chosen}:{rejected}", recipe) == pair
    assert told(f"{chosen[:9]}:{rejected[:9]}", recipe) == pair
    assert told(pair["dataset"], recipe)["chosen"] == pair["chosen"]
    assert told(chosen[:12], recipe) == pair["chosen"]

    tree = rlhf("lineage", "plans", "--recipe", str(recipe)).stdout
    assert "adapter plans v1" in tree
    assert "judged by vllm/scripted" in tree
    assert "trace none: tracing was off" in tree
    if len(rows) > 3:
        assert f"… {len(rows) - 3} more pairs" in tree
    whole = rlhf("lineage", "plans", "--full", "--recipe", str(recipe)).stdout
    assert all(p["chosen"]["response_key"] in whole for p in adapter["pairs"])
    assert "more pairs" not in whole

    Path(adapter["dataset"]).unlink()
    without = told("plans", recipe)
    assert not without["dataset_intact"]
    assert [p["dataset"] for p in without["pairs"]] == [None] * len(rows)

    assert "Adapters: plans" in complaint("nonsense", recipe)
    assert "versions: v1" in complaint("plans@v7", recipe)


def test_people_are_named_with_what_they_said_and_when(prompts: Path, recipe: Path, workplace: Path) -> None:
    assert run(prompts, recipe).exit_code == 3
    waiting = json.loads(rlhf("reweigh", "one", "--json", "--recipe", str(recipe)).stdout)
    assert waiting["review_after"] > 0
    from rlhf.state.ledger import Ledger

    ledger = Ledger("sqlite:///.rlhf/ledger.sqlite")
    made = [s.response_key for s in ledger.samples("one", "policy", 1) if s.response_key]
    key = next(k for k, f in ledger.feedback("one", made).items() if f.needs_review)
    ledger.close()
    decision = {"type": "edit", "response_id": key, "rating": 2, "message": "too vague", "reviewer": "Ana"}
    (workplace / "one.json").write_text(json.dumps({"decisions": [decision]}))
    assert rlhf("resume", "one", "--decisions", "one.json").exit_code == 3
    origin = lineage(key, recipe=str(recipe))
    assert isinstance(origin, ResponseOrigin)
    [person] = origin.people
    assert (person.reviewer, person.rating, person.comment, person.run_id) == ("Ana", 2, "too vague", "one")
    assert person.given_at is not None
    assert origin.review_reasons
    assert origin.made_by == "policy vllm/scripted"
    text = rlhf("lineage", key, "--recipe", str(recipe)).stdout
    assert re.search(r"Ana rated it 2 on \d{4}-\d\d-\d\d .*too vague", text)


def test_a_derived_run_leads_back_to_the_run_that_asked(prompts: Path, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("score_band = 20.0", 'mode = "off"'))
    assert run(prompts, recipe).exit_code == 3
    result = json.loads(rlhf("reweigh", "one", "--json", "--recipe", str(recipe)).stdout)
    pair = lineage(f"{result['dataset']['path']}#1", recipe=str(recipe))
    assert isinstance(pair, PairOrigin)
    assert pair.run_id == "one-w1"
    assert {verdict.asked_by for verdict in pair.chosen.verdicts} == {"one"}
    assert pair.chosen.other_runs == ["one"]

    assert rlhf("resume", "one-w1").exit_code == 3, "training waits for a person"
    assert rlhf("resume", "one-w1", "--approve").exit_code == 3, "and so does deployment"
    assert rlhf("resume", "one-w1", "--approve").exit_code == 0
    adapter = lineage("plans", recipe=str(recipe))
    assert isinstance(adapter, AdapterOrigin)
    assert adapter.run_id == "one-w1"
    assert adapter.derived_from == ["one"]
    assert "derived from one" in rlhf("lineage", "plans", "--recipe", str(recipe)).stdout


def test_a_traced_judgement_keeps_its_trace(
    recipe: Path, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    row = parse_prompt({"prompt": "Split $100 between Amazon and CVS."}, "budgeting", "test")
    services = Services(load_recipe(str(recipe)))

    async def judge(text: str) -> str:
        [found] = [found async for found in judged(services, [(row, text)])]
        return found.response_id

    with tracing_to(True, "qa", place(langsmith.url)):
        traced = asyncio.run(judge("Put $60 into Amazon and $40 into CVS."))
    untraced = asyncio.run(judge("Nothing."))
    services.close()
    [root] = langsmith.finished()
    origin = lineage(traced, recipe=str(recipe))
    assert isinstance(origin, ResponseOrigin)
    assert origin.run_id is None
    assert origin.trace is not None
    assert (origin.trace.trace_id, origin.trace.trace_run_id, origin.trace.project) == (
        root.trace_id,
        root.id,
        "qa",
    )
    assert [verdict.trace for verdict in origin.verdicts] == [origin.trace] * len(DIMENSIONS)
    assert all(verdict.evidence for verdict in origin.verdicts)
    assert root.trace_id in rlhf("lineage", traced, "--recipe", str(recipe)).stdout
    other = lineage(untraced, recipe=str(recipe))
    assert isinstance(other, ResponseOrigin)
    assert other.trace is None


def test_in_a_traced_run_each_response_keeps_its_own_part_of_the_trace(
    prompts: Path, recipe: Path, langsmith: LangSmithReceiver
) -> None:
    recipe.write_text(recipe.read_text().replace("score_band = 20.0", 'mode = "off"'))
    with tracing_to(True, "qa", place(langsmith.url)):
        assert run(prompts, recipe).exit_code == 3
    result = json.loads(rlhf("reweigh", "one", "--json", "--recipe", str(recipe)).stdout)
    for number in range(1, result["dataset"]["num_examples"] + 1):
        pair = lineage(f"{result['dataset']['path']}#{number}", recipe=str(recipe))
        assert isinstance(pair, PairOrigin)
        for side in (pair.chosen, pair.rejected):
            assert side.trace is None, "the derived run judged nothing"
            [trace] = {verdict.trace for verdict in side.verdicts}
            assert trace is not None
            judging = langsmith.runs[trace.trace_run_id]
            assert (judging.name, judging.trace_id) == ("judge", trace.trace_id)
            assert judging.inputs["response_id"] == side.response_key


def test_what_is_not_there_is_said_plainly(recipe: Path, workplace: Path) -> None:
    assert "There are no adapters" in complaint("plans", recipe)
    assert "no adapter 'plans'" in complaint("plans@v1", recipe)
    assert "holds no response abcdef" in complaint("abcdef", recipe)
    assert "No run has a pair" in complaint("abcd:abcd", recipe)
    assert "names no pair" in complaint("one:two", recipe)
    assert "cannot be read" in complaint("there.jsonl#1", recipe)


def test_a_beginning_that_several_keys_share_names_them(recipe: Path, workplace: Path) -> None:
    services = Services(load_recipe(str(recipe)))
    row = parse_prompt({"prompt": "What next?"}, "general", "test")
    services.ledger.add_prompt(row)
    keys = ["abcd1" + "0" * 19, "abcd2" + "0" * 19]
    services.ledger.add_responses([(key, row.key, "this") for key in keys])
    services.close()
    with pytest.raises(InputError, match=r"abcd1.*abcd2"):
        lineage("abcd", recipe=str(recipe))
    origin = lineage("abcd1", recipe=str(recipe))
    assert isinstance(origin, ResponseOrigin)
    assert origin.verdicts == []
    assert "not judged" in rlhf("lineage", "abcd1", "--recipe", str(recipe)).stdout


def test_what_a_model_wrote_cannot_command_a_terminal(recipe: Path) -> None:
    services = Services(load_recipe(str(recipe)))
    row = parse_prompt({"prompt": "What next?"}, "general", "test")
    services.ledger.add_prompt(row)
    services.ledger.add_responses([("abcd" + "0" * 20, row.key, "\x1b[2J[bold]gone[/bold]\x9b1m")])
    services.close()
    shown = rlhf("lineage", "abcd", "--recipe", str(recipe)).stdout
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "[bold]gone[/bold]" in shown
