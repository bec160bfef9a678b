"""How a run stands — running, waiting or failed — kept in the ledger while its nodes work."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services, thread_id
from rlhf.nodes.tracing.runs import told
from rlhf.state.errors import RlhfError
from rlhf.state.graph_state import RunContext

Action = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def marked(services: Services, run_id: str, *, begins: bool = True) -> AsyncIterator[None]:
    """Mark the run running (if the block `begins` work on it), waiting where it asks people, failed where it raises.

    A failed run can be resumed from there.
    """

    async def mark(**changes: Any) -> None:
        await in_thread(lambda: services.ledger.set_run(run_id, **changes))

    if begins:
        await mark(status="running", note="")
    try:
        yield
    except GraphInterrupt:
        await mark(status="waiting", note="A person's answer is needed.")
        raise
    except Exception as error:
        note = str(error) if isinstance(error, RlhfError) else f"{type(error).__name__}: {error}"
        await mark(status="failed", note=note)
        raise


def of_run(action: Action, services: Services) -> Action:
    """A node of the pipeline: its thread is the run, which is marked and told to the trace."""

    @wraps(action)
    async def node(state: Any, runtime: Runtime[RunContext]) -> Any:
        run_id = thread_id()
        async with told(services, run_id), marked(services, run_id):
            return await action(state, runtime, services=services)

    return node


def of_judge(action: Action, services: Services) -> Action:
    """A node of the judge graph: a response may belong to a run, which then fails with it."""

    @wraps(action)
    async def node(state: Any, runtime: Runtime[RunContext]) -> Any:
        if (run_id := state.get("run_id")) is None:
            return await action(state, runtime, services=services)
        async with marked(services, run_id, begins=False):
            return await action(state, runtime, services=services)

    return node
