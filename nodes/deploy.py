"""Node `deploy`: stores the adapter as an immutable version, moves its alias, and starts the next round."""

from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Literal

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.state.files.atomic import sha256_file
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.run_report import DatasetStage, DeploymentStage, EvaluationStage, TrainingStage
from rlhf.training.local_model import resolve_model
from rlhf.training.registry import Alias, point, serve_lines, store

_PACKAGES = ("rlhf-graph", "torch", "transformers", "trl", "peft")


async def deploy(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["generate", "finish"]]:
    """Keep the adapter as champion if its deployment was approved, else as candidate.

    Raises DeploymentError when the folder cannot be written; done again, nothing is stored twice.
    """
    round = state["round"]
    alias: Alias = "champion" if state["deployment"] == "approved" else "candidate"
    run = await in_thread(services.run, state["run_id"])
    stage = await in_thread(_deployed, services, run, round, alias, state.get("deployment_by", ""))
    detail = f"{run.adapter_name} {stage.version} is the {alias}"
    get_stream_writer()({"stage": "deployment", "done": 1, "total": 1, "detail": detail})
    if round == run.settings.pipeline.rounds:
        return Command(goto="finish")
    await in_thread(lambda: services.ledger.set_run(run.run_id, round=round + 1))
    return Command(goto="generate", update={"round": round + 1, "position": 0})


def _deployed(services: Services, run: RunRow, round: int, alias: Alias, who: str) -> DeploymentStage:
    training = services.ledger.stage(run.run_id, round, "training", TrainingStage)
    assert training is not None, "training comes before deployment"
    assert training.adapter_path is not None, "training stores where the adapter is"
    output_dir = Path(run.settings.pipeline.output_dir)
    manifest = _manifest(services, run, round, training)
    manifest["approved_by"] = {
        "training": training.approved_by,
        "deployment": who if alias == "champion" else "",
    }
    version = store(output_dir, run.adapter_name, Path(training.adapter_path), manifest)
    version = point(output_dir, run.adapter_name, version.version, alias, f"run {run.run_id}, round {round}")
    stage = DeploymentStage(
        version=version.version,
        alias=alias,
        path=str(version.path),
        serve=serve_lines(version),
        decided_by=who,
    )
    services.ledger.set_stage(run.run_id, round, "deployment", stage)
    return stage


def _manifest(services: Services, run: RunRow, round: int, training: TrainingStage) -> dict[str, Any]:
    """Where the adapter comes from: enough to trace it back to each vote and to make it again."""
    dataset = services.ledger.stage(run.run_id, round, "dataset", DatasetStage)
    evaluation = services.ledger.stage(run.run_id, round, "evaluation", EvaluationStage)
    assert dataset is not None, "the dataset comes before deployment"
    assert dataset.path is not None, "the dataset has a file"
    assert evaluation is not None, "evaluation comes before deployment"
    settings = run.settings
    return {
        "run_id": run.run_id,
        "round": round,
        "seed": settings.pipeline.seed,
        "base_model": str(resolve_model(settings.training.base_model)),
        "parent": settings.policy.adapter if round == 1 else f"{run.run_id} round {round - 1}",
        "dataset": {
            "path": dataset.path,
            "sha256": sha256_file(Path(dataset.path)),
            "pairs": dataset.num_examples,
        },
        "rubric": {"task_type": settings.task_type, "version": pack_for(settings.task_type).version},
        "judge": {"model": settings.judge.model, "evidence_weight": settings.judge.evidence_weight},
        "training": {**settings.training.model_dump(), "metrics": training.metrics},
        "evaluation": evaluation.model_dump(mode="json"),
        "packages": {name: package_version(name) for name in _PACKAGES},
    }
