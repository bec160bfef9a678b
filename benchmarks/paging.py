"""What a review page and a pass of `collect` cost as a round grows: time, statements, rows and bytes of the ledger.

The round is judged beforehand (benchmarks/judged_run.py); the pipeline then finds everything in the ledger and is
driven through pages as `rlhf review` drives it.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa
from langgraph.graph import START, StateGraph

from benchmarks.judged_run import judged_run
from rlhf.nodes.approvals import Decision
from rlhf.nodes.collect import collect
from rlhf.nodes.services import Services
from rlhf.runs.drive import advance
from rlhf.state.graph_state import PipelineState
from rlhf.state.settings import Settings

RUN = "paged"
VARIATIONS = 5
REPEATS = 15


@dataclass
class Cost:
    """What one piece of work took: the median of its repetitions in time, their mean in all else."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    statements: int = 0
    rows: int = 0
    bytes: int = 0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Another repetition."""
        started, worked = time.perf_counter(), time.process_time()
        yield
        self.seconds.append(time.perf_counter() - started)
        self.cpu_seconds.append(time.process_time() - worked)

    def each(self, total: int) -> float:
        """`total` over the repetitions, for one of them."""
        return total / len(self.seconds)


@contextmanager
def counted(cost: Cost) -> Iterator[None]:
    """Add to `cost` what is read from ledgers that are opened meanwhile."""

    def count_rows(connection: sqlite3.Connection, _record: object) -> None:
        def row(_cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> tuple[Any, ...]:
            cost.rows += 1
            cost.bytes += sum(len(value) if isinstance(value, str | bytes) else 8 for value in values)
            return values

        connection.row_factory = row

    def count_statement(*_told: object) -> None:
        cost.statements += 1

    sa.event.listen(sa.Engine, "connect", count_rows)
    sa.event.listen(sa.Engine, "before_cursor_execute", count_statement)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", count_rows)
        sa.event.remove(sa.Engine, "before_cursor_execute", count_statement)


def measured(responses: int, settings: Settings) -> tuple[Cost, Cost, Cost]:
    """The cost of a pass of `collect` at the end of the round, of closing the round, and of a review page."""
    judged_run(settings, RUN, responses, VARIATIONS)
    prompts = responses // VARIATIONS
    passing, closing, page = Cost(), Cost(), Cost()
    batch = 256 // VARIATIONS
    services = Services(settings)
    with counted(passing):
        before = asyncio.run(_collected(services, {"position": prompts - 2 * batch}, Cost()))
        passing.statements = passing.rows = passing.bytes = 0
        for _ in range(REPEATS):
            asyncio.run(_collected(services, {**before, "position": prompts - batch}, passing))
    services.close()
    with counted(closing):
        for _ in range(3):
            asyncio.run(_collected(services, {**before, "position": prompts}, closing))
    services.close()
    first = asyncio.run(_paged(services, Cost(), None, 1))
    services.close()
    with counted(page):
        asyncio.run(_paged(services, page, first, REPEATS))
    services.close()
    return passing, closing, page


async def _collected(services: Services, state: dict[str, Any], cost: Cost) -> dict[str, Any]:
    """Run the node alone; returns the state after it."""
    graph: StateGraph[Any] = StateGraph(PipelineState)
    graph.add_node("collect", partial(collect, services=services), destinations=("generate", "review"))
    for name in ("generate", "review"):
        graph.add_node(name, lambda state: {})
    graph.add_edge(START, "collect")
    compiled = graph.compile()
    with cost.timed():
        after = await compiled.ainvoke({"run_id": RUN, "round": 1, **state})
    return dict(after)


async def _paged(services: Services, cost: Cost, answers: Any, pages: int) -> Any:
    """Go on with the run page by page; returns the approvals of the page it waits with."""
    for _ in range(pages):
        with cost.timed():
            outcome = await advance(services, RUN, lambda progress: None, answers)
        assert outcome.pending is not None
        answers = approvals(outcome.pending.requests)
    return answers


def approvals(requests: Sequence[Any]) -> list[Decision]:
    """An approval for each."""
    return [Decision(type="approve") for _ in requests]


def table(sizes: Sequence[int], settings_in: Callable[[Path], Settings]) -> float:
    """Print the costs at each size; returns the most by which a pass or a page grew from the first to the last.

    As a share of the first, of the processor's time: what others do on the machine does not count.
    """
    print(
        f"{'responses':>9}  {'work':<16} {'ms':>8} {'ms of CPU':>10} {'statements':>11} {'rows read':>10}"
        f" {'bytes read':>11}"
    )
    found: dict[str, list[Cost]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            costs = measured(size, settings_in(Path(name)))
        for work, cost in zip(("collect", "collect, closing", "review page"), costs, strict=True):
            found.setdefault(work, []).append(cost)
            print(
                f"{size:>9,}  {work:<16} {median(cost.seconds) * 1000:>8.1f}"
                f" {median(cost.cpu_seconds) * 1000:>10.1f} {cost.each(cost.statements):>11.1f}"
                f" {cost.each(cost.rows):>10,.0f} {cost.each(cost.bytes):>11,.0f}",
                flush=True,
            )

    def growth(work: str) -> float:
        return median(found[work][-1].cpu_seconds) / median(found[work][0].cpu_seconds) - 1

    return max(growth("collect"), growth("review page"))
