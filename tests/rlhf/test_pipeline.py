"""The whole loop from Python, on real crews, a scripted endpoint and real training of a tiny model."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlhf import AutomatedRLHFPipeline, PipelineConfig
from rlhf.cli import app
from rlhf.runs.drive import Pending, pending_of
from rlhf.state.errors import GenerationError, InputError, SettingsError
from tests.rlhf.conftest import PROMPTS, seeded
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call


def lines(path: str | None) -> list[Any]:
    assert path is not None
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_callers_model_is_improved_without_asking_anybody(recipe: Path, endpoint: ScriptedEndpoint) -> None:
    calls: dict[str, int] = {}
    with AutomatedRLHFPipeline(task_type="budgeting", recipe=recipe) as pipeline:
        results = pipeline.run_full_pipeline(PROMPTS, seeded(calls), "acme", progress=False)
    assert (results["status"], results["adapter_name"]) == ("finished", "acme")
    stages = results["stages"]
    assert stages["generation"]["num_responses"] == sum(calls.values()) == 18
    assert stages["dataset"]["num_examples"] == len(lines(stages.dataset.path)) > 0
    assert 1 <= stages["feedback"]["avg_rating"] <= 5
    assert stages["deployment"]["version"] == "v1"
    assert endpoint.count() == endpoint.count(is_judge_call), "the responses came from the caller"


def test_python_and_the_command_line_write_the_same_dataset(
    recipe: Path, endpoint: ScriptedEndpoint, prompts: Path, workplace: Path
) -> None:
    text = recipe.read_text().replace("score_band = 20.0", 'mode = "off"')
    recipe.write_text(text)
    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        from_python = pipeline.run_full_pipeline(
            prompts, adapter_name="a", on_review=lambda pending: None, progress=False
        )
    elsewhere = workplace / "elsewhere"
    (workplace / "moved.toml").write_text(
        f'{text}[storage]\nledger_url = "sqlite:///{elsewhere}/ledger.sqlite"\n'
        f'checkpoint_url = "sqlite:///{elsewhere}/checkpoints.sqlite"\n'
    )
    asked = endpoint.count()
    arguments = ["run", str(prompts), "--recipe", "moved.toml", "--adapter", "b", "--run-id", "b"]
    assert CliRunner().invoke(app, arguments).exit_code == 3, "both wait for the approval of training"
    assert endpoint.count() == 2 * asked, "nothing was shared between the two"
    [from_command_line] = Path("data/rlhf").glob("b_dpo_*.jsonl")
    assert from_python.stages.dataset.path is not None
    assert from_command_line.read_bytes() == Path(from_python.stages.dataset.path).read_bytes()


def test_a_model_that_never_answers_stops_the_run_with_its_reason(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        AutomatedRLHFPipeline(recipe=recipe) as pipeline,
        pytest.raises(GenerationError, match="response is missing"),
    ):
        pipeline.run_full_pipeline(PROMPTS, lambda prompt: None)
    told = capsys.readouterr().err
    assert told.startswith("Note: "), "what the prompts cannot prove is said before anything is asked"
    assert "held-out prompts prove no improvement: 12 are the fewest" in told
    assert "favour its own writing" not in told, "a function of the caller's is not the judge"


def test_the_checkpoints_of_a_run_that_waits_hold_none_of_its_texts(recipe: Path) -> None:
    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        waiting = pipeline.run_full_pipeline(PROMPTS, seeded({}), on_review=lambda _: None, progress=False)
        asked = asyncio.run(pending_of(pipeline.services, waiting.run_id))
        assert asked is not None
        texts = [request["args"][name] for request in asked.requests for name in ("prompt", "response")]
        path = pipeline.services.settings.storage.checkpoint_path
    stored = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    assert asked.requests[0]["args"]["response_id"].encode() in stored
    assert [text for text in texts if text.encode() in stored] == []


def test_people_answer_in_code_and_may_leave_a_run_waiting(recipe: Path) -> None:
    asked: list[str] = []

    def answer(pending: Pending) -> Sequence[Mapping[str, Any]] | str | None:
        asked.append(pending.name)
        if pending.name == "approve_training":
            return None
        first = {
            "type": "edit",
            "rating": 5,
            "response_id": pending.requests[0]["args"]["response_id"],
            "reviewer": "ann",
        }
        return [first] if asked.count("review_response") == 1 else "approve"

    async def approve(pending: Pending) -> str:
        asked.append(pending.name)
        return "approve"

    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        waiting = pipeline.run_full_pipeline(PROMPTS, seeded({}), on_review=answer, progress=False)
        assert waiting.status == "waiting"
        assert asked == ["review_response", "review_response", "approve_training"]
        reviews = pipeline.services.ledger.reviews(waiting.run_id).values()
        assert [review.rating for review in reviews if review.reviewer == "ann"] == [5]
        done = pipeline.run_full_pipeline(resume=waiting.run_id, on_review=approve, progress=False)
    assert (done.status, done.stages.deployment.alias) == ("finished", "champion")
    assert asked[3:] == ["approve_training", "approve_deployment"]


def test_an_answer_that_is_none_is_refused_and_the_run_still_waits(recipe: Path) -> None:
    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        with pytest.raises(InputError, match="on_review, decision 1: type"):
            pipeline.run_full_pipeline(
                PROMPTS, seeded({}), run_id="r", on_review=lambda pending: "maybe", progress=False
            )
        # Decisions about something else answer nothing: the run is left waiting instead of asked for ever.
        stranger = [{"type": "approve", "response_id": "0" * 24}]
        report = pipeline.run_full_pipeline(resume="r", on_review=lambda pending: stranger, progress=False)
    assert report.status == "waiting"


def test_a_run_with_a_function_goes_on_where_the_function_is(recipe: Path) -> None:
    calls: dict[str, int] = {}
    good = seeded(calls)

    async def interrupted(pipeline: AutomatedRLHFPipeline) -> None:
        async def respond(prompt: str) -> str:
            if sum(calls.values()) == 7:
                work.cancel()
            return good(prompt)

        work = asyncio.create_task(pipeline.arun_full_pipeline(PROMPTS, respond, run_id="r", progress=False))
        with pytest.raises(asyncio.CancelledError):
            await work

    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        asyncio.run(interrupted(pipeline))
    resumed = CliRunner().invoke(app, ["resume", "r", "--recipe", str(recipe)])
    assert resumed.exit_code == 4
    assert "model_inference_fn" in resumed.stderr
    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        report = pipeline.run_full_pipeline(resume="r", model_inference_fn=good, progress=False)
    assert report.status == "finished"
    assert 18 <= sum(calls.values()) <= 19, "the one call that was cut off may be made again"


def test_the_asynchronous_twin_runs_beside_other_work(recipe: Path) -> None:
    async def main() -> list[str]:
        with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
            runs = [
                pipeline.arun_full_pipeline(
                    PROMPTS[4 * n : 4 * n + 4], seeded({}), f"a{n}", run_id=f"r{n}", progress=False
                )
                for n in range(2)
            ]
            return [report.status for report in await asyncio.gather(*runs)]

    assert asyncio.run(main()) == ["finished", "finished"]


def test_config_changes_the_recipe_and_is_checked(recipe: Path, workplace: Path) -> None:
    config = PipelineConfig(
        num_synthetic_examples=50,
        num_variations_per_prompt=4,
        min_rating_chosen=5,
        max_rating_rejected=3,
        min_score_acceptable=80.0,
        output_dir=workplace / "out",
        dataset_dir=Path("sets"),
        seed=3,
    )
    settings = AutomatedRLHFPipeline(config, "creative", recipe=recipe).settings
    assert settings.task_type == "creative"
    assert (settings.pipeline.num_synthetic_examples, settings.pipeline.num_variations_per_prompt) == (50, 4)
    assert (settings.acceptance.min_rating_chosen, settings.acceptance.max_rating_rejected) == (5, 3)
    assert settings.acceptance.min_score_acceptable == 80.0
    assert settings.pipeline.output_dir == str(workplace / "out")
    assert (settings.pipeline.dataset_dir, settings.pipeline.seed) == ("sets", 3)
    assert AutomatedRLHFPipeline(recipe=recipe).settings.pipeline.num_variations_per_prompt == 3
    with pytest.raises(SettingsError, match="max_rating_rejected must be below"):
        AutomatedRLHFPipeline(PipelineConfig(min_rating_chosen=2, max_rating_rejected=2), recipe=recipe)


def test_arguments_that_contradict_each_other_are_named(recipe: Path) -> None:
    pipeline = AutomatedRLHFPipeline(recipe=recipe)
    with pytest.raises(InputError, match="prompts is missing"):
        pipeline.run_full_pipeline()
    with pytest.raises(InputError, match="leave prompts and run_id out"):
        pipeline.run_full_pipeline(PROMPTS, resume="r")
    with pytest.raises(InputError, match="There is no run 'r'"):
        pipeline.run_full_pipeline(resume="r")
    with pytest.raises(InputError, match="prompts, row 2: prompt must be text"):
        pipeline.run_full_pipeline([PROMPTS[0], {"prompt": 3}])
    with pytest.raises(InputError, match="too few"):
        pipeline.run_full_pipeline(PROMPTS[:1])


def test_a_recipe_cannot_name_a_function(workplace: Path, recipe: Path) -> None:
    text = recipe.read_text().replace('model = "vllm/scripted"', 'model = "function"', 1)
    (workplace / "bad.toml").write_text(text)
    with pytest.raises(SettingsError, match="stands for a Python function"):
        AutomatedRLHFPipeline(recipe="bad.toml")
