"""Live progress per stage: bars on a terminal and in a notebook, plain lines elsewhere."""

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a stage is: `done` of `total` of what it counts; `detail` is one line for people."""

    stage: str
    done: int
    total: int
    detail: str = ""


Follow = Callable[[Progress], None]


@contextmanager
def live_progress(*, shown: bool = True) -> Iterator[Follow]:
    """Yields the function that shows a stage's progress; what it shows goes to standard error or the notebook."""
    if not shown:
        yield lambda event: None
    elif _in_notebook():
        yield NotebookBars()
    elif sys.stderr.isatty():
        with _terminal_bars() as follow:
            yield follow
    else:
        yield PlainLines()


@contextmanager
def _terminal_bars() -> Iterator[Follow]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("[bold]{task.description:<11}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>8}"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}
    clocks: dict[str, Clock] = {}

    def follow(event: Progress) -> None:
        clock = clocks.setdefault(event.stage, Clock(event))
        if event.stage not in tasks:
            name = event.stage
            tasks[name] = bars.add_task(name, total=event.total, completed=event.done, rate="", detail="")
        rate = clock.rate(event)
        bars.update(
            tasks[event.stage],
            total=event.total,
            completed=event.done,
            rate=f"{rate:.1f}/s" if rate else "",
            detail=event.detail.replace("[", "\\["),
        )

    with bars:
        yield follow


def _in_notebook() -> bool:
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return hasattr(shell, "kernel")


class NotebookBars:
    """A table of bars that is updated in place, from whatever thread the work goes on in.

    Plain HTML rather than widgets: it needs nothing installed and stays readable in a saved notebook.
    """

    def __init__(self) -> None:
        self._stages: dict[str, tuple[Progress, Clock]] = {}
        self._shown: Any = None
        self._last = 0.0

    def __call__(self, event: Progress) -> None:
        _, clock = self._stages.get(event.stage, (event, Clock(event)))
        self._stages[event.stage] = event, clock
        now = time.monotonic()
        if event.done < event.total and now - self._last < 0.2:
            return
        self._last = now
        self._show("".join(self._row(event, clock) for event, clock in self._stages.values()))

    def _show(self, rows: str) -> None:
        from IPython.display import HTML, display

        table = HTML(f"<table>{rows}</table>")
        if self._shown is None:
            self._shown = display(table, display_id=True)
        else:
            self._shown.update(table)

    @staticmethod
    def _row(event: Progress, clock: "Clock") -> str:
        bar = f'<progress value="{event.done}" max="{max(1, event.total)}"></progress>'
        cells = (f"{event.done}/{event.total}", clock.left(event), event.detail)
        told = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        return f"<tr><th>{html.escape(event.stage)}</th><td>{bar}</td>{told}</tr>"


class Clock:
    """How fast a stage goes, counted from where this process found it."""

    def __init__(self, first: Progress) -> None:
        self._begin(first)

    def _begin(self, first: Progress) -> None:
        self._first = self._last = first.done
        self._started = time.monotonic()

    def rate(self, event: Progress) -> float:
        """Units per second; 0 until it can be told."""
        if event.done < self._last:  # a new round, or another model's turn, begins at nothing again
            self._begin(event)
        self._last = event.done
        elapsed = time.monotonic() - self._started
        return (event.done - self._first) / elapsed if elapsed > 0 else 0.0

    def left(self, event: Progress) -> str:
        """Time left as people say it; empty until it can be told."""
        rate = self.rate(event)
        return duration((event.total - event.done) / rate) if rate and event.done < event.total else ""


class PlainLines:
    """One line when a stage begins, ends, or has said nothing for a while."""

    def __init__(self) -> None:
        self._clocks: dict[str, Clock] = {}
        self._said: dict[str, float] = {}
        self._last: dict[str, Progress] = {}

    def __call__(self, event: Progress) -> None:
        clock = self._clocks.setdefault(event.stage, Clock(event))
        now = time.monotonic()
        ended = event.done >= event.total and event != self._last.get(event.stage)
        self._last[event.stage] = event
        if not ended and now - self._said.get(event.stage, float("-inf")) < _SECONDS_BETWEEN_LINES:
            return
        self._said[event.stage] = now
        rate, left = clock.rate(event), clock.left(event)
        parts = [f"{event.stage:<11} {event.done}/{event.total}"]
        parts += [f"{rate:.1f}/s"] if rate else []
        parts += [f"{left} left"] if left else []
        parts += [event.detail] if event.detail else []
        print("  ".join(parts), file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """75 → "1 min 15 s"."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
