"""Judging from Python: the same verdicts as the command line, from plain code, running loops and threads."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlhf import MultiAgentRLHF, SyntheticFeedbackGenerator
from rlhf.cli import app
from rlhf.state.errors import InputError, RlhfError, SettingsError
from rlhf.state.files.feedback import without_the_result
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

GOOD = "Step 1: put $60 into Amazon by May.\nStep 2: put $40 into CVS by June.\nStep 3: measure.\nStep 4: report."
POOR = "Money is good."
PROMPT = "Split $100 between Amazon and CVS."
WEIGHTS = {
    "accuracy": 0.30,
    "brand_alignment": 0.20,
    "compliance": 0.25,
    "clarity": 0.15,
    "actionability": 0.10,
}


def test_one_response_gets_scores_a_rating_and_a_choice(generator: SyntheticFeedbackGenerator) -> None:
    feedback = generator.generate_feedback(PROMPT, GOOD, {"brand": "Acme"})
    assert feedback.overall_rating == 4
    assert feedback.overall_rating == feedback.rating == feedback["rating"]
    assert feedback.task_type == "budgeting"
    for name, part in feedback.dimensions.items():
        assert getattr(feedback, f"{name}_score") == part.score
    assert feedback.confidence is not None
    assert 0 < feedback.confidence <= 1


def test_python_and_the_command_line_judge_alike_and_pay_once(
    generator: SyntheticFeedbackGenerator, endpoint: ScriptedEndpoint, recipe: Path
) -> None:
    feedback = generator.generate_feedback(PROMPT, GOOD)
    asked = endpoint.count(is_judge_call)
    arguments = ["--prompt", PROMPT, "--response", GOOD, "--task-type", "budgeting", "--recipe", str(recipe)]
    told = CliRunner().invoke(app, ["judge", *arguments, "--json"])
    assert without_the_result(json.loads(told.stdout)) == feedback.model_dump(mode="json")
    assert endpoint.count(is_judge_call) == asked == 5


def test_a_batch_keeps_its_order_and_its_width(
    generator: SyntheticFeedbackGenerator, endpoint: ScriptedEndpoint
) -> None:
    examples = [{"prompt": PROMPT, "output": f"{text} {n}"} for n in range(3) for text in (GOOD, POOR)]
    found = generator.generate_batch(examples, batch_size=1)
    assert [feedback.response for feedback in found] == [example["output"] for example in examples]
    assert endpoint.most_at_once <= 5, "one response at a time is five judgements"
    assert generator.generate_batch([], batch_size=4) == []


@pytest.mark.parametrize(
    ("examples", "batch_size", "told"),
    [
        ([{"prompt": PROMPT}], 10, "example 1: output is missing"),
        ([{"prompt": PROMPT, "output": GOOD}, {"output": GOOD}], 10, "example 2: prompt is missing"),
        ([{"prompt": PROMPT, "output": 7}], 10, "example 1: output must be text, not a number"),
        (["text"], 10, "example 1: a row must be an object"),
        ([{"prompt": PROMPT, "output": GOOD, "task_type": "nonsense"}], 10, "nonsense"),
        ([{"prompt": PROMPT, "output": GOOD}], 0, "batch_size is 0"),
        ([{"prompt": PROMPT, "output": GOOD}], True, "batch_size is True"),
    ],
)
def test_an_example_that_cannot_be_used_is_named_before_anything_is_asked(
    generator: SyntheticFeedbackGenerator,
    endpoint: ScriptedEndpoint,
    examples: list[dict[str, str]],
    batch_size: int,
    told: str,
) -> None:
    with pytest.raises(InputError, match=told):
        generator.generate_batch(examples, batch_size)
    assert endpoint.count() == 0


def test_a_task_type_that_does_not_exist_is_named(recipe: Path) -> None:
    with pytest.raises(RlhfError, match="poetry_slam"):
        SyntheticFeedbackGenerator("poetry_slam", recipe=recipe)


def test_plain_calls_work_inside_a_running_loop_and_asynchronous_ones_beside_them(
    generator: SyntheticFeedbackGenerator,
) -> None:
    async def notebook_cell() -> list[int | None]:
        plain = generator.generate_feedback(PROMPT, GOOD)
        first, second = await asyncio.gather(
            generator.agenerate_feedback(PROMPT, GOOD), generator.agenerate_feedback(PROMPT, POOR)
        )
        [batched] = await generator.agenerate_batch([{"prompt": PROMPT, "response": GOOD}])
        return [plain.rating, first.rating, batched.rating, second.rating]

    first, *same, other = asyncio.run(notebook_cell())
    assert same == [first, first]
    assert other != first


def test_weights_change_the_score_and_ask_nothing_again(
    generator: SyntheticFeedbackGenerator, endpoint: ScriptedEndpoint, recipe: Path
) -> None:
    known = generator.generate_feedback(PROMPT, GOOD)
    asked = endpoint.count(is_judge_call)
    only_clarity = {name: float(name == "clarity") for name in WEIGHTS}
    with MultiAgentRLHF("budgeting", only_clarity, recipe=recipe) as panel:
        feedback = panel.evaluate(PROMPT, GOOD)
    assert feedback.overall_score == feedback.clarity_score == known.clarity_score
    assert endpoint.count(is_judge_call) == asked


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"accuracy": 1.0}, "missing: brand_alignment"),
        ({**WEIGHTS, "style": 0.1}, "unknown: style"),
        ({**WEIGHTS, "accuracy": 0.5}, "sum to 1.2"),
    ],
)
def test_weights_are_whole_or_refused(recipe: Path, weights: dict[str, float], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        MultiAgentRLHF("budgeting", weights, recipe=recipe)


def test_another_judge_is_named_by_model_or_by_keys(recipe: Path, endpoint: ScriptedEndpoint) -> None:
    with MultiAgentRLHF("budgeting", recipe=recipe, judge="vllm/other") as panel:
        assert panel.evaluate(PROMPT, GOOD).overall_score is not None
    assert {body["model"] for body in endpoint.calls} == {"other"}
    local = SyntheticFeedbackGenerator(recipe="local", judge={"model": "ollama/x", "samples": 3})
    assert local.settings.judge.style == "full", "the embedded judge's shortcuts are not for a real model"
    assert (local.settings.judge.samples, local.settings.judge.base_url) == (3, None)
    with pytest.raises(SettingsError, match=r"judge\.sample: unknown key"):
        MultiAgentRLHF(recipe=recipe, judge={"sample": 3})
    with pytest.raises(SettingsError, match="gpt"):
        MultiAgentRLHF(recipe=recipe, judge="gpt")


def test_without_arguments_the_command_lines_rule_chooses(
    monkeypatch: pytest.MonkeyPatch, recipe: Path
) -> None:
    assert SyntheticFeedbackGenerator().settings.judge.model == "local"
    monkeypatch.setenv("OLLAMA_MODEL", "small")
    assert SyntheticFeedbackGenerator().settings.judge.model == "ollama/small"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert SyntheticFeedbackGenerator().settings.judge.model.startswith("openai/")
    monkeypatch.setenv("RLHF_RECIPE", str(recipe))
    assert SyntheticFeedbackGenerator().settings.judge.model == "vllm/scripted"
