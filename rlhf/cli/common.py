"""What several commands share: options, the recipe in use, and the services opened for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlhf.cli.app import say

if TYPE_CHECKING:
    from rlhf.nodes.services import Services
    from rlhf.state.ledger import Ledger
    from rlhf.state.settings import Settings

RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME|FILE", help="Recipe; else RLHF_RECIPE, else what is set up."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PromptOption = Annotated[str | None, typer.Option("--prompt", metavar="P", help="What was asked.")]
ResponseOption = Annotated[str | None, typer.Option("--response", metavar="R", help="What was answered.")]
ContextOption = Annotated[
    str | None, typer.Option("--context", metavar="JSON", help="Facts the response must respect.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id, as `rlhf runs` lists it.")]


def chosen_recipe(recipe: str | None) -> tuple["Settings", str]:
    """The settings in use and the recipe they come from; says which was chosen and why."""
    from rlhf.state.recipe import choose_recipe

    chosen = choose_recipe(recipe)
    say(f"Recipe {chosen.source}: {chosen.reason}.")
    return chosen.settings, chosen.source


def chosen_settings(recipe: str | None) -> "Settings":
    """The settings in use; says which recipe was chosen and why."""
    return chosen_recipe(recipe)[0]


@contextmanager
def opened_services(settings: "Settings") -> Iterator["Services"]:
    """Services for one command, closed at its end."""
    from rlhf.nodes.services import Services

    services = Services(settings)
    try:
        yield services
    finally:
        services.close()


@contextmanager
def opened_ledger(recipe: str | None) -> Iterator["Ledger"]:
    """The ledger alone, for commands that only look."""
    from rlhf.state.ledger import Ledger
    from rlhf.state.recipe import choose_recipe

    ledger = Ledger(choose_recipe(recipe).settings.storage.ledger_url)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def services_of_run(run_id: str, recipe: str | None) -> Iterator["Services"]:
    """Services with the settings the run was started with, on the ledger that holds it now."""
    from rlhf.state.run_index import ledger_of_run

    with ledger_of_run(run_id, recipe) as ledger:
        run, url = ledger.run(run_id), ledger.url
    if run.unknown_settings:
        say(
            f"Note: this version does not know the run's {', '.join(run.unknown_settings)} and goes on without."
        )
    with opened_services(run.settings.replace({"storage": {"ledger_url": url}}, f"run {run_id}")) as services:
        yield services


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """JSON on standard output."""
    import json

    typer.echo(json.dumps(value, ensure_ascii=False, indent=indent))


def visible(text: str) -> str:
    """`text` with characters that could steer a terminal as marks of the same length; line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else _mark(c) for c in text)


def _mark(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
