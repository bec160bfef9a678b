"""`rlhf backup` and `rlhf restore`: the ledger and its checkpoints, copied whole while runs go on, and put back."""

from pathlib import Path
from typing import Annotated

import typer

from rlhf.cli.app import app, say
from rlhf.cli.common import RecipeOption, chosen_settings


@app.command()
def backup(
    place: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE.zip", help="What is to be written; not there yet.")
    ],
    recipe: RecipeOption = None,
) -> None:
    """Copy the ledger and the checkpoints, while runs go on, and check the copy."""
    from rlhf.state import shell
    from rlhf.state.backup import back_up

    made = back_up(chosen_settings(recipe).storage, place)
    for part, rows in made.rows.items():
        typer.echo(f"{part}: {sum(rows.values()):,} rows in {len(rows)} tables, checked")
    typer.echo("Datasets and adapters are files of their own: copy their folders as well.")
    named = ["--recipe", recipe] if recipe else []
    typer.echo(
        f"To put it back: {shell.line('rlhf', 'restore', place.absolute(), *named, folder=Path.cwd())}"
    )


@app.command()
def restore(
    place: Annotated[Path, typer.Argument(metavar="FOLDER|FILE.zip", help="A backup.")],
    recipe: RecipeOption = None,
) -> None:
    """Put a backup in the place of the ledger and the checkpoints; what was there is backed up first."""
    from rlhf.state.backup import restore as restored

    made, saved = restored(place, chosen_settings(recipe).storage)
    typer.echo(f"Restored the state of {made.created_at}: {made.rows['ledger'].get('runs', 0)} run(s).")
    if saved is not None:
        say(f"What was there before is kept in {saved}.")
