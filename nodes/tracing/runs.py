"""What a trace says of the run whose node is at work: whose it is, what it is judged by, what it has spent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.context import current
from rlhf.nodes.tracing.spans import annotate, spend
from rlhf.state.ledger import RunRow


def about(run: RunRow) -> dict[str, str]:
    """Whose the run is and what it is judged by."""
    return {
        "run_id": run.run_id,
        "adapter": run.adapter_name,
        "task_type": run.settings.task_type,
        "rubric_version": pack_for(run.settings.task_type).version,
        "judge": run.settings.judge.model,
    }


@asynccontextmanager
async def told(services: Services, run_id: str) -> AsyncIterator[None]:
    """Tell the trace, where there is one, about the run after the block, however that ends."""
    try:
        yield
    finally:
        if current() is not None:
            await in_thread(_tell, services, run_id)


def _tell(services: Services, run_id: str) -> None:
    if not services.ledger.has_run(run_id):
        return  # `prepare` refused it
    annotate(**about(services.run(run_id)))
    spend(services.ledger.usage(run_id), in_all=True)
