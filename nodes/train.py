"""Node `train`: fits a LoRA adapter to the dataset in a process of its own."""

from pathlib import Path

from langgraph.runtime import Runtime

from nodes.generate import starting_adapter
from nodes.jobs import run_child
from nodes.services import Services, in_thread
from state.graph_state import PipelineState, RunContext
from state.ledger import RunRow
from state.records import DatasetStage, TrainingStage
from training.fit import FitJob
from training.local_model import resolve_model


async def train(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> PipelineState:
    """Train, or go on from the last trainer checkpoint; the reference is what this round started from.

    Raises TrainingError with the last words of the training process.
    """
    run = await in_thread(services.run, state["run_id"])
    job = await in_thread(_job, services, run, state["round"])
    folder = (await in_thread(services.run_folder, run.run_id)) / f"train-{state['round']}"
    result = await run_child("training.fit", job, folder, "training", run.settings.training.launcher)
    stage = TrainingStage(adapter_path=result["adapter_path"], metrics=result["metrics"])
    await in_thread(lambda: services.ledger.set_stage(run.run_id, state["round"], "training", stage))
    return {}
