"""`rlhf compare`: two adapters, two models or two sets of feedback on the same prompts, and who wins."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app
from rlhf.cli.common import JsonOption, RecipeOption, chosen_settings, opened_services, print_json

if TYPE_CHECKING:
    from rlhf.trust.comparison import VersionComparison

_SIDE = "Adapter (NAME, NAME@VERSION, folder), base, openai|ollama|vllm/NAME, feedback file, or run."


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    second: Annotated[str, typer.Argument(metavar="B", help="The same for the other side.")],
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="FILE", help="Prompts that adapters and models answer."),
    ] = None,
    variations: Annotated[
        int | None, typer.Option(min=1, max=64, help="Responses per prompt; else as for held-out prompts.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first N prompts.")] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare A with B on the same prompts; a winner only where it is proved."""
    import asyncio

    from rlhf.progress import live_progress
    from rlhf.state.files.prompts import read_prompts
    from rlhf.trust.contestants import compare_named

    settings = chosen_settings(recipe)
    rows = read_prompts(prompts, settings.task_type)[:limit] if prompts else []
    each = variations or settings.pipeline.num_held_out_variations
    with opened_services(settings) as services, live_progress() as follow:
        result = asyncio.run(compare_named(services, first, second, rows, each, follow))
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        _print(result)


def _print(result: "VersionComparison") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    won = "Tie" if result.winner == "tie" else f"{result.winner} wins"
    typer.secho(f"{won}: {'; '.join(result.reasons)}", bold=True)
    if result.score_delta is None:
        return
    table = Table(
        title=Text(f"A = {result.first}, B = {result.second}"), title_justify="left", title_style=""
    )
    for name in ("points of 100", "B − A", "95 % interval"):
        table.add_column(name, justify="left" if name == "points of 100" else "right")
    lines = {"overall": (result.score_delta, result.ci_low, result.ci_high)}
    lines |= {name: (part.delta, part.ci_low, part.ci_high) for name, part in result.dimensions.items()}
    for name, (delta, low, high) in lines.items():
        table.add_row(name, f"{delta:+.1f}", f"[{low:+.1f}, {high:+.1f}]".replace("[", "\\["))
    Console().print(table)
    rating = "" if result.rating_delta is None else f", rating {result.rating_delta:+.2f} stars"
    typer.echo(f"Scores {result.first_score:.1f} and {result.second_score:.1f}{rating}.")
    typer.echo(
        f"B scores higher on {result.win_rate:.0%} of {result.num_prompts} prompts (coverage "
        f"{result.coverage:.0%}), p {result.p_value:.2g}; length × {result.length_ratio:.2f}."
    )
