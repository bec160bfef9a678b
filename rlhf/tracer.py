"""`LangSmithTracer`: traces of a program's own pieces of work, with everything of ours inside them."""

import statistics
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.tracing.context import tracing_to
from rlhf.state.errors import InputError
from rlhf.state.records import Record

if TYPE_CHECKING:
    from langsmith import Client, RunTree

__all__ = ["LangSmithTracer", "ProjectStats", "TracedBlock"]


class ProjectStats(Record):
    """Figures of a project; None where nobody knows."""

    project: str
    """Name of the project."""
    source: Literal["langsmith", "process"]
    """langsmith: the whole project, as LangSmith counts it; process: the blocks that this tracer opened."""
    total_runs: int = Field(ge=0)
    """Traces (runs without a parent)."""
    error_rate: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share of the traces that ended in an error."""
    median_latency: float | None = None
    """Seconds."""
    total_tokens: int | None = None
    """Tokens in and out."""
    feedback: dict[str, float] = Field(default_factory=dict)
    """Mean per feedback key; `overall` and the dimensions are 0–1 (points ÷ 100)."""


class LangSmithTracer:
    """Puts what happens inside its blocks into LangSmith, as children of one run per block.

    Tracing is switched on for `project_name` if there is a key (`api_key`, LANGSMITH_API_KEY or
    LANGCHAIN_API_KEY) or an endpoint on this machine (`endpoint`, LANGSMITH_ENDPOINT or LANGCHAIN_ENDPOINT),
    unless `enabled` is False. Otherwise its blocks do nothing and `get_project_stats` counts them alone.

    API keys and authorization headers never leave. With `hide_texts`, prompts, responses and all other inputs and
    outputs stay here too, and errors are reduced to their kind; LANGSMITH_HIDE_INPUTS and LANGSMITH_HIDE_OUTPUTS
    do the same for one of the two. When LangSmith cannot be reached, that is said once and nothing else happens.
    """

    def __init__(
        self,
        project_name: str = "rlhf-graph",
        *,
        endpoint: str | None = None,
        api_key: str | None = None,
        hide_texts: bool = False,
        enabled: bool | None = None,
    ) -> None:
        from rlhf.nodes.tracing.client import place

        if not isinstance(project_name, str) or not project_name.strip():
            raise InputError("project_name is empty: name the LangSmith project to trace to.")
        self.project_name = project_name.strip()
        self._place = place(endpoint, api_key, hide_texts=hide_texts)
        self._enabled = enabled
        self._blocks: list[tuple[float, bool]] = []

    @property
    def enabled(self) -> bool:
        """Whether blocks are sent to LangSmith."""
        return self._enabled is not False and self._place.usable

    def trace_feedback_collection(
        self, user_id: str | None = None, task_type: str | None = None, **metadata: Any
    ) -> "TracedBlock":
        """A block, for `with` or `async with`, in which feedback is collected; `metadata` is for filtering.

        Everything of ours inside it (`generate_feedback`, `evaluate`, a pipeline's run, …) becomes its child.
        """
        told = {"user_id": user_id, "task_type": task_type, **metadata}
        return TracedBlock(self, "feedback collection", told)

    def trace_training(self, method: str, adapter_name: str, **metadata: Any) -> "TracedBlock":
        """A block, for `with` or `async with`, in which an adapter is trained: `method` is "DPO" or "SFT".

        Hand the block what came out: `with tracer.trace_training("DPO", "v2") as block: block.log(loss=0.4)`.
        """
        return TracedBlock(
            self, f"training {method}", {"method": method, "adapter": adapter_name, **metadata}
        )

    def get_project_stats(self) -> ProjectStats:
        """What LangSmith knows of the project by now; without LangSmith, what this tracer did. Blocking.

        LangSmith counts with a delay of seconds. A project without a trace has `total_runs` 0.
        """
        if not self.enabled:
            return self._own_stats()
        from langsmith.utils import LangSmithError, LangSmithNotFoundError
        from requests import RequestException

        client = self._client()
        self.flush()
        try:
            found = client.read_project(project_name=self.project_name, include_stats=True)
        except LangSmithNotFoundError:
            return ProjectStats(project=self.project_name, source="langsmith", total_runs=0)
        except (LangSmithError, RequestException, TimeoutError):
            return self._own_stats()
        return ProjectStats(
            project=self.project_name,
            source="langsmith",
            total_runs=found.run_count or 0,
            error_rate=found.error_rate,
            median_latency=found.latency_p50.total_seconds() if found.latency_p50 else None,
            total_tokens=found.total_tokens,
            feedback={
                key: float(told["avg"])
                for key, told in (found.feedback_stats or {}).items()
                if isinstance(told, dict) and isinstance(told.get("avg"), int | float)
            },
        )

    async def aget_project_stats(self) -> ProjectStats:
        """`get_project_stats` for asynchronous code."""
        return await in_thread(self.get_project_stats)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait up to `timeout` seconds until everything traced so far has arrived; whether it has.

        At the end of a program what is left has little more than a second: call this before it where it matters.
        """
        if not self.enabled:
            return True
        from rlhf.nodes.tracing.scores import flush

        return flush(self._client(), timeout)

    def _client(self) -> "Client":
        from rlhf.nodes.tracing.client import tracing_client

        return tracing_client(self._place)

    def _own_stats(self) -> ProjectStats:
        seconds = [lasted for lasted, _ in self._blocks]
        return ProjectStats(
            project=self.project_name,
            source="process",
            total_runs=len(self._blocks),
            error_rate=sum(failed for _, failed in self._blocks) / len(self._blocks)
            if self._blocks
            else None,
            median_latency=statistics.median(seconds) if seconds else None,
        )


class TracedBlock:
    """One run in LangSmith, open while the block lasts; an exception marks it as failed and goes on."""

    def __init__(self, tracer: LangSmithTracer, name: str, metadata: dict[str, Any]) -> None:
        self._tracer = tracer
        self._name = name
        self._metadata = {key: value for key, value in metadata.items() if value is not None}
        self._outputs: dict[str, Any] = {}
        self._open: ExitStack | None = None
        self._run: RunTree | None = None
        self._started = 0.0

    @property
    def run_id(self) -> str | None:
        """The id of the run in LangSmith; None where nothing is traced."""
        return str(self._run.id) if self._run is not None else None

    def log(self, **outputs: Any) -> None:
        """Outputs of the run, such as metrics; may be called often."""
        self._outputs.update(outputs)

    def __enter__(self) -> Self:
        if self._open is not None:
            raise InputError("A traced block is entered once: ask the tracer for another.")
        self._open = ExitStack()
        self._started = time.monotonic()
        tracer = self._tracer
        if tracer._enabled is False:
            self._open.enter_context(tracing_to(False))
        elif tracer.enabled:
            from langsmith import trace

            client = self._open.enter_context(tracing_to(True, tracer.project_name, tracer._place))
            self._run = self._open.enter_context(
                trace(
                    self._name,
                    inputs=self._metadata,
                    metadata=self._metadata,
                    project_name=tracer.project_name,
                    client=client,
                )
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._open is not None, "left after it was entered"
        if self._run is not None and kind is None:
            self._run.end(outputs=self._outputs)
        self._tracer._blocks.append((time.monotonic() - self._started, kind is not None))
        self._open.__exit__(kind, error, trace)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
