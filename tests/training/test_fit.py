"""Fitting with real TRL on a tiny Llama: what comes out, resuming after a kill, and the next round's reference."""

import os
import resource
import signal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from rlhf.state.errors import TrainingError
from rlhf.training.fit import FitJob, fit
from rlhf.training.process import run_job
from tests.training.builders import child_of, write_pairs

pytestmark = pytest.mark.filterwarnings(
    # PEFT 0.21 asks by the old name; gone when it asks for is_activation_checkpointing (transformers v6).
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",
)

Lines = list[dict[str, Any]]


class Trained(NamedTuple):
    """A finished training: its result, what it told, and the dataset."""

    result: dict[str, Any]
    lines: Lines
    dataset: Path


def job_for(model: Path, dataset: Path, **changes: object) -> FitJob:
    settings = {"base_model": str(model), "dataset_path": str(dataset), "epochs": 2, "learning_rate": 0.01}
    return FitJob.model_validate(
        {**settings, "rank": 4, "batch_size": 4, "max_length": 64, "seed": 1, **changes}
    )


def weights(result: dict[str, Any]) -> np.ndarray[Any, Any]:
    from safetensors.numpy import load_file

    tensors = load_file(Path(result["adapter_path"]) / "adapter_model.safetensors")
    return np.concatenate([tensors[name].flatten() for name in sorted(tensors)])


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An undisturbed DPO training of two epochs over twelve pairs."""
    folder = tmp_path_factory.mktemp("trained")
    dataset, lines = write_pairs(folder / "pairs.jsonl"), Lines()
    return Trained(
        run_job("rlhf.training.fit", job_for(tiny_model, dataset), folder, lines.append), lines, dataset
    )


def test_training_ends_with_an_adapter_in_safetensors_and_nothing_else(trained: Trained) -> None:
    adapter = Path(trained.result["adapter_path"])
    assert sorted(path.name for path in adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert sorted(path.name for path in adapter.parent.iterdir() if path.is_dir()) == ["adapter"]


def test_progress_and_metrics_tell_how_it_went(trained: Trained) -> None:
    assert [line["done"] for line in trained.lines] == [0, 1, 2, 3, 4, 5, 6]
    assert all(line["total"] == 6 for line in trained.lines)
    assert {"loss", "rewards/margins", "rewards/accuracies", "logps/chosen"} <= trained.lines[-1].keys()
    metrics = trained.result["metrics"]
    assert metrics["num_pairs"] == 12
    assert metrics["num_too_long"] == 0
    assert metrics["steps"] == 6
    assert metrics["rewards_accuracy"] > 0.9
    assert metrics["rewards_margin"] > 0
    assert metrics["chosen_logp_last"] > metrics["chosen_logp_first"]
    assert metrics["peak_rss_mb"] > 100


def test_a_killed_training_goes_on_from_its_last_whole_checkpoint(
    trained: Trained, tiny_model: Path, tmp_path: Path
) -> None:
    job = job_for(tiny_model, trained.dataset)

    def kill_at_the_fourth_step(line: dict[str, Any]) -> None:
        if line["done"] == 4:
            os.kill(child_of(tmp_path), signal.SIGKILL)

    with pytest.raises(TrainingError, match="killed by SIGKILL"):
        run_job("rlhf.training.fit", job, tmp_path, kill_at_the_fourth_step)
    [place] = tmp_path.iterdir()
    assert not (place / "adapter").exists()
    (place / "checkpoints" / "checkpoint-5").mkdir(exist_ok=True)  # one that the kill has torn
    lines = Lines()
    resumed = run_job("rlhf.training.fit", job, tmp_path, lines.append)
    assert lines[0]["done"] >= 2
    assert lines[-1]["done"] == 6
    np.testing.assert_allclose(weights(resumed), weights(trained.result), atol=1e-5)


def test_the_reference_of_the_next_round_is_the_adapter_it_starts_from(
    trained: Trained, tiny_model: Path, tmp_path: Path
) -> None:
    parent = trained.result["adapter_path"]
    job = job_for(tiny_model, trained.dataset, parent_adapter=parent, epochs=1)
    lines = Lines()
    result = fit(job, tmp_path, lines.append)
    # Policy and reference agree before the first update. Against the base model they would not.
    assert lines[1]["rewards/margins"] == pytest.approx(0.0, abs=1e-3)
    assert trained.result["metrics"]["rewards_margin"] > 0.01
    # It starts where the parent ended.
    assert lines[1]["logps/chosen"] == pytest.approx(trained.lines[-1]["logps/chosen"], rel=0.2)
    assert sorted(path.name for path in Path(result["adapter_path"]).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert weights(result).shape == weights(trained.result).shape
    assert not np.allclose(weights(result), weights(trained.result))


def test_a_second_round_resumes_too(trained: Trained, tiny_model: Path, tmp_path: Path) -> None:
    job = job_for(tiny_model, trained.dataset, parent_adapter=trained.result["adapter_path"], epochs=1)

    def kill_at_the_second_step(line: dict[str, Any]) -> None:
        if line["done"] == 2:
            os.kill(child_of(tmp_path), signal.SIGKILL)

    with pytest.raises(TrainingError, match="killed by SIGKILL"):
        run_job("rlhf.training.fit", job, tmp_path, kill_at_the_second_step)
    lines = Lines()
    resumed = run_job("rlhf.training.fit", job, tmp_path, lines.append)
    assert lines[0]["done"] >= 1
    (tmp_path / "calm").mkdir()
    calm = fit(job, tmp_path / "calm", lines.append)
    np.testing.assert_allclose(weights(resumed), weights(calm), atol=1e-4)


def test_sft_imitates_the_chosen_and_counts_what_is_too_long(tiny_model: Path, tmp_path: Path) -> None:
    dataset = write_pairs(tmp_path / "pairs.jsonl", too_long=2)
    lines = Lines()
    result = fit(job_for(tiny_model, dataset, method="sft"), tmp_path, lines.append)
    assert result["metrics"]["num_pairs"] == 12
    assert result["metrics"]["num_too_long"] == 2
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]


def test_pairs_that_all_exceed_max_length_are_refused(
    tiny_model: Path, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        TrainingError, match=r"None of the 12 pairs fits max_length = 16 .* raise dataset\.max_length"
    ):
        fit(job_for(tiny_model, dataset, max_length=16), tmp_path, print)


def test_a_full_disk_is_said_plainly_and_leaves_no_adapter(
    tiny_model: Path, dataset: Path, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        with pytest.raises(TrainingError, match=r"^The disk is full or a file grew too large .* Log: "):
            run_job("rlhf.training.fit", job_for(tiny_model, dataset), tmp_path, lambda line: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("*/adapter"))


def test_accelerate_launches_the_same_training(trained: Trained, tiny_model: Path, tmp_path: Path) -> None:
    job, lines = job_for(tiny_model, trained.dataset), Lines()
    result = run_job("rlhf.training.fit", job, tmp_path, lines.append, launcher="accelerate")
    assert lines[-1]["done"] == 6
    np.testing.assert_allclose(weights(result), weights(trained.result), atol=1e-5)
