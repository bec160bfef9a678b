"""What LangGraph cannot trace by itself: crews in worker processes, training jobs, and facts about a graph's run."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rlhf.nodes.crews.requests import ModelCall
from rlhf.nodes.tracing.context import current
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import Usage

if TYPE_CHECKING:
    from langsmith import RunTree


_log = logging.getLogger("rlhf.tracer")


def graph_run() -> "RunTree | None":
    """The traced run of the graph whose node is at work; None where nothing is traced."""
    node = current()
    if node is None:
        return None
    from langchain_core.tracers.langchain import LangChainTracer
    from langgraph.config import get_config

    for handler in getattr(get_config().get("callbacks"), "handlers", []):
        if isinstance(handler, LangChainTracer):
            return handler.run_map.get(str(node.parent_run_id))
    return None


class Span:
    """A piece of work as a trace shows it; without a trace it takes everything and keeps nothing."""

    def __init__(self, run: "RunTree | None") -> None:
        self.run = run

    def end(self, outputs: Mapping[str, Any], error: str | None = None, **metadata: Any) -> None:
        """What came out; `error` marks work that failed without an exception."""
        if self.run is not None:
            self.run.metadata.update(metadata)
            self.run.end(outputs=dict(outputs), error=error)

    def model_call(self, call: ModelCall, endpoint: Endpoint) -> None:
        """Add a call that was made elsewhere, with its true times."""
        if self.run is None:
            return
        usage = {
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "total_tokens": call.input_tokens + call.output_tokens,
        }
        told = {
            "ls_provider": endpoint.provider,
            "ls_model_name": endpoint.model,
            "ls_model_type": "chat",
            "ls_temperature": call.temperature,
        }
        answer = {"messages": [{"role": "assistant", "content": call.answer}], "usage_metadata": usage}
        child = self.run.create_child(
            endpoint.model,
            "llm",
            inputs={"messages": [message.model_dump() for message in call.messages]},
            outputs=answer if call.error is None else {},
            error=call.error,
            start_time=datetime.fromtimestamp(call.started, UTC),
            end_time=datetime.fromtimestamp(call.ended, UTC),
            extra={"metadata": {**told, **({"usage_metadata": usage} if call.error is None else {})}},
        )
        self.run.child_runs.pop()  # sent at once: a long run must not collect its whole trace in memory
        _told(child.post)


@contextmanager
def span(name: str, inputs: Callable[[], Mapping[str, Any]]) -> Iterator[Span]:
    """A child of the current run while the block lasts; `inputs` is only asked for where there is a trace."""
    parent = current()
    if parent is None:
        yield Span(None)
        return
    run = parent.create_child(name, inputs=dict(inputs()))
    parent.child_runs.pop()
    _told(run.post)
    try:
        yield Span(run)
    except BaseException as error:
        run.end(error=f"{type(error).__name__}: {error}")
        raise
    finally:
        _told(run.patch)


def _told(tell: Callable[[], None]) -> None:
    """Hand a run to the client. What cannot be told never stops the work it is about."""
    try:
        tell()
    except Exception as error:
        _log.debug("A run was not traced: %s", type(error).__name__)


def annotate(**metadata: Any) -> None:
    """Metadata for the trace of the graph whose node is at work; what its caller set stays."""
    if (run := graph_run()) is not None:
        run.metadata.update({name: value for name, value in metadata.items() if name not in run.metadata})


def spend(usage: Usage, *, in_all: bool = False) -> None:
    """Add to what the graph's run has spent (metadata `usage`: calls, tokens, answers found in the ledger).

    `in_all`: that is all it has spent, not a part.
    """
    if (run := graph_run()) is not None:
        before = Usage() if in_all else Usage(**run.metadata.get("usage", {}))
        run.metadata["usage"] = (before + usage).model_dump()
