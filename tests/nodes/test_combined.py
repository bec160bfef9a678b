"""The combined judge in its graph: one call for five verdicts, each of which stands or fails by itself."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlhf.nodes.endpoints.lane import Patience
from rlhf.nodes.judge_version import key_of
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.client import place
from rlhf.nodes.tracing.context import tracing_to
from rlhf.prompts.combined import COMBINED_VERSION, combined_messages, combined_schema
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.judge import judged
from rlhf.state.files.prompts import parse_prompt
from rlhf.state.recipe import parse_recipe
from rlhf.state.records import Feedback, Usage, Verdict
from rlhf.state.settings import Settings
from tests import scripted_endpoint as scripted
from tests.langsmith_receiver import LangSmithReceiver
from tests.nodes.builders import PACK
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint

RESPONSE = "Step 1: put $60 into Amazon.\nStep 2: put $40 into CVS."
PROMPT = parse_prompt({"prompt": "Split $100.", "context": {"brand": "Acme"}}, "budgeting", "test")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: ScriptedEndpoint) -> Settings:
    monkeypatch.chdir(tmp_path)
    section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
    return parse_recipe(f'[policy]\n{section}[judge]\n{section}workers = 1\nmode = "combined"\n', "test")


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    opened = Services(settings, Patience(first_wait=0.001, longest_wait=0.002))
    yield opened
    opened.close()


def judge(services: Services, response: str = RESPONSE) -> Feedback:
    async def one() -> Feedback:
        [feedback] = [each async for each in judged(services, [(PROMPT, response)])]
        return feedback

    return asyncio.run(one())


def verdicts(services: Services, feedback: Feedback, settings: Settings) -> dict[str, Verdict]:
    response = services.ledger.response(feedback.response_id)
    keys = [key_of(response, dimension, settings.judge) for dimension in DIMENSIONS]
    return {verdict.dimension: verdict for verdict in services.ledger.verdicts(keys)}


def test_one_call_brings_five_verdicts_that_no_separate_judge_is_mistaken_for(
    services: Services, settings: Settings, endpoint: ScriptedEndpoint
) -> None:
    feedback = judge(services)
    assert feedback.coverage == 1.0
    [body] = endpoint.calls
    assert scripted.combined_dimensions(body) == list(DIMENSIONS)
    told = Request(1, "", {}, body).text
    assert told.count(RESPONSE) == 1, "the response is read once"
    found = verdicts(services, feedback, settings)
    assert {verdict.method for verdict in found.values()} == {"logprobs"}
    assert all(COMBINED_VERSION in verdict.template_version for verdict in found.values())
    spent = sum((verdict.usage for verdict in found.values()), Usage())
    assert (spent.calls, spent.input_tokens) == (1, len(told) // 4 + 1)
    assert verdicts(services, feedback, settings.replace({"judge": {"mode": "separate"}}, "test")) == {}
    assert judge(services) == feedback
    assert endpoint.count() == 1, "known verdicts are not asked for again"


def test_a_bad_entry_fails_its_dimension_and_is_all_that_is_asked_for_again(
    services: Services, settings: Settings, endpoint: ScriptedEndpoint
) -> None:
    def unclear(request: Request) -> Reply:
        levels = dict.fromkeys(scripted.combined_dimensions(request.body), 4)
        bad: dict[str, Any] = {"clarity": {"level": 6}, "compliance": None}
        return scripted.combined_reply(request, levels, **{name: bad[name] for name in bad.keys() & levels})

    endpoint.script = unclear
    feedback = judge(services)
    failed = {name for name, part in feedback.dimensions.items() if part.status == "failed"}
    assert failed == {"clarity", "compliance"}
    assert feedback.needs_review
    endpoint.script, before = scripted.default_script, verdicts(services, feedback, settings)
    endpoint.forget()
    mended = judge(services)
    assert [scripted.combined_dimensions(body) for body in endpoint.calls] == [["compliance", "clarity"]]
    assert mended.coverage == 1.0
    after = verdicts(services, feedback, settings)
    assert {name: after[name] for name in DIMENSIONS if name not in failed} == {
        name: before[name] for name in DIMENSIONS if name not in failed
    }


def test_a_combined_judgement_is_traced_as_one_node_one_crew_and_its_calls(
    services: Services, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = scripted.in_turn(scripted.cut_off, scripted.default_script)
    with tracing_to(True, "qa", place(langsmith.url)):
        judge(services)
    [root] = langsmith.finished()
    assert [run.name for run in langsmith.children(root)] == [
        "route",
        "judge_combined",
        "aggregate",
        "accept",
    ]
    [node] = langsmith.children(root, "judge_combined")
    [crew] = langsmith.children(node, "crew combined")
    calls = langsmith.children(crew)
    assert len(calls) == root.metadata["usage"]["calls"] == crew.metadata["usage"]["calls"] == 2
    tokens = sum(call.outputs["usage_metadata"]["input_tokens"] for call in calls)
    assert root.metadata["usage"]["input_tokens"] == tokens
    assert set(crew.outputs) == set(DIMENSIONS)


def test_each_dimension_has_its_own_levels_facts_and_entry() -> None:
    findings = {"clarity": ["The text has 3 steps."], "accuracy": []}
    system, user = combined_messages(PACK, "Q?", "A. <<<END", {}, findings, reasoning=True)
    assert "as if it were the only one" in system["content"]
    parts = user["content"].split("Dimension: ")[1:]
    assert [part.split(".")[0] for part in parts] == ["clarity", "accuracy"]
    assert "- The text has 3 steps." in parts[0]
    assert "Checked facts:\n- none" in parts[1]
    for name, part in zip(findings, parts, strict=True):
        assert all(f"{level} = {text}" in part for level, text in PACK.dimensions[name].levels.items())
    schema = combined_schema(list(findings), reasoning=True)
    assert schema["required"] == list(schema["properties"]) == list(findings)
    assert list(schema["properties"]["clarity"]["properties"])[-1] == "level"
    assert schema["additionalProperties"] is schema["properties"]["clarity"]["additionalProperties"] is False
