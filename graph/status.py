"""How a run stands — running, waiting or failed — kept in the ledger while its nodes work."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

from langgraph.config import get_config
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.approvals import NotTaken
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services, thread_id
from rlhf.nodes.tracing.runs import told
from rlhf.state.errors import RlhfError
from rlhf.state.graph_state import RunContext

Action = Callable[..., Awaitable[Any]]

COMPLAINT_LIMIT = 400
"""Characters of a complaint that the state keeps."""


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
    """A node of the pipeline: its thread is the run, which is marked and told to the trace.

    The run's id in the state is what a client could write there: the node is given the thread's. An answer of a
    person that was not taken is asked for again by a new task, because a task keeps every answer it has had.
    """

    @wraps(action)
    async def node(state: Any, runtime: Runtime[RunContext]) -> Any:
        run_id = thread_id()
        async with told(services, run_id), marked(services, run_id):
            try:
                return await action({**state, "run_id": run_id}, runtime, services=services)
            except NotTaken as complaint:
                return Command(
                    goto=get_config()["metadata"]["langgraph_node"],
                    update={"complaint": str(complaint)[:COMPLAINT_LIMIT]},
                )

    return node


def of_judge(action: Action, services: Services, *, in_run: bool) -> Action:
    """A node of the judge graph: in a run's panel the response belongs to the run, which fails with it.

    Alone it belongs to none, whatever a client writes into its state.
    """

    @wraps(action)
    async def node(state: Any, runtime: Runtime[RunContext]) -> Any:
        others = {name: value for name, value in state.items() if name != "run_id"}
        if not in_run:
            return await action(others, runtime, services=services)
        run_id = thread_id(outside=state["run_id"])
        async with marked(services, run_id, begins=False):
            return await action({**others, "run_id": run_id}, runtime, services=services)

    return node
