"""An endpoint that goes wrong on 30 % of its calls, in every way: no fault becomes a number, and a retry mends all."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from rlhf.nodes.crews.levels import scored
from rlhf.nodes.crews.readings import read_choice
from rlhf.nodes.endpoints.lane import Patience
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.drive import Outcome, advance, register
from rlhf.runs.retry import retry_run
from rlhf.state.files.prompts import parse_rows
from rlhf.state.recipe import parse_recipe
from rlhf.state.records import FailureKind, ResponseRow, Verdict
from rlhf.state.settings import Settings
from tests.chaos import CONNECTION, JUDGING, Chaos, questions, steady_level
from tests.rlhf.conftest import STORES
from tests.scripted_endpoint import Request, ScriptedEndpoint, is_judge_call, verdict_reply

SHORT = Patience(first_wait=0.002, longest_wait=0.01)
VARIATIONS = 5

RECIPE = """
task_type = "budgeting"
[policy]
model = "vllm/scripted"
base_url = {url}
timeout = 4.0
[judge]
model = "vllm/scripted"
base_url = {url}
timeout = 4.0
workers = 2
mode = {mode}
[pipeline]
num_variations_per_prompt = 5
held_out_fraction = 0.0
dataset_dir = {folder}
[review]
mode = "off"
[dataset]
selection = "margin"
min_margin = 5.0
[training]
base_model = {model}
[storage]
ledger_url = {ledger}
checkpoint_url = {checkpoints}
"""


@pytest.fixture
def chaos() -> Chaos:
    return Chaos(seed=11, share=0.3)


@pytest.fixture
def endpoint(chaos: Chaos) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(chaos) as server:
        yield server


def opened(folder: Path, endpoint: ScriptedEndpoint, model: Path, mode: str) -> Services:
    values = {
        "url": endpoint.base_url,
        "mode": mode,
        "folder": str(folder / "data"),
        "model": str(model),
        "ledger": f"sqlite:///{folder / 'ledger.sqlite'}",
        "checkpoints": f"sqlite:///{folder / 'checkpoints.sqlite'}",
    }
    recipe = RECIPE.format(**{name: json.dumps(value) for name, value in values.items()})
    settings: Settings = parse_recipe(recipe, "chaos")
    return Services(settings, SHORT)


def run(services: Services, responses: int) -> Outcome:
    texts = [f"Split ${7 * n + 3},000 between {STORES[n % 4]}." for n in range(responses // VARIATIONS)]
    rows = parse_rows([{"prompt": text} for text in texts], "budgeting", "chaos")
    register(services, "plans", rows, "chaos", "one")
    return asyncio.run(advance(services, "one", lambda progress: None))


def right_score(response: str, dimension: str) -> float:
    """What the undisturbed endpoint's verdict is worth."""
    request = Request(1, "", {}, {"logprobs": True})
    reply = verdict_reply(request, steady_level(response, dimension))
    assert isinstance(reply.body, dict)
    score = scored([read_choice(reply.body["choices"][0], compact=False)]).score
    assert score is not None
    return score


def verdicts_of_run(services: Services) -> tuple[dict[str, ResponseRow], dict[tuple[str, str], Verdict]]:
    """The run's responses, and its verdicts by what they answer."""
    from rlhf.nodes.judge_version import key_of

    ledger = services.ledger
    keys = [sample.response_key for sample in ledger.samples("one", "policy", 1) if sample.response_key]
    responses = ledger.responses(keys)
    asked = {
        key_of(row, dimension, services.settings.judge): (row.text, dimension)
        for row in responses.values()
        for dimension in DIMENSIONS
    }
    return responses, {asked[verdict.key]: verdict for verdict in ledger.verdicts(asked)}


@pytest.mark.parametrize(("mode", "count"), [("separate", 200), ("combined", 60)])
def test_no_fault_becomes_a_number_and_a_retry_asks_only_what_is_missing(
    tmp_path: Path,
    tiny_model: Path,
    chaos: Chaos,
    endpoint: ScriptedEndpoint,
    mode: Literal["separate", "combined"],
    count: int,
) -> None:
    services = opened(tmp_path, endpoint, tiny_model, mode)
    try:
        outcome = run(services, count)
        assert outcome.pending is not None
        assert outcome.pending.name == "approve_training", "the run went all the way"
        faults = sum(chaos.injected.values())
        assert 0.25 < faults / endpoint.count() < 0.35
        if count == 200:
            assert {*CONNECTION, *JUDGING, "timeout"} == set(chaos.injected)

        responses, verdicts = verdicts_of_run(services)
        unmade = sum(row.response_key is None for row in services.ledger.samples("one", "policy", 1))
        assert len(verdicts) == 5 * len(responses)
        failed = {question for question, verdict in verdicts.items() if verdict.status == "failed"}
        assert failed, "some verdicts are lost"
        for question, verdict in verdicts.items():
            if verdict.status == "scored":
                assert verdict.score == pytest.approx(right_score(*question)), question
            else:
                assert verdict.failure in set(FailureKind)
                assert (verdict.score, verdict.confidence, verdict.method) == (None, None, None)
                assert verdict.error
        stage = outcome.report.stages.feedback
        assert stage.num_failed == len(failed)
        assert stage.coverage is not None
        assert stage.coverage < 1.0
        entries = services.ledger.feedback("one", responses).values()
        assert failed == {
            (entry.response, name)
            for entry in entries
            for name, part in entry.dimensions.items()
            if part.score is None
        }
        assert services.ledger.usage("one").calls == endpoint.count()

        chaos.calm = True
        endpoint.forget()
        done = asyncio.run(retry_run(services, "one", lambda progress: None))
        judged = [question for body in endpoint.calls if is_judge_call(body) for question in questions(body)]
        after, now = verdicts_of_run(services)
        new = {(row.text, name) for key, row in after.items() if key not in responses for name in DIMENSIONS}
        assert set(judged) == failed | new
        written = [body for body in endpoint.calls if not is_judge_call(body)]
        assert len({(body["messages"][0]["content"], body["seed"]) for body in written}) == unmade
        assert (done.num_verdicts, done.num_scored) == (len(failed), len(failed))
        assert (done.num_samples, done.num_made) == (unmade, unmade)
        assert (done.failures, done.left_alone) == ([], [])
        assert done.coverage_after == 1.0
        assert done.outdated == ["dataset of round 1"]
        assert done.usage.calls == endpoint.count()
        assert len(now) == 5 * len(after)
        assert all(verdict.score == pytest.approx(right_score(*what)) for what, verdict in now.items())

        endpoint.forget()
        again = asyncio.run(retry_run(services, "one", lambda progress: None))
        assert (endpoint.count(), again.num_verdicts, again.num_samples) == (0, 0, 0)
    finally:
        services.close()
