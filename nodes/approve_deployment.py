"""Node `approve_deployment`: the gate before an adapter becomes the champion."""

from pathlib import Path
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.answers import approved
from rlhf.nodes.approvals import ActionRequest
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.run_report import EvaluationStage, Gain
from rlhf.training.registry import champion_before


async def approve_deployment(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["deploy"]]:
    """Ask a person whether to promote the adapter; the automatic gate promotes only on the verdict `ship`.

    What is not promoted is still kept, as the candidate. Raises NotTaken for an answer that is neither yes nor no.
    """
    run = await in_thread(services.run, state["run_id"])
    result = await in_thread(
        lambda: services.ledger.stage(run.run_id, state["round"], "evaluation", EvaluationStage)
    )
    assert result is not None, "evaluation comes before this gate"
    if run.settings.gates.deployment == "auto":
        reasons = [] if result.verdict == "ship" else list(result.reasons)
        champion = await in_thread(_champion, run, state["round"])
        if champion != result.champion:
            reasons.append(
                f"{champion or 'the start'} serves by now, and the adapter was not compared with it"
            )
        note = f"Not promoted: {'; '.join(reasons)}." if reasons else ""
        decided: PipelineState = {"deployment": "rejected" if reasons else "approved", "note": note}
        return Command(goto="deploy", update=decided)
    yes, message, who = approved(
        ActionRequest(
            name="approve_deployment",
            args={
                "adapter_name": run.adapter_name,
                "round": state["round"],
                **result.model_dump(mode="json"),
            },
            description=_description(run.adapter_name, result),
        ),
        state.get("complaint", ""),
    )
    rejected = f"Deployment was rejected{f' by {who}' if who else ''}. {message}".strip()
    answered: PipelineState = {
        "deployment": "approved" if yes else "rejected",
        "deployment_by": who,
        "complaint": "",
        "note": "" if yes else rejected,
    }
    return Command(goto="deploy", update=answered)


def _champion(run: RunRow, round: int) -> str | None:
    """Version of what the adapter would replace now."""
    output_dir = Path(run.settings.pipeline.output_dir)
    champion = champion_before(output_dir, run.adapter_name, run.run_id, round)
    return champion.version if champion else None


def _description(name: str, result: EvaluationStage) -> str:
    serving = (
        f"{name} {result.champion}, which serves now" if result.champion else "what the run started from"
    )
    figures = f"{_points(result)} against {serving}"
    if result.against_start:
        figures += f"; {_points(result.against_start)} against what the run started from"
    if result.self_judged:
        figures += ". The judge is also the model that answers or learns"
    return f"Promote {name}? Evaluation says {result.verdict}: {figures}. {'; '.join(result.reasons)}".strip()


def _points(gain: Gain) -> str:
    if gain.delta is None or gain.ci_low is None or gain.ci_high is None:
        return "nothing was measured"
    return f"{gain.delta:+.1f} points, 95 % interval [{gain.ci_low:.1f}, {gain.ci_high:.1f}],"
