"""`rlhf push-dataset`: a preference dataset as a LangSmith dataset, the same however often it is pushed."""

from typing import Annotated

import typer

from rlhf.cli.app import app
from rlhf.cli.common import RecipeOption


@app.command("push-dataset")
def push_dataset(
    source: Annotated[
        str, typer.Argument(metavar="RUN|FILE", help="A run's id, or a dataset's .jsonl with its manifest.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name in LangSmith; else the adapter's.")
    ] = None,
    recipe: RecipeOption = None,
) -> None:
    """Push a preference dataset to LangSmith."""
    from rlhf.push import dataset_file, push

    pushed = push(dataset_file(source, recipe), name)
    typer.echo(
        f"{pushed.name}: {pushed.added} pairs added, {pushed.known} were there already. {pushed.url or ''}".rstrip()
    )
