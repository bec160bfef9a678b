"""`LangSmithTracer` and `rlhf push-dataset`, as a loopback LangSmith receives them; and both without a LangSmith."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlhf import AutomatedRLHFPipeline, SyntheticFeedbackGenerator
from rlhf.cli import app
from rlhf.nodes.tracing.context import tracing_to
from rlhf.runs.drive import Pending
from rlhf.state.errors import InputError
from rlhf.tracer import LangSmithTracer
from rlhf.training.dataset import Row, write_dataset
from tests.langsmith_receiver import LangSmithReceiver, Received
from tests.rlhf.conftest import PROMPTS, seeded
from tests.scripted_endpoint import ScriptedEndpoint

PROMPT = "Split $100 between Amazon and CVS."
ANSWER = "Step 1: $60 to Amazon.\nStep 2: $40 to CVS."


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, langsmith: LangSmithReceiver) -> LangSmithReceiver:
    """A LangSmith the environment names, with tracing not switched on."""
    monkeypatch.setenv("LANGSMITH_ENDPOINT", langsmith.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", "the-key-of-langsmith")
    return langsmith


def ancestors(langsmith: LangSmithReceiver, run: Received) -> list[str]:
    names = [str(run.name)]
    while run.parent is not None:
        run = langsmith.runs[run.parent]
        names.append(str(run.name))
    return names


def test_what_is_judged_in_a_block_is_its_child_and_is_counted(
    generator: SyntheticFeedbackGenerator, configured: LangSmithReceiver
) -> None:
    tracer = LangSmithTracer(project_name="rmn-rlhf")
    with tracer.trace_feedback_collection(user_id="user123", task_type="budgeting"):
        feedback = generator.generate_feedback(PROMPT, ANSWER)
    with tracer.trace_training("DPO", "brand_acme_v2") as block:
        block.log(loss=0.4)
    assert tracer.flush()
    collecting, training = configured.finished(2)
    assert (collecting.name, collecting.session_name) == ("feedback collection", "rmn-rlhf")
    assert (collecting.metadata["user_id"], collecting.metadata["task_type"]) == ("user123", "budgeting")
    [judging] = configured.children(collecting)
    assert judging.name == "judge budgeting"
    assert len(configured.named("scripted")) == 5
    assert (training.id, training.outputs) == (block.run_id, {"loss": 0.4})
    assert (training.metadata["method"], training.metadata["adapter"]) == ("DPO", "brand_acme_v2")
    stats = tracer.get_project_stats()
    assert (stats["total_runs"], stats.source, stats.error_rate) == (2, "langsmith", 0.0)
    assert stats.median_latency is not None
    assert (stats.total_tokens or 0) > 100
    assert stats.feedback["overall"] == pytest.approx((feedback.overall_score or 0) / 100, abs=1e-4)
    assert "the-key-of-langsmith" not in configured.everything()


def test_outside_a_block_nothing_is_traced(
    generator: SyntheticFeedbackGenerator, configured: LangSmithReceiver
) -> None:
    tracer = LangSmithTracer()
    generator.generate_feedback(PROMPT, ANSWER)
    tracer.flush()
    assert configured.runs == {}


def test_blocks_are_asynchronous_too_and_stand_side_by_side(
    generator: SyntheticFeedbackGenerator, configured: LangSmithReceiver
) -> None:
    tracer = LangSmithTracer("p")

    async def collect(user: str) -> None:
        async with tracer.trace_feedback_collection(user_id=user):
            await generator.agenerate_feedback(PROMPT, f"{ANSWER} For {user}.")

    async def everybody() -> int:
        await asyncio.gather(collect("ann"), collect("bob"))
        return (await tracer.aget_project_stats()).total_runs

    assert asyncio.run(everybody()) == 2
    for root in configured.finished(2):
        [judging] = configured.children(root)
        assert judging.inputs["response"].endswith(f"For {root.metadata['user_id']}.")


def test_an_exception_goes_on_and_marks_its_block(configured: LangSmithReceiver) -> None:
    tracer = LangSmithTracer("p", hide_texts=True)
    with pytest.raises(ValueError, match="out of memory"), tracer.trace_training("SFT", "a"):
        raise ValueError("out of memory at prompt 'Split $100'")
    [root] = configured.finished()
    assert root.error.startswith("ValueError")
    assert "Split" not in configured.everything()
    assert tracer.get_project_stats().error_rate == 1.0


def test_without_a_langsmith_the_same_lines_run_and_count_for_themselves(
    generator: SyntheticFeedbackGenerator,
) -> None:
    tracer = LangSmithTracer(project_name="rmn-rlhf")
    assert tracer.get_project_stats()["total_runs"] == 0
    with tracer.trace_feedback_collection(user_id="user123", task_type="budgeting") as block:
        generator.generate_feedback(PROMPT, ANSWER)
    with pytest.raises(ZeroDivisionError), tracer.trace_training("DPO", "brand_acme_v2"):
        raise ZeroDivisionError
    assert block.run_id is None
    assert tracer.flush()
    stats = tracer.get_project_stats()
    assert (stats["total_runs"], stats["source"], stats.error_rate) == (2, "process", 0.5)
    assert (stats.total_tokens, stats.feedback) == (None, {})


def test_figures_of_a_langsmith_that_is_gone_are_those_of_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with LangSmithReceiver() as gone:
        monkeypatch.setenv("LANGCHAIN_ENDPOINT", gone.url)
    tracer = LangSmithTracer("p")
    with tracer.trace_training("DPO", "a"):
        pass
    stats = tracer.get_project_stats()
    assert (stats.total_runs, stats.source) == (1, "process")
    assert not tracer.flush()
    assert [record.getMessage() for record in caplog.records] == [
        f"LangSmith at {gone.url} cannot be reached. Traces are lost; the run goes on."
    ]


def test_a_project_nobody_traced_to_has_no_runs(configured: LangSmithReceiver) -> None:
    stats = LangSmithTracer("never").get_project_stats()
    assert (stats.total_runs, stats.source) == (0, "langsmith")


def test_a_block_is_entered_once_and_a_project_has_a_name(configured: LangSmithReceiver) -> None:
    block = LangSmithTracer("p", enabled=False).trace_training("DPO", "a")
    with block, pytest.raises(InputError, match="entered once"):
        block.__enter__()
    with pytest.raises(InputError, match="project_name is empty"):
        LangSmithTracer(" ")


@pytest.mark.parametrize(("enabled", "project"), [(True, "forced"), (False, None), (None, "from-outside")])
def test_a_switch_is_on_off_or_as_the_environment_says(
    generator: SyntheticFeedbackGenerator,
    configured: LangSmithReceiver,
    monkeypatch: pytest.MonkeyPatch,
    enabled: bool | None,
    project: str | None,
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_PROJECT", "from-outside")
    with tracing_to(enabled, "forced"):
        generator.generate_feedback(PROMPT, ANSWER)
    if project is None:
        assert configured.requests == []
    else:
        assert [root.session_name for root in configured.finished()] == [project]


def test_a_whole_run_is_one_trace_with_its_jobs_and_peoples_ratings(
    recipe: Path, configured: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    def answer(pending: Pending) -> Sequence[Mapping[str, Any]] | str:
        if pending.name != "review_response":
            return "approve"
        return [
            {"type": "edit", "rating": 5, "reviewer": "ann", "response_id": request["args"]["response_id"]}
            for request in pending.requests
        ]

    tracer = LangSmithTracer("rmn-rlhf")
    with (
        AutomatedRLHFPipeline(task_type="budgeting", recipe=recipe) as pipeline,
        tracer.trace_training("DPO", "acme"),
    ):
        report = pipeline.run_full_pipeline(
            PROMPTS, seeded({}), "acme", on_review=answer, progress=False, run_id="r1"
        )
    assert (report.status, tracer.flush(30)) == ("finished", True)
    [root] = configured.finished()
    parts = configured.children(root, "run acme")
    assert len(parts) >= 3, "up to the review, up to each approval, to the end"
    for part in parts:
        told = part.metadata
        assert (told["run_id"], told["adapter"], told["task_type"]) == ("r1", "acme", "budgeting")
        assert told["rubric_version"]
    assert parts[-1].metadata["usage"] == report.usage.model_dump()
    assert len(configured.named("scripted")) == endpoint.count(), "each call is there, once"
    assert ancestors(configured, configured.named("crew accuracy")[0])[1:] == [
        "judge_accuracy",
        "judge",
        "judge",
        "run acme",
        "training DPO",
    ]
    [fit] = configured.named("rlhf.training.fit")
    assert fit.outputs["metrics"] == report.stages.training.metrics
    assert ancestors(configured, fit) == ["rlhf.training.fit", "train", "run acme", "training DPO"]
    baseline, adapter = configured.named("rlhf.training.generate")
    assert ancestors(configured, adapter)[1:3] == ["evaluate", "run acme"]
    assert baseline.inputs["adapter"] is None
    ratings = [each for each in configured.feedback if each["key"] == "human_rating"]
    assert {(each["score"], each["value"]) for each in ratings} == {(1.0, 5)}
    assert {configured.runs[each["run_id"]].name for each in ratings} == {"judge"}
    judged = [each for each in configured.feedback if each["key"] == "overall"]
    panels = [run for run in configured.named("judge") if configured.children(run, "accept")]
    assert {each["run_id"] for each in judged} == {run.id for run in panels}


def dataset(folder: Path, pairs: int = 3) -> Path:
    rows = [
        Row(PROMPTS[n], f"good {n} sk-live-123456789", f"bad {n}", 90.0, 20.0, f"p{n}", f"c{n}", f"r{n}")
        for n in range(pairs)
    ]
    return write_dataset(folder, "acme", rows, {"run_id": "r1", "round": 1, "adapter_name": "acme"})


def test_a_dataset_is_pushed_once_however_often_it_is_pushed(
    workplace: Path, configured: LangSmithReceiver
) -> None:
    path = dataset(workplace)
    first = CliRunner().invoke(app, ["push-dataset", str(path)])
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("acme: 3 pairs added, 0 were there already.")
    again = CliRunner().invoke(app, ["push-dataset", str(dataset(workplace, 4))])
    assert again.stdout.startswith("acme: 1 pairs added, 3 were there already.")
    [made] = configured.datasets.values()
    assert made["extra"]["metadata"]["run_id"] == "r1"
    examples = sorted(configured.examples.values(), key=lambda each: str(each["inputs"]["prompt"]))
    assert [each["inputs"]["prompt"] for each in examples] == sorted(PROMPTS[:4])
    [one] = [each for each in examples if each["metadata"]["prompt_key"] == "p0"]
    assert one["outputs"] == {"chosen": "good 0 [redacted]", "rejected": "bad 0"}
    assert one["metadata"]["chosen_score"] == 90.0
    elsewhere = CliRunner().invoke(app, ["push-dataset", str(path), "--name", "another"])
    assert elsewhere.stdout.startswith("another: 3 pairs added")
    assert len(configured.datasets) == 2


def test_what_cannot_be_pushed_is_told_plainly(
    workplace: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: str) -> str:
        return CliRunner().invoke(app, ["push-dataset", *arguments, "--recipe", str(recipe)]).stderr

    path = str(dataset(workplace))
    assert "LangSmith is not set up: set LANGSMITH_API_KEY" in said(path)
    assert "nowhere.manifest.json: cannot be read" in said("nowhere.jsonl")
    assert "There is no run 'nothing'" in said("nothing")
    monkeypatch.setenv("LANGSMITH_API_KEY", "wrong-key-123456")
    with LangSmithReceiver("refuse") as refusing:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", refusing.url)
        told = said(path)
        assert "refuses the key; check LANGSMITH_API_KEY" in told
        assert "wrong-key" not in told
    told = said(path)
    assert f"LangSmith at {refusing.url} did not take the dataset: it cannot be reached." in told
    assert len(told.splitlines()) == 1
