"""Fits a LoRA adapter to a preference dataset with TRL, in a process of its own: DPO, or SFT on the chosen.

Start it through rlhf.training.process.run_job, or by hand with `accelerate launch -m rlhf.training.fit FOLDER`,
where FOLDER holds job.json. Killed, it goes on from its last whole checkpoint. Left out: full fine-tuning, quantised
base weights.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rlhf.state.errors import TrainingError
from rlhf.state.files.atomic import fsync_folder
from rlhf.state.files.lines import json_lines
from rlhf.training.child import Report, work
from rlhf.training.local_model import resolve_model
from rlhf.training.registry import check_adapter

CHECKPOINTS = 5
"""Checkpoints over a whole training."""
SFT_WEIGHT = 0.2
"""Share of the negative log-likelihood of the chosen beside the DPO loss; keeps the chosen likely (RPO, 2404.19733)."""
CPU_MICRO_BATCH = 1
"""Pairs per forward pass on a CPU: as fast as more, and memory stays below 3 GiB for the embedded model."""
_WHOLE = "WHOLE"
"""Marks a checkpoint whose files are all on disk."""


class FitJob(BaseModel):
    """What to train. The reference of DPO is the parent adapter if there is one, else the base model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["dpo", "sft"] = "dpo"
    """dpo: prefer the chosen to the rejected; sft: imitate the chosen."""
    base_model: str
    """"local", "hf:PATH" or PATH."""
    parent_adapter: str | None = None
    """Folder of the adapter that training goes on from; None for a new one."""
    dataset_path: str
    """JSONL in TRL's conversational preference format."""
    epochs: float = Field(default=1.0, gt=0.0)
    """Passes over the dataset."""
    learning_rate: float = Field(default=1e-4, gt=0.0)
    """Peak learning rate."""
    beta: float = Field(default=0.1, gt=0.0)
    """How strongly DPO holds on to the reference."""
    rank: int = Field(default=16, ge=1)
    """Of a new adapter; one that continues a parent keeps the parent's."""
    batch_size: int = Field(default=4, ge=1)
    """Pairs per optimizer step, over all devices."""
    max_length: int = Field(default=2048, ge=16)
    """Tokens of prompt and response together; longer rows are left out and counted."""
    seed: int = 0
    """Seed of order and new weights."""


def fit(job: FitJob, place: Path, report: Report) -> dict[str, Any]:
    """Train in `place` and return {"adapter_path", "metrics"}; metrics are plain numbers.

    metrics: num_pairs, num_too_long, steps, seconds (of the last attempt), train_loss, peak_rss_mb; for DPO also
    rewards_accuracy and rewards_margin (mean of the last tenth of the steps), chosen_logp_first and
    chosen_logp_last (summed log-probability of the chosen, mean of the first and last tenth).
    """
    started = time.monotonic()
    trainer, counts = _trainer(job, place, report)
    checkpoint = _last_whole(place / "checkpoints")
    result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.accelerator.wait_for_everyone()
    adapter = place / "adapter"
    if trainer.accelerator.is_main_process:
        _export(trainer, adapter)
        shutil.rmtree(place / "checkpoints", ignore_errors=True)
    metrics = {
        **counts,
        "steps": float(trainer.state.global_step),
        "train_loss": float(result.training_loss),
        "seconds": round(time.monotonic() - started, 1),
        "peak_rss_mb": _peak_rss_mb(),
        **_course(trainer.state.log_history),
    }
    return {"adapter_path": str(adapter.absolute()), "metrics": metrics}


def _trainer(job: FitJob, place: Path, report: Report) -> tuple[Any, dict[str, float]]:
    base = resolve_model(job.base_model)
    rows = _rows(Path(job.dataset_path))
    if job.parent_adapter:
        check_adapter(Path(job.parent_adapter))
    from datasets import Dataset

    from rlhf.training.weights import load_model, load_tokenizer

    tokenizer = load_tokenizer(base, "left" if job.method == "dpo" else "right")
    kept = [row for row in rows if _length(tokenizer, row) <= job.max_length]
    if not kept:
        raise TrainingError(
            f"None of the {len(rows)} pairs fits max_length = {job.max_length} tokens: raise dataset.max_length."
        )
    columns = [
        {"prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"]} for row in kept
    ]
    if job.method == "sft":
        columns = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in kept]
    model, lora = load_model(base), None
    if job.parent_adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, job.parent_adapter, is_trainable=True)
    else:
        from peft import LoraConfig

        lora = LoraConfig(
            r=job.rank, lora_alpha=2 * job.rank, target_modules="all-linear", task_type="CAUSAL_LM"
        )
    trainer = _trainer_class(job)(
        model=model,
        args=_arguments(job, place, len(kept)),
        train_dataset=Dataset.from_list(columns),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[_callback(report)],
    )
    return trainer, {"num_pairs": float(len(kept)), "num_too_long": float(len(rows) - len(kept))}


def _trainer_class(job: FitJob) -> Any:
    if job.method == "dpo":
        from trl import DPOTrainer

        return DPOTrainer
    from trl import SFTTrainer

    return SFTTrainer


def _arguments(job: FitJob, place: Path, num_rows: int) -> Any:
    import torch

    cuda = torch.cuda.is_available()
    per_step = max(1, job.batch_size // int(os.environ.get("WORLD_SIZE", "1")))
    micro = per_step if cuda else min(CPU_MICRO_BATCH, per_step)
    steps = math.ceil(math.ceil(num_rows / job.batch_size) * job.epochs)
    common: dict[str, Any] = {
        "output_dir": str(place / "checkpoints"),
        "num_train_epochs": job.epochs,
        "learning_rate": job.learning_rate,
        "warmup_steps": max(1, steps // 10),
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": per_step // micro,
        "max_length": job.max_length,
        "use_cpu": not cuda,
        "bf16": cuda and torch.cuda.is_bf16_supported(),
        # Sequences are short: recomputing activations would cost a third more time to save little memory.
        "activation_checkpointing": cuda,
        "dataloader_pin_memory": cuda,
        "seed": job.seed,
        "data_seed": job.seed,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": max(1, steps // CHECKPOINTS),
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
    }
    if job.method == "sft":
        from trl import SFTConfig

        return SFTConfig(**common, completion_only_loss=True)
    from trl import DPOConfig

    return DPOConfig(
        **common,
        beta=job.beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, SFT_WEIGHT],
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=2 * micro,
    )


def _callback(report: Report) -> Any:
    from transformers import TrainerCallback

    class Reporting(TrainerCallback):  # type: ignore[misc]
        """Tells the parent about every step, and marks a checkpoint when all of it is on disk."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            report({"stage": "train", "done": state.global_step, "total": state.max_steps})

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
        ) -> None:
            told = ("loss", "rewards/margins", "rewards/accuracies", "logps/chosen")
            values = {name: round(float(logs[name]), 4) for name in told if logs and name in logs}
            if values:
                detail = f"loss {values['loss']:.3f}" if "loss" in values else ""
                line = {
                    "stage": "train",
                    "done": state.global_step,
                    "total": state.max_steps,
                    "detail": detail,
                }
                report({**line, **values})

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            if state.is_world_process_zero:
                _sync(folder)
                (folder / _WHOLE).touch()
                fsync_folder(folder)

    return Reporting()


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = json_lines(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"The dataset {path} cannot be read: {error.strerror}.") from error
    if not lines:
        raise TrainingError(f"The dataset {path} is empty.")
    return [json.loads(line) for line in lines]


def _length(tokenizer: Any, row: dict[str, Any]) -> int:
    sides = (row["prompt"] + row[side] for side in ("chosen", "rejected"))
    return max(len(tokenizer.apply_chat_template(side, return_dict=False)) for side in sides)


def _last_whole(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; a torn one is removed."""
    whole: list[Path] = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / _WHOLE).exists():
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _export(trainer: Any, adapter: Path) -> None:
    """The adapter alone, in safetensors, whole or not at all."""
    building = adapter.with_name(".adapter")
    for folder in (building, adapter):
        shutil.rmtree(folder, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(str(building), selected_adapters=["default"], save_embedding_layers=False)
    # PEFT writes a model card with a machine's paths in it.
    (building / "README.md").unlink(missing_ok=True)
    _sync(building)
    building.rename(adapter)
    fsync_folder(adapter.parent)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    fsync_folder(folder)


def _course(history: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How training went: the first and last tenth of the logged steps."""
    metrics: dict[str, float] = {}
    wanted = (
        ("rewards/accuracies", "rewards_accuracy", -1),
        ("rewards/margins", "rewards_margin", -1),
        ("logps/chosen", "chosen_logp_first", 0),
        ("logps/chosen", "chosen_logp_last", -1),
    )
    for source, name, end in wanted:
        values = [float(entry[source]) for entry in history if source in entry]
        if values:
            tenth = max(1, len(values) // 10)
            metrics[name] = round(fmean(values[:tenth] if end == 0 else values[-tenth:]), 4)
    return metrics


def _peak_rss_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return round(float(psutil.Process().memory_info().peak_wset) / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    work(FitJob, fit)
