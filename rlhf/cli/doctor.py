"""`rlhf doctor`: looks at everything a run needs and says how to mend what is missing."""

import os

import typer

from rlhf.cli.app import EXIT_FAILED, app
from rlhf.cli.common import RecipeOption, chosen_settings


@app.command()
def doctor(recipe: RecipeOption = None) -> None:
    """Check packages, models, endpoints, folders and disk; with a recipe that is named, make one judgement."""
    from rlhf.doctor import checkup

    settings = chosen_settings(recipe)
    failed = 0
    for finding in checkup(settings, judging=bool(recipe or os.environ.get("RLHF_RECIPE"))):
        failed += not finding.ok
        mark, color = ("ok  ", typer.colors.GREEN) if finding.ok else ("FAIL", typer.colors.RED)
        if finding.mind:
            mark, color = "mind", typer.colors.YELLOW
        typer.secho(f"{mark}  ", nl=False, fg=color)
        typer.echo(f"{finding.what:<22} {finding.state}")
        if advice := finding.mend or finding.mind:
            typer.echo(f"      {'':<22} {advice}")
    if failed:
        typer.echo(f"\n{failed} thing(s) to mend before `rlhf run` with this recipe.")
        raise typer.Exit(EXIT_FAILED)
    typer.echo("\nReady.")
