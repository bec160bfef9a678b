"""Preference datasets from Python: built, kept under a name, listed with what they were trained into."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlhf import (
    AutomatedRLHFPipeline,
    DPODatasetBuilder,
    PreferenceDataset,
    SyntheticFeedbackGenerator,
    list_datasets,
    save_dataset,
)
from rlhf.cli import app
from rlhf.state.errors import DatasetError, GenerationError, InputError, SettingsError
from tests.rlhf.conftest import PROMPTS, seeded
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call


def built(recipe: Path, respond: Any, **options: Any) -> tuple[PreferenceDataset, dict[str, str | None]]:
    """The dataset, and by prompt why its responses failed."""
    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        dataset = DPODatasetBuilder(generator).build_dataset(PROMPTS, respond, progress=False, **options)
        ledger = generator.services.ledger
        samples = ledger.samples(dataset.manifest["run_id"], "policy", 1)
        rows = ledger.prompts(dataset.manifest["run_id"], "train")
    texts = {row.key: row.text for row in rows}
    return dataset, {texts[sample.prompt_key]: sample.error for sample in samples}


def test_every_prompt_is_used_and_the_best_is_chosen(recipe: Path, endpoint: ScriptedEndpoint) -> None:
    calls: dict[str, int] = {}
    dataset, _ = built(recipe, seeded(calls), num_variations=4)
    assert calls == dict.fromkeys(PROMPTS, 4)
    assert endpoint.count() == endpoint.count(is_judge_call)
    assert len(dataset) == len(dataset.to_list()) > 0
    for row, record in zip(dataset, dataset.to_list(), strict=True):
        assert row.chosen_score > row.rejected_score
        assert record["prompt"] == [{"role": "user", "content": row.prompt}]
        assert row.prompt in PROMPTS
    assert dataset[0] == next(iter(dataset))


def test_what_the_callers_model_fails_on_is_recorded_and_the_rest_goes_on(recipe: Path) -> None:
    good = seeded({})

    async def respond(prompt: str) -> Any:
        text = good(prompt)
        if prompt == PROMPTS[0]:
            raise OSError("no such model; key sk-secret123456")
        if prompt == PROMPTS[4]:
            raise SystemExit
        return {1: None, 2: "  ", 3: 7}.get(PROMPTS.index(prompt), text)

    dataset, errors = built(recipe, respond, concurrency=4)
    assert [errors[prompt] for prompt in PROMPTS] == [
        "OSError: no such model; key [key]",
        "the function: response is missing.",
        "the model returned an empty text",
        "the function: response must be text, not a number.",
        "RuntimeError: the function tried to end the program (SystemExit)",
        *[None] * 3,
    ]
    assert {row.prompt for row in dataset} <= set(PROMPTS[5:])
    assert dataset.manifest["num_responses"] == 15


def test_an_interrupted_dataset_goes_on_without_asking_again(recipe: Path) -> None:
    calls: dict[str, int] = {}
    good = seeded(calls)

    async def interrupted(builder: DPODatasetBuilder) -> None:
        async def respond(prompt: str) -> str:
            if sum(calls.values()) == 9:
                work.cancel()
            return good(prompt)

        work = asyncio.create_task(builder.abuild_dataset(PROMPTS, respond, 3, progress=False))
        with pytest.raises(asyncio.CancelledError):
            await work

    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        builder = DPODatasetBuilder(generator)
        asyncio.run(interrupted(builder))
        [run] = generator.services.ledger.runs()
        with pytest.raises(GenerationError, match="model_inference_fn"):
            DPODatasetBuilder(SyntheticFeedbackGenerator(recipe=recipe)).build_dataset(resume=run.run_id)
        dataset = builder.build_dataset(resume=run.run_id, output_generator=good, progress=False)
        with pytest.raises(InputError, match="leave prompts out"):
            builder.build_dataset(PROMPTS, resume=run.run_id)
        again = builder.build_dataset(resume=run.run_id, progress=False)
        assert (again.rows, len(again)) == (dataset.rows, len(dataset))
        assert generator.services.ledger.run(run.run_id).status == "finished"
    assert 24 <= sum(calls.values()) <= 25, "the one call that was cut off may be made again"


def test_nothing_to_choose_from_is_said_with_what_to_change(recipe: Path) -> None:
    with pytest.raises(DatasetError, match=r"policy\.temperature if responses repeat"):
        built(recipe, lambda prompt: "Always the same.")
    with pytest.raises(SettingsError, match="num_variations_per_prompt"):
        built(recipe, seeded({}), num_variations=0)
    with pytest.raises(SettingsError, match="concurrency"):
        built(recipe, seeded({}), concurrency=0)


def test_a_saved_dataset_is_listed_with_what_it_was_trained_into(
    recipe: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_RECIPE", str(recipe))
    dataset, _ = built(recipe, seeded({}))
    path = save_dataset(dataset, "acme")
    assert path.parent == Path("data/rlhf")
    assert path.name.startswith("acme_dpo_")
    assert [json.loads(line) for line in path.read_text().splitlines()] == dataset.to_list()
    assert save_dataset(dataset, "acme") != path, "no file is overwritten"
    with AutomatedRLHFPipeline(recipe=recipe) as pipeline:
        pipeline.run_full_pipeline(PROMPTS, seeded({}), "trained", progress=False)
    found = list_datasets()
    assert [(each.name, each.trained_into) for each in found] == [
        ("acme", []),
        ("acme", []),
        ("trained", ["trained v1 (candidate)"]),
    ]
    assert found[0].num_examples == len(dataset)
    assert found[0].selection["min_margin"] == 5.0

    told = CliRunner().invoke(app, ["datasets"])
    assert told.exit_code == 0, told.output
    assert "trained v1 (candidate)" in told.stdout
    assert f"{len(dataset)} pairs" in told.stdout
    listed = json.loads(CliRunner().invoke(app, ["datasets", "--json"]).stdout)
    assert [each["path"] for each in listed] == [str(each.path) for each in found]


def test_names_and_folders_are_checked(
    recipe: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_RECIPE", str(recipe))
    dataset = PreferenceDataset([], {})
    with pytest.raises(InputError, match="not usable"):
        save_dataset(dataset, "../x")
    (workplace / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        save_dataset(dataset, "x", workplace / "file" / "deeper")
    assert list_datasets(workplace / "nowhere") == []
    assert "No datasets" in CliRunner().invoke(app, ["datasets"]).stdout
    (workplace / "x.manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.manifest\.json: not a dataset's manifest"):
        list_datasets(workplace)
