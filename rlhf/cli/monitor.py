"""`rlhf monitor`: the quality of feedback over time, per task type, with drift and alerts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app
from rlhf.cli.common import JsonOption, RecipeOption, opened_ledger, print_json

if TYPE_CHECKING:
    from rlhf.state.measures import Batch, FeedbackQuality

_BLOCKS = "▁▂▃▄▅▆▇█"


@app.command()
def monitor(
    task_type: Annotated[
        str | None, typer.Option("--task-type", metavar="NAME", help="This task type only.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the newest N batches.")] = 20,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how feedback develops: every round of every run, and batches tracked from Python."""
    with opened_ledger(recipe) as ledger:
        batches = ledger.history.batches(task_type, limit)
    if as_json:
        print_json([batch.model_dump(mode="json") for batch in batches])
    elif not batches:
        of = f" of {task_type}" if task_type else ""
        typer.echo(
            f"No feedback{of} yet. Runs put theirs here; from Python: RLHFMonitor().track_feedback_quality(…)"
        )
    else:
        for name in sorted({batch.quality.task_type for batch in batches}):
            _print(name, [batch for batch in batches if batch.quality.task_type == name])


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """One block per value, from `low` (▁) to `high` (█); a space where there is none."""
    top = len(_BLOCKS) - 1
    return "".join(
        " " if value is None else _BLOCKS[min(top, max(0, round((value - low) / (high - low) * top)))]
        for value in values
    )


def _print(task_type: str, batches: Sequence["Batch"]) -> None:
    qualities = [batch.quality for batch in batches]
    typer.echo()
    counted = "1 batch" if len(batches) == 1 else f"{len(batches)} batches, oldest first"
    typer.secho(f"{task_type}: {counted}", bold=True)
    for name, values, high, form in (
        ("score", [quality.average_score for quality in qualities], 100.0, ".1f"),
        ("accepted", [quality.accepted_share for quality in qualities], 1.0, ".0%"),
        ("coverage", [quality.coverage for quality in qualities], 1.0, ".0%"),
    ):
        typer.echo(f"  {name:<9} {sparkline(values, 0.0, high)}  now {_shown(values[-1], form)}")
    typer.echo(_line("when (UTC)", *_HEADINGS, "batch"))
    for batch in batches:
        time = f"{batch.created_at:%Y-%m-%d %H:%M}"
        typer.echo(_line(time, *_cells(batch.quality), batch.quality.label or "-"))
    for quality in qualities:
        for alert in quality.alerts:
            typer.secho(f"  ! {quality.label or 'batch'}: {alert.sentence}", fg=typer.colors.YELLOW)


_HEADINGS = ("judged", "score", "rating", "chosen", "rejected", "drift", "p")


def _cells(quality: "FeedbackQuality") -> list[str]:
    drift = quality.drift
    return [
        f"{quality.num_scored}/{quality.num_feedback}",
        _shown(quality.average_score, ".1f"),
        _shown(quality.average_rating, ".2f"),
        _shown(quality.chosen_share, ".0%"),
        _shown(quality.rejected_share, ".0%"),
        _shown(drift.psi if drift else None, ".2f"),
        _shown(drift.p_value if drift else None, ".2g"),
    ]


def _line(time: str, *cells: str) -> str:
    *figures, label = cells
    widths = (9, 6, 6, 6, 8, 6, 7)
    aligned = " ".join(cell.rjust(width) for cell, width in zip(figures, widths, strict=True))
    return f"  {time:<16} {aligned}  {label}"


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
