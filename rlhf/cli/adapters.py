"""`rlhf adapters`: lists deployed adapters and moves the champion alias."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlhf.cli.app import app
from rlhf.cli.common import RecipeOption

if TYPE_CHECKING:
    from rlhf.training.registry import Version

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the adapter.")]

adapters = typer.Typer(help="List adapters; promote or roll back a version.")
app.add_typer(adapters, name="adapters")


@adapters.callback(invoke_without_command=True)
def listed(context: typer.Context, recipe: RecipeOption = None) -> None:
    """List adapters; promote or roll back a version."""
    context.obj = recipe
    if context.invoked_subcommand is not None:
        return
    from rlhf.training.registry import list_adapters

    folder = _folder(recipe)
    versions = list_adapters(folder)
    if not versions:
        typer.echo(f"No adapters in {folder} yet. `rlhf run PROMPTS --adapter NAME` makes one.")
    for version in versions:
        _print(version)


@adapters.command()
def promote(
    context: typer.Context,
    name: NameArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version to serve, such as v3.")],
) -> None:
    """Make a version the champion."""
    from rlhf.training.registry import promote as promoted

    _print(promoted(_folder(context.obj), name, version))


@adapters.command()
def rollback(
    context: typer.Context,
    name: NameArgument,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Version to go back to; else the champion before.")
    ] = None,
) -> None:
    """Make an earlier version the champion again."""
    from rlhf.training.registry import rollback as rolled_back

    _print(rolled_back(_folder(context.obj), name, version))


def _folder(recipe: str | None) -> Path:
    from rlhf.state.recipe import choose_recipe

    return Path(choose_recipe(recipe).settings.pipeline.output_dir)


def _print(version: "Version") -> None:
    aliases = ", ".join(version.aliases)
    created = str(version.manifest.get("created_at", ""))[:16].replace("T", " ")
    line = f"{version.name:<24} {version.version:<5} {aliases:<10} {created}  {_proof(version.manifest)}"
    typer.echo(f"{line.rstrip()}\n{'':<30} {version.path}")


def _proof(manifest: Any) -> str:
    evaluation = manifest.get("evaluation") or {}
    if evaluation.get("delta") is None:
        return str(evaluation.get("verdict") or "")
    interval = f"[{evaluation['ci_low']:+.1f}, {evaluation['ci_high']:+.1f}]"
    return f"{evaluation['verdict']}: {evaluation['delta']:+.1f} {interval}"
