"""`rlhf users`: who may call a served app, and the log of what they did."""

from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app, say
from rlhf.cli.common import RecipeOption, chosen_settings

if TYPE_CHECKING:
    from rlhf.web.accounts import Accounts, Role

users = typer.Typer(help="List users; add or revoke one, or read the access log.")
app.add_typer(users, name="users")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]


@users.callback(invoke_without_command=True)
def listed(context: typer.Context, recipe: RecipeOption = None) -> None:
    """List users; add or revoke one, or read the access log."""
    context.obj = recipe
    if context.invoked_subcommand is not None:
        return
    from datetime import UTC, datetime

    found, now = _accounts(recipe).all(), datetime.now(UTC)
    if not found:
        typer.echo(
            "No users yet: whoever sits at this machine may do everything. `rlhf users add NAME` makes one."
        )
    for user in found:
        if user.revoked_at is not None:
            state = f"revoked {user.revoked_at:%Y-%m-%d}"
        elif user.expires_at is not None:
            state = f"{'until' if user.is_valid(now) else 'expired'} {user.expires_at:%Y-%m-%d}"
        else:
            state = "without end"
        typer.echo(f"{user.name:<24} {user.role:<9} {state}")


@users.command()
def add(
    context: typer.Context,
    name: NameArgument,
    role: Annotated[str, typer.Option(help="reviewer: sees and answers; operator: everything.")] = "reviewer",
    days: Annotated[int, typer.Option(min=0, max=3650, help="Days the token counts; 0: without end.")] = 90,
) -> None:
    """Make a user, or a new token for one; the token is shown this once."""
    from rlhf.state.errors import InputError

    if role not in ("reviewer", "operator"):
        raise InputError(f"--role {role}: give reviewer or operator.")
    kind: Role = "operator" if role == "operator" else "reviewer"
    token = _accounts(context.obj).add(name, kind, days or None)
    say(f"Token of {name} ({role}), shown once; clients send it as Authorization: Bearer TOKEN.")
    typer.echo(token)


@users.command()
def revoke(context: typer.Context, name: NameArgument) -> None:
    """End a user's token at once, on running servers too."""
    _accounts(context.obj).revoke(name)
    say(f"The token of {name} does not count any more.")


@users.command()
def log(
    context: typer.Context,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many entries.")] = 50,
) -> None:
    """Show who did what, the newest first."""
    from rlhf.state.ledger import Ledger

    ledger = Ledger(chosen_settings(context.obj).storage.ledger_url)
    try:
        for entry in ledger.access_log.newest(number):
            told = f"  refused: {entry.refused}" if entry.refused else ""
            when = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC" if entry.at else ""
            typer.echo(f"{when}  {entry.who:<16} {entry.role:<9} {entry.action} {entry.target}{told}")
    finally:
        ledger.close()


def _accounts(recipe: str | None) -> "Accounts":
    from rlhf.web.accounts import Accounts

    return Accounts(chosen_settings(recipe).storage.checkpoint_path.parent.absolute())
