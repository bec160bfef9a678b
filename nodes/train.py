"""Node `train`: fits a LoRA adapter to the dataset in a process of its own."""

from pathlib import Path

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generate import starting_adapter
from rlhf.nodes.generation.jobs import run_child
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.run_report import DatasetStage, TrainingStage
from rlhf.training.fit import FitJob
from rlhf.training.local_model import resolve_model


async def train(state: PipelineState, runtime: Runtime[RunContext], *, services: Services) -> PipelineState:
    """Train, or go on from the last trainer checkpoint; the reference is what this round started from.

    Raises TrainingError with the last words of the training process.
    """
    run = await in_thread(services.run, state["run_id"])
    job = await in_thread(_job, services, run, state["round"])
    folder = (await in_thread(services.run_folder, run.run_id)) / f"train-{state['round']}"
    launcher = run.settings.training.launcher
    result = await run_child(
        "rlhf.training.fit", job, folder, get_stream_writer(), "training", launcher=launcher
    )
    stage = TrainingStage(
        adapter_path=result["adapter_path"],
        metrics=result["metrics"],
        approved_by=state.get("training_by", ""),
    )
    await in_thread(lambda: services.ledger.set_stage(run.run_id, state["round"], "training", stage))
    return {}


def _job(services: Services, run: RunRow, round: int) -> FitJob:
    dataset = services.ledger.stage(run.run_id, round, "dataset", DatasetStage)
    assert dataset is not None, "the dataset comes before training"
    assert dataset.path is not None, "the dataset has a file"
    options = run.settings.training
    return FitJob(
        method=options.method,
        base_model=str(resolve_model(options.base_model)),
        parent_adapter=_parent(services, run, round),
        dataset_path=str(Path(dataset.path).absolute()),
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        beta=options.beta,
        rank=options.rank,
        batch_size=options.batch_size,
        max_length=run.settings.dataset.max_length,
        seed=run.settings.pipeline.seed,
    )


def _parent(services: Services, run: RunRow, round: int) -> str | None:
    """The adapter this round improves: the one before it, or in round 1 the one the recipe starts from."""
    if round == 1:
        named = starting_adapter(run.settings)
        return str(named.absolute()) if named else None
    before = services.ledger.stage(run.run_id, round - 1, "training", TrainingStage)
    assert before is not None, "a round begins after the one before it has trained"
    return before.adapter_path
