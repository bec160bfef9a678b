"""The quality of feedback over time: figures, drift, alerts, the history, and the command that shows it."""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from rlhf import AutomatedRLHFPipeline
from rlhf.cli import app
from rlhf.cli.monitor import sparkline
from rlhf.monitor import RLHFMonitor
from rlhf.nodes.accept import accepted
from rlhf.nodes.quality import Thresholds, keep_round, measure
from rlhf.state.errors import InputError
from rlhf.state.measures import Alert
from rlhf.state.recipe import load_recipe
from rlhf.state.records import DimensionFeedback, Feedback
from rlhf.tracer import LangSmithTracer
from tests.langsmith_receiver import LangSmithReceiver
from tests.rlhf.conftest import PROMPTS, seeded
from tests.scripted_endpoint import ScriptedEndpoint

SETTINGS = load_recipe("local").replace({"review": {"mode": "off"}}, "test")


def entry(number: int, score: float | None, task_type: str = "budgeting", **changes: Any) -> Feedback:
    """Feedback on response `number`, accepted by the recipe's own rules."""
    parts = {} if score is None else {"clarity": DimensionFeedback(status="scored", score=score)}
    feedback = Feedback(
        prompt=f"prompt {number}",
        response=f"response {number}",
        prompt_id=f"{task_type}{number}",
        task_type=task_type,
        overall_score=score,
        confidence=None if score is None else 0.8,
        coverage=0.0 if score is None else 1.0,
        dimensions=parts,
    )
    return accepted(feedback, SETTINGS, str(number)).model_copy(update=changes)


def batch(*scores: float | None, task_type: str = "budgeting") -> list[Feedback]:
    return [entry(number, score, task_type) for number, score in enumerate(scores)]


def spread(middle: float, count: int = 20) -> list[Feedback]:
    return batch(*(middle + (number % 10) - 4.5 for number in range(count)))


def test_a_batch_is_measured_and_unjudged_feedback_lowers_coverage_alone(monitor: RLHFMonitor) -> None:
    metrics = monitor.track_feedback_quality(batch(90.0, 70.0, 30.0, 10.0, None), label="monday")
    assert metrics["average_rating"] == metrics.average_rating == (5 + 4 + 2 + 1) / 4
    assert (metrics.num_feedback, metrics.num_scored) == (5, 4)
    assert metrics.average_score == 50.0
    assert metrics.accepted_share == metrics.chosen_share == metrics.rejected_share == 0.5
    assert metrics.review_share == 0.0
    assert metrics.coverage == 0.8
    assert metrics.dimensions == {"clarity": 50.0}
    assert metrics.confidence == 0.8
    assert metrics.drift is None
    assert metrics.drift_note == "the batch has 4 scores, 10 are needed"
    [alert] = metrics.alerts
    assert (alert.metric, alert.value, alert.threshold) == ("coverage", 0.8, 0.9)
    assert alert.sentence == "budgeting: coverage 0.8 is below 0.9."


def test_where_nothing_was_judged_there_are_no_means(monitor: RLHFMonitor) -> None:
    metrics = monitor.track_feedback_quality(batch(None, None))
    assert metrics.average_rating is metrics.average_score is metrics.accepted_share is None
    assert metrics.confidence is metrics.review_share is None
    assert metrics.coverage == 0.0
    assert [alert.metric for alert in metrics.alerts] == ["coverage"]


def test_a_fall_is_drift_against_the_batches_before_and_alerts(monitor: RLHFMonitor) -> None:
    told: list[Alert] = []
    with RLHFMonitor(recipe="local", alert=told.append) as watching:
        first = watching.track_feedback_quality(spread(85.0), label="1")
        assert first.drift_note == "there are 0 earlier scores to compare with, 30 are needed"
        assert watching.track_feedback_quality(spread(85.0), label="2").drift is None
        steady = watching.track_feedback_quality(spread(85.0), label="3").drift
        assert steady is not None
        assert (steady.psi, steady.p_value, steady.num_reference, steady.num_batches) == (0.0, 1.0, 40, 2)
        assert told == []
        fallen = watching.track_feedback_quality(spread(65.0), label="4")
    assert fallen.drift is not None
    assert fallen.drift.score_delta == -20.0
    assert [alert.metric for alert in told] == ["psi"]
    assert "drifted by -20.0 points" in told[0].sentence
    assert told == fallen.alerts
    assert [kept.quality.label for kept in monitor.history()] == ["1", "2", "3", "4"]
    assert monitor.history("budgeting", limit=1)[0].quality == fallen
    assert monitor.history("planning") == []


def test_the_same_feedback_is_one_batch_however_often_it_is_tracked(monitor: RLHFMonitor) -> None:
    for label in ("1", "2"):
        monitor.track_feedback_quality(spread(85.0), label=label)
    found = monitor.track_feedback_quality(spread(65.0), label="3")
    again = monitor.track_feedback_quality(reversed(spread(65.0)), label="3")
    assert again == found
    assert len(monitor.history()) == 3
    assert monitor.track_feedback_quality(spread(85.0), label="1").drift is None, "it is still the oldest"


def test_a_mixed_batch_is_measured_kept_and_alerted_per_task_type(monitor: RLHFMonitor) -> None:
    told: list[Alert] = []
    with RLHFMonitor(recipe="local", alert=told.append) as watching:
        metrics = watching.track_feedback_quality(
            [*batch(90.0, 80.0), *batch(10.0, None, task_type="planning"), entry(9, 50.0, "")]
        )
    assert metrics.task_type == "mixed"
    assert (metrics.num_feedback, metrics.num_scored, metrics.coverage) == (5, 4, 0.8)
    assert metrics.average_score == 57.5
    assert list(metrics.by_task_type) == ["budgeting", "planning", "unknown"]
    assert metrics.by_task_type["planning"].coverage == 0.5
    assert metrics.drift is None
    assert metrics.drift_note == "task types have histories of their own: see by_task_type"
    assert {alert.task_type for alert in told} == {"planning"}
    assert {alert.metric for alert in told} == {"average_rating", "coverage", "rejected_share"}
    assert {kept.quality.task_type for kept in monitor.history()} == {"budgeting", "planning", "unknown"}


def test_a_handler_that_raises_loses_neither_the_batch_nor_the_other_handlers(
    monitor: RLHFMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def broken(alert: Alert) -> None:
        raise OSError("no network")

    async def slow(alert: Alert) -> None:
        await asyncio.sleep(0)
        told.append(alert.metric)

    with (
        RLHFMonitor(recipe="local", alert=[broken, slow]) as watching,
        caplog.at_level(logging.WARNING),
    ):
        watching.track_feedback_quality(batch(10.0, 10.0))
    assert told == ["average_rating", "rejected_share"]
    assert "The alert handler broken failed: OSError: no network" in caplog.text
    assert len(monitor.history()) == 1


def test_a_tracer_gets_the_figures_and_no_texts(workplace: Path) -> None:
    with LangSmithReceiver() as langsmith:
        tracer = LangSmithTracer("quality", endpoint=langsmith.url)
        with RLHFMonitor(tracer, recipe="local") as monitor:
            monitor.track_feedback_quality(batch(90.0, 10.0), label="monday")
        assert tracer.flush()
        [run] = langsmith.until(lambda arrived: arrived.roots("quality"))
        assert (run.name, run.metadata["label"]) == ("feedback quality", "monday")
        assert run.outputs["average_score"] == 50.0
        assert "response 0" not in langsmith.everything()
    off = LangSmithTracer(enabled=False)
    with RLHFMonitor(off, recipe="local") as monitor:
        assert monitor.track_feedback_quality(batch(80.0)).num_scored == 1
        assert len(monitor.history()) == 2


def test_thresholds_can_be_ones_own_or_off(workplace: Path) -> None:
    off: dict[str, Any] = dict.fromkeys(
        name for name in Thresholds.model_fields if name.startswith(("min_", "max_"))
    )
    with RLHFMonitor(recipe="local", thresholds=Thresholds(**{**off, "min_average_score": 95.0})) as strict:
        [alert] = strict.track_feedback_quality(batch(90.0, None)).alerts
    assert (alert.metric, alert.value, alert.threshold) == ("average_score", 90.0, 95.0)


def test_it_works_inside_a_running_loop(monitor: RLHFMonitor) -> None:
    async def both() -> None:
        first = await monitor.atrack_feedback_quality(spread(85.0), label="x")
        assert monitor.track_feedback_quality(spread(85.0), label="x") == first
        assert len(await monitor.ahistory()) == 1

    asyncio.run(both())


def test_what_is_no_batch_of_feedback_is_refused(monitor: RLHFMonitor) -> None:
    with pytest.raises(InputError, match="feedback_batch is empty"):
        monitor.track_feedback_quality([])
    wrong: Any = [entry(1, 50.0), {"overall_score": 3}]
    with pytest.raises(InputError, match="entry 2: not Feedback but dict"):
        monitor.track_feedback_quality(wrong)
    assert monitor.history() == []


@given(st.lists(st.none() | st.floats(0.0, 100.0), min_size=1, max_size=40), st.lists(st.floats(0.0, 100.0)))
def test_figures_stay_in_their_ranges(scores: list[float | None], earlier: list[float]) -> None:
    quality = measure("budgeting", "", batch(*scores), [earlier], Thresholds())
    judged = [score for score in scores if score is not None]
    assert quality.num_scored == len(judged)
    assert (quality.average_score is None) == (not judged)
    if quality.average_score is not None:
        assert min(judged) - 0.001 <= quality.average_score <= max(judged) + 0.001
    assert (quality.drift is None) == bool(quality.drift_note)


# --- runs and the command ---------------------------------------------------------------------------


def shown(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["monitor", *arguments])


def listed(*arguments: str) -> Sequence[Any]:
    found: Sequence[Any] = json.loads(shown("--json", *arguments).stdout)
    return found


def test_a_runs_rounds_show_up_by_themselves_and_once(recipe: Path, endpoint: ScriptedEndpoint) -> None:
    with AutomatedRLHFPipeline(task_type="budgeting", recipe=recipe) as pipeline:
        results = pipeline.run_full_pipeline(PROMPTS, seeded({}), run_id="one", progress=False)
        resumed = pipeline.run_full_pipeline(resume="one", model_inference_fn=seeded({}), progress=False)
        [first] = listed()
        keep_round(pipeline.services.ledger, "one", 1)  # as a run does that was killed right after it
    assert resumed["stages"]["feedback"] == results["stages"]["feedback"]
    [kept] = listed()
    assert kept == first
    quality = kept["quality"]
    assert quality["label"] == "one round 1"
    assert quality["task_type"] == "budgeting"
    assert quality["average_rating"] == results["stages"]["feedback"]["avg_rating"]
    assert quality["average_score"] == results["stages"]["feedback"]["avg_score"]
    assert quality["num_feedback"] == results["stages"]["feedback"]["num_feedback"]
    text = shown().stdout
    assert "budgeting: 1 batch\n" in text
    assert "one round 1" in text


def test_the_command_shows_batches_in_time_order(monitor: RLHFMonitor) -> None:
    assert "No feedback yet" in shown().stdout
    for number, middle in enumerate((85.0, 84.0, 86.0, 60.0)):
        monitor.track_feedback_quality(spread(middle), label=f"day {number}")
    monitor.track_feedback_quality(batch(50.0, task_type="planning"), label="[odd]")
    assert [kept["quality"]["label"] for kept in listed("--task-type", "budgeting", "--limit", "2")] == [
        "day 2",
        "day 3",
    ]
    text = shown().stdout
    assert "▇▇▇▅  now 60.0" in text
    assert text.index("day 0") < text.index("day 3") < text.index("planning: 1 batch\n")
    assert "! day 3: budgeting: scores have drifted" in text
    assert "[odd]" in text
    assert "No feedback of creative yet" in shown("--task-type", "creative").stdout


def test_a_sparkline_has_a_block_per_value() -> None:
    assert sparkline([0.0, 50.0, None, 100.0, 140.0, -3.0], 0.0, 100.0) == "▁▅ ██▁"
