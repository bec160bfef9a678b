"""Node `approve_deployment`: the gate before an adapter becomes the champion."""

from langgraph.runtime import Runtime

from rlhf.nodes.approvals import ActionRequest, approved
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.run_report import EvaluationStage


async def approve_deployment(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> PipelineState:
    """Ask a person whether to promote the adapter; the automatic gate promotes only on the verdict `ship`.

    What is not promoted is still kept, as the candidate.
    """
    run = await in_thread(services.run, state["run_id"])
    result = await in_thread(
        lambda: services.ledger.stage(run.run_id, state["round"], "evaluation", EvaluationStage)
    )
    assert result is not None, "evaluation comes before this gate"
    if run.settings.gates.deployment == "auto":
        if result.verdict == "ship":
            return {"deployment": "approved", "note": ""}
        return {"deployment": "rejected", "note": f"Not promoted: {'; '.join(result.reasons)}."}
    yes, message = approved(
        ActionRequest(
            name="approve_deployment",
            args={
                "adapter_name": run.adapter_name,
                "round": state["round"],
                **result.model_dump(mode="json"),
            },
            description=_description(run.adapter_name, result),
        )
    )
    if yes:
        return {"deployment": "approved", "note": ""}
    return {"deployment": "rejected", "note": f"Deployment was rejected. {message}".strip()}


def _description(name: str, result: EvaluationStage) -> str:
    figures = "nothing was measured"
    if result.delta is not None and result.ci_low is not None and result.ci_high is not None:
        figures = f"{result.delta:+.1f} points, 95 % interval [{result.ci_low:.1f}, {result.ci_high:.1f}]"
    return f"Promote {name}? Evaluation says {result.verdict}: {figures}. {'; '.join(result.reasons)}".strip()
