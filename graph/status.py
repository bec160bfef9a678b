"""How a run stands — running, waiting or failed — kept in the ledger while its nodes work."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services, thread_id
from rlhf.nodes.tracing.context import current
from rlhf.nodes.tracing.spans import annotate, spend
from rlhf.state.errors import RlhfError
from rlhf.state.graph_state import RunContext
from rlhf.state.ledger import RunRow

Action = Callable[..., Awaitable[Any]]


def keeping_status(action: Action, services: Services) -> Action:
    """The node, with its run marked running, waiting when it asks people, and failed when it raises."""

    @wraps(action)
    async def node(state: Any, runtime: Runtime[RunContext]) -> Any:
        run_id = thread_id()
        await in_thread(lambda: services.ledger.set_run(run_id, status="running", note=""))
        try:
            return await marking_failure(action, services)(state, runtime)
        except GraphInterrupt:
            await in_thread(
                lambda: services.ledger.set_run(run_id, status="waiting", note="A person's answer is needed.")
            )
            raise
        finally:
            if current() is not None:
                await in_thread(_tell_trace, services, run_id)

    return node


def _tell_trace(services: Services, run_id: str) -> None:
    if not services.ledger.has_run(run_id):
        return  # `prepare` refused it
    annotate(**about(services.run(run_id)))
    spend(services.ledger.usage(run_id), in_all=True)


def about(run: RunRow) -> dict[str, str]:
    """What a trace says of its run."""
    version = pack_for(run.settings.task_type).version
    return {
        "run_id": run.run_id,
        "adapter": run.adapter_name,
        "task_type": run.settings.task_type,
        "rubric_version": version,
        "judge": run.settings.judge.model,
    }


def marking_failure(action: Action, services: Services) -> Action:
    """The node, with its run marked failed when it raises; the run can be resumed from there."""

    @wraps(action)
    async def node(state: Any, runtime: Runtime[RunContext]) -> Any:
        try:
            return await action(state, runtime, services=services)
        except GraphInterrupt:
            raise
        except Exception as error:
            if run_id := state.get("run_id"):
                note = str(error) if isinstance(error, RlhfError) else f"{type(error).__name__}: {error}"
                await in_thread(lambda: services.ledger.set_run(run_id, status="failed", note=note))
            raise

    return node
