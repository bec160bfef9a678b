"""Node `finish`: closes the run and hands its report to whoever started it."""

from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.report import full_report
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.run_report import RunReport


async def finish(state: PipelineState, runtime: Runtime[RunContext], *, services: Services) -> PipelineState:
    """Mark the run finished and return its report as the graph's output."""
    report = await in_thread(_closed, services, state["run_id"], state.get("note", ""))
    return {
        "run_id": report.run_id,
        "status": report.status,
        "note": report.note,
        "answered": report.answered,
        "stages": report.stages.model_dump(mode="json"),
        "usage": report.usage.model_dump(),
    }


def _closed(services: Services, run_id: str, note: str) -> RunReport:
    services.ledger.set_run(run_id, status="finished", note=note)
    return full_report(services.ledger, run_id)
