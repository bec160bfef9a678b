"""A against B: models, adapters and recorded feedback, who wins, and what is asked again (nothing)."""

import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.monitor import RLHFMonitor
from rlhf.state.errors import InputError
from rlhf.state.files.feedback import read_feedback
from rlhf.state.ledger import Ledger
from rlhf.state.records import DimensionFeedback, Feedback
from rlhf.training.registry import store
from rlhf.trust.comparison import VersionComparison, compare_feedback
from tests.rlhf.conftest import PROMPTS
from tests.scripted_endpoint import (
    Reply,
    Request,
    ScriptedEndpoint,
    default_script,
    is_judge_call,
    status,
    text_reply,
)


def judged(prompt: str, score: float | None, **changes: Any) -> Feedback:
    part = DimensionFeedback(status="failed" if score is None else "scored", score=score)
    fields: dict[str, Any] = {
        "prompt": prompt,
        "response": f"{prompt}: {score}",
        "prompt_id": f"id of {prompt}",
        "overall_score": score,
        "rating": None if score is None else min(5, 1 + int(score // 20)),
        "coverage": 0.0 if score is None else 1.0,
        "dimensions": {"clarity": part},
    }
    return Feedback(**fields | changes)


def version(middle: float, seed: int, count: int = 12) -> list[Feedback]:
    chance = random.Random(seed)
    return [judged(f"prompt {number}", middle + chance.uniform(-8, 8)) for number in range(count)]


# --- versions, from Python ---------------------------------------------------------------------------


def test_the_better_version_wins_with_its_interval(monitor: RLHFMonitor) -> None:
    found = monitor.compare_model_versions("v1", "v2", version(50.0, 1), version(70.0, 2))
    assert (found["winner"], found["rating_delta"]) == (found.winner, found.rating_delta)
    assert found.winner == "v2"
    assert found.score_delta is not None
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert 0 < found.ci_low < found.score_delta < found.ci_high
    assert found.rating_delta is not None
    assert found.rating_delta > 0
    assert found.second_score is not None
    assert found.first_score is not None
    assert found.second_score - found.first_score == pytest.approx(found.score_delta, abs=1e-3)
    assert found.dimensions["clarity"].delta == pytest.approx(found.score_delta, abs=1e-3)
    assert (found.win_rate, found.num_prompts, found.coverage) == (1.0, 12, 1.0)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert "excludes zero" in found.reasons[0]
    worse = monitor.compare_model_versions("v1", "v2", version(70.0, 2), version(50.0, 1))
    assert worse.winner == "v1"
    assert worse.score_delta == pytest.approx(-found.score_delta)


def test_versions_that_chance_could_explain_tie(monitor: RLHFMonitor) -> None:
    found = monitor.compare_model_versions("v1", "v2", version(60.0, 1), version(60.0, 2))
    assert found.winner == "tie"
    assert "includes zero" in found.reasons[0]
    same = monitor.compare_model_versions("v1", "v2", version(60.0, 1), version(60.0, 1))
    assert (same.winner, same.score_delta, same.win_rate, same.p_value) == ("tie", 0.0, 0.5, 1.0)


def test_too_few_prompts_tie_with_the_reason(monitor: RLHFMonitor) -> None:
    found = monitor.compare_model_versions("v1", "v2", version(20.0, 1, 5), version(90.0, 2, 5))
    assert found.winner == "tie"
    assert found.reasons[0] == (
        "cannot tell, about 1 more prompt needed: 5 common prompts prove nothing, 6 are the fewest"
    )
    unscored = monitor.compare_model_versions("v1", "v2", version(20.0, 1, 1), [judged("prompt 0", None)])
    assert (unscored.winner, unscored.score_delta, unscored.num_prompts) == ("tie", None, 0)
    assert unscored.reasons == ["no prompt was scored on both sides"]


def test_no_common_prompt_is_refused_with_the_way_out(monitor: RLHFMonitor) -> None:
    with pytest.raises(
        InputError, match="v1 and v2 have no prompt in common: judge responses of both to the"
    ):
        monitor.compare_model_versions("v1", "v2", [judged("a", 1.0)], [judged("b", 1.0)])
    with pytest.raises(InputError, match="v2 has no feedback"):
        monitor.compare_model_versions("v1", "v2", [judged("a", 1.0)], [])
    with pytest.raises(InputError, match="a name of its own"):
        monitor.compare_model_versions("v1", "v1", version(50.0, 1), version(50.0, 1))
    wrong: Any = [{"prompt": "a"}]
    with pytest.raises(InputError, match="v2: feedback must be Feedback objects, not dict"):
        monitor.compare_model_versions("v1", "v2", [judged("a", 1.0)], wrong)


def test_prompts_without_an_id_are_paired_by_their_text(monitor: RLHFMonitor) -> None:
    bare = [entry.model_copy(update={"prompt_id": ""}) for entry in version(50.0, 1)]
    found = monitor.compare_model_versions("v1", "v2", bare, version(70.0, 2))
    assert found.num_prompts == 12
    assert found == monitor.compare_model_versions("v1", "v2", version(50.0, 1), version(70.0, 2))


def test_missing_scores_and_lengths_are_said(monitor: RLHFMonitor) -> None:
    new = [entry.model_copy(update={"response": entry.response * 3}) for entry in version(70.0, 2)]
    new[:4] = [judged(f"prompt {number}", None) for number in range(4)]
    found = monitor.compare_model_versions("v1", "v2", version(50.0, 1), new)
    assert found.winner == "v2"
    assert found.coverage == pytest.approx(8 / 12, abs=1e-4)
    assert "only 67% of the prompts were scored on both sides" in found.reasons
    assert any("lengths differ" in reason for reason in found.reasons)


scores = st.lists(
    st.none() | st.floats(0.0, 100.0).map(lambda value: round(value, 1)), min_size=1, max_size=9
)


@given(scores, scores)
def test_exchanging_the_sides_never_lets_one_side_win_twice(
    old: list[float | None], new: list[float | None]
) -> None:
    sides = [[judged(str(n), score) for n, score in enumerate(values)] for values in (old, new)]
    there = compare_feedback("a", "b", sides[0], sides[1])
    back = compare_feedback("a", "b", sides[1], sides[0])
    assert {there.winner, back.winner} not in ({"a"}, {"b"})
    if there.score_delta is not None:
        assert back.score_delta == pytest.approx(-there.score_delta)
        assert there.ci_low is not None
        assert there.ci_high is not None
        assert (there.winner == "tie") == (there.num_prompts < 6 or there.ci_low <= 0 <= there.ci_high)


# --- the command -------------------------------------------------------------------------------------


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments, "--recipe", "mine.toml"])


def found(result: Result) -> VersionComparison:
    assert result.exit_code == 0, result.output
    return VersionComparison.model_validate_json(result.stdout)


def one_step(request: Request) -> Reply:
    """The model "weak" makes poor plans, every other one the default's; judges are the default's."""
    if request.body.get("model") == "weak" and not is_judge_call(request.body):
        return text_reply(request, f"Step 1: think about {request.seed}.")
    if request.body.get("model") == "strong" and not is_judge_call(request.body):
        steps = "\n".join(f"Step {n}: put ${n}00,000 into Amazon, week {n}." for n in range(1, 6))
        return text_reply(request, f"{request.seed}\n{steps}")
    return default_script(request)


def test_two_models_are_compared_and_nothing_is_asked_twice(
    recipe: Path, prompts: Path, endpoint: ScriptedEndpoint, workplace: Path
) -> None:
    endpoint.script = one_step
    arguments = ("vllm/weak", "vllm/strong", "--prompts", str(prompts), "--variations", "2", "--json")
    first = compare(*arguments)
    assert found(first).winner == "vllm/strong"
    assert found(first).num_prompts == 8
    assert "accuracy" in found(first).dimensions
    asked = endpoint.count()
    assert asked == 8 * 2 * 2 + endpoint.count(is_judge_call)
    assert compare(*arguments).stdout == first.stdout
    assert endpoint.count() == asked, "responses and verdicts are kept"
    few = found(compare(*arguments, "--limit", "3"))
    assert (few.num_prompts, few.winner) == (3, "tie")
    assert endpoint.count() == asked

    table = compare(*arguments[:-1]).stdout
    assert table.startswith("vllm/strong wins: the interval [+")
    assert "B scores higher on 100% of 8 prompts" in table
    assert "clarity" in table


def test_a_model_that_answers_nothing_stops_the_comparison_and_a_few_failures_lower_coverage(
    recipe: Path, prompts: Path, endpoint: ScriptedEndpoint
) -> None:
    def half_empty(request: Request) -> Reply:
        if request.body.get("model") == "half" and not is_judge_call(request.body):
            return text_reply(request, "Step 1: go." if PROMPTS[0] not in request.text else " ")
        return one_step(request)

    endpoint.script = half_empty
    arguments = ("--prompts", str(prompts), "--variations", "1", "--json")
    result = found(compare("vllm/weak", "vllm/half", *arguments))
    assert result.coverage == 7 / 8
    endpoint.script = lambda request: (
        text_reply(request, "") if request.body.get("model") == "mute" else one_step(request)
    )
    failed = compare("vllm/mute", "vllm/weak", *arguments)
    assert failed.exit_code == 4
    assert "vllm/mute: not one of 8 responses could be made. The last reason: the model returned an" in (
        failed.stderr
    )


def test_responses_are_in_the_ledger_beside_the_runs_and_what_failed_is_asked_again(
    recipe: Path, prompts: Path, endpoint: ScriptedEndpoint
) -> None:
    def sometimes(request: Request) -> Reply:
        if request.body.get("model") == "strong" and PROMPTS[0] in request.text and broken:
            return text_reply(request, " ")
        return one_step(request)

    endpoint.script = sometimes
    broken = True
    arguments = ("vllm/weak", "vllm/strong", "--prompts", str(prompts), "--variations", "1", "--json")
    assert found(compare(*arguments)).coverage == 7 / 8
    ledger = Ledger("sqlite:///.rlhf/ledger.sqlite")
    assert ledger.runs() == []
    asked = endpoint.count(is_judge_call)
    spent = ledger.totals().generation
    assert spent.calls == endpoint.count() - asked == 16

    broken = False
    assert found(compare(*arguments)).coverage == 1.0
    assert ledger.totals().generation.calls == endpoint.count() - endpoint.count(is_judge_call) == 17
    fewer, more = (found(compare(*arguments[:-2], number, "--json")).num_prompts for number in ("1", "2"))
    assert (fewer, more) == (8, 8)
    assert ledger.totals().generation.calls == 17 + 16
    ledger.close()


def _plan(prompt: str, steps: int) -> str:
    """The first steps of a plan in which no check finds a fault."""
    budget, first, second = re.findall(r"[$](\d+) between (\w+) and (\w+)", prompt)[0]
    lines = (
        f"Step 1: put ${int(budget) * 6 // 10} into {first} by May 3, because most shoppers buy there.",
        f"Step 2: put ${int(budget) * 4 // 10} into {second} by June 1, to win new households.",
        "Step 3: the media team reports sales each Monday.",
        "Step 4: on July 1 the planner moves what is left to the better shop.",
    )
    return "\n".join(lines[:steps])


def test_python_gives_the_numbers_of_the_command(
    recipe: Path, endpoint: ScriptedEndpoint, workplace: Path
) -> None:
    for name, steps in (("a", 2), ("b", 4)):
        rows = [
            {"prompt": prompt, "task_type": "budgeting", "response": _plan(prompt, steps)}
            for prompt in PROMPTS
        ]
        (workplace / f"{name}-answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        told = CliRunner().invoke(app, ["judge", f"{name}-answers.jsonl", "--json", "--recipe", str(recipe)])
        (workplace / f"{name}.jsonl").write_text(told.stdout)
    asked = endpoint.count()
    by_command = found(compare("a.jsonl", "b.jsonl", "--json"))
    with RLHFMonitor(recipe=recipe) as monitor:
        sides = [read_feedback(Path(name)) for name in ("a.jsonl", "b.jsonl")]
        assert monitor.compare_model_versions("a.jsonl", "b.jsonl", *sides) == by_command
    assert by_command.winner == "b.jsonl"
    assert endpoint.count() == asked, "feedback that is there is not judged again"
    mixed = found(compare("a.jsonl", "vllm/strong", "--prompts", "b-answers.jsonl", "--json"))
    assert mixed.num_prompts == 8


@pytest.fixture
def adapter(recipe: Path, tiny_model: Path, workplace: Path) -> Path:
    """An adapter with random weights over the tiny model, deployed as plans v1, the champion."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(
        r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config)
    model.save_pretrained(workplace / "made")
    manifest = {"run_id": "one", "round": 1, "base_model": str(tiny_model)}
    version = store(workplace / "models" / "adapters", "plans", workplace / "made", manifest)
    CliRunner().invoke(app, ["adapters", "promote", "plans", "v1"])
    return version.path


def jobs_done() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path(".rlhf/runs").rglob("result.json")}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_an_adapter_is_compared_with_its_base_and_kept_by_its_weights(
    adapter: Path, prompts: Path, endpoint: ScriptedEndpoint, workplace: Path
) -> None:
    arguments = ("--prompts", str(prompts), "--variations", "1", "--json")
    first = found(compare("base", "plans@v1", *arguments))
    assert (first.first, first.second) == ("base", "plans@v1")
    assert first.num_prompts >= 4, "the tiny model may end at once and say nothing"
    asked = endpoint.count()
    results = jobs_done()
    assert len(results) == 2
    by_folder = found(compare("base", str(adapter), *arguments))
    assert by_folder.score_delta == first.score_delta
    assert found(compare("base", "plans", *arguments)).score_delta == first.score_delta
    assert found(compare("base", "plans", *arguments, "--limit", "4")).num_prompts <= 4
    assert jobs_done() == results, "what the ledger has is not generated again"
    assert endpoint.count() == asked


def test_what_cannot_be_compared_is_refused_before_anything_is_asked(
    recipe: Path, prompts: Path, endpoint: ScriptedEndpoint, workplace: Path
) -> None:
    (workplace / "bad.jsonl").write_text(judged("a", 1.0).model_dump_json() + '\n{"prompt": 3}\n')
    (workplace / "good.jsonl").write_text(judged("a", 1.0).model_dump_json())
    (workplace / "none.jsonl").write_text("\n")
    (workplace / "odd.jsonl").write_text(judged("one\u2028line", 1.0).model_dump_json() + "\n")
    assert [entry.prompt for entry in read_feedback(Path("odd.jsonl"))] == ["one\u2028line"]
    refused: dict[tuple[str, ...], str] = {
        ("vllm/a", "vllm/b"): "give --prompts FILE",
        ("vllm/a", "vllm/a", "--prompts", str(prompts)): "a name of its own",
        ("vllm/a", "nothing", "--prompts", str(prompts)): "'nothing' is nothing to compare",
        ("vllm/a", "openai/gpt", "--prompts", str(prompts)): "set OPENAI_API_KEY",
        ("bad.jsonl", "good.jsonl"): "bad.jsonl, line 2: not feedback as `rlhf judge --json` prints it",
        ("none.jsonl", "good.jsonl"): "none.jsonl: holds no feedback",
        ("../../etc@v1", "good.jsonl"): "nothing to compare",
    }
    for arguments, reason in refused.items():
        result = compare(*arguments)
        assert result.exit_code == 2, result.output
        assert reason in result.stderr
    assert endpoint.count() == 0


def test_an_endpoint_that_fails_can_be_asked_again_later(
    recipe: Path, prompts: Path, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = status(401)
    arguments = ("vllm/weak", "vllm/strong", "--prompts", str(prompts), "--variations", "1", "--json")
    assert compare(*arguments).exit_code == 4
    endpoint.script = one_step
    assert found(compare(*arguments)).winner == "vllm/strong"


def test_the_asynchronous_twin_agrees(monitor: RLHFMonitor) -> None:
    sides = version(50.0, 1), version(70.0, 2)
    later = asyncio.run(monitor.acompare_model_versions("v1", "v2", *sides))
    assert later == monitor.compare_model_versions("v1", "v2", *sides)
