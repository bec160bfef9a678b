"""`rlhf recipe`: lists the shipped recipes, or prints one with its comments as a start for your own."""

from typing import Annotated

import typer

from rlhf.cli.app import app


@app.command()
def recipe(
    name: Annotated[str | None, typer.Argument(help="Recipe to print; without it, their names.")] = None,
) -> None:
    """Print a shipped recipe; `rlhf recipe local > mine.toml` starts your own."""
    from rlhf.state.recipe import recipe_text, shipped_recipes

    typer.echo(recipe_text(name).rstrip() if name else "\n".join(shipped_recipes()))
