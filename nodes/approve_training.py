"""Node `approve_training`: the gate before weights change."""

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.answers import approved
from rlhf.nodes.approvals import ActionRequest
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.run_report import DatasetStage


async def approve_training(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["train", "finish"]]:
    """Ask a person whether to train on the dataset, or pass when the gate is automatic.

    Raises NotTaken for an answer that is neither yes nor no.
    """
    run = await in_thread(services.run, state["run_id"])
    if run.settings.gates.training == "auto":
        return Command(goto="train", update={"training": "approved"})
    dataset = await in_thread(
        lambda: services.ledger.stage(run.run_id, state["round"], "dataset", DatasetStage)
    )
    assert dataset is not None, "build_dataset runs before this gate"
    options = run.settings.training
    yes, message, who = approved(
        ActionRequest(
            name="approve_training",
            args={
                "adapter_name": run.adapter_name,
                "round": state["round"],
                "dataset": dataset.path,
                "num_examples": dataset.num_examples,
                "method": options.method,
                "base_model": options.base_model,
            },
            description=f"Train {run.adapter_name} ({options.method}) on {dataset.num_examples} pairs?",
        ),
        state.get("complaint", ""),
    )
    answered: PipelineState = {
        "training": "approved" if yes else "rejected",
        "training_by": who,
        "complaint": "",
    }
    if yes:
        return Command(goto="train", update=answered)
    note = f"Training was rejected{f' by {who}' if who else ''}. {message}".strip()
    return Command(goto="finish", update={**answered, "note": note})
