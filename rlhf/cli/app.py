"""The application object: how errors become one plain line and an exit status."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rlhf import __version__
from rlhf.state.errors import RlhfError

EXIT_QA_FAILED = 1
EXIT_WAITING = 3
EXIT_FAILED = 4
EXIT_INTERRUPTED = 130


class _PlainErrors(TyperGroup):
    """Prints errors as text; `--debug`, anywhere on the line, shows the traceback instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--debug" in args:
            args = ["--debug", *(argument for argument in args if argument != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            say_error("stopped. What is finished is kept: `rlhf runs` lists runs, `rlhf resume RUN` goes on.")
            raise typer.Exit(EXIT_INTERRUPTED) from error
        except Exception as error:
            # Typer reports its own: bad usage (status 2), a closed pipe, the end of input.
            own = type(error).__module__.startswith("typer") or isinstance(error, BrokenPipeError | EOFError)
            if own or ctx.params.get("debug"):
                raise
            raise typer.Exit(_report(error)) from error


def _report(error: Exception) -> int:
    """Print the error; returns the exit status it stands for."""
    if isinstance(error, RlhfError):
        say_error(str(error))
        return error.exit_status
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        say_error(f"{place}{error.strerror or error}.")
        return EXIT_FAILED
    reason = str(error).strip().splitlines()
    say_error(f"unexpected {type(error).__name__}{': ' + reason[0] if reason else ''}")
    say("This is a fault in the program; run the command again with --debug to see where.")
    return EXIT_FAILED


app = typer.Typer(
    cls=_PlainErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_say_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Prompts in; a judged, trained, evaluated and deployed LoRA adapter out."""


def say(text: str) -> None:
    """A line for people on standard error; standard output carries results only."""
    typer.echo(text, err=True)


def say_error(text: str) -> None:
    """An error, red on a terminal."""
    typer.secho(f"Error: {text}", err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
