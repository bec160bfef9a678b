"""`rlhf evidence`: the checks without a judge, for people (spans highlighted) or as a gate (JSON, an exit status)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlhf.cli.app import EXIT_QA_FAILED, app, say
from rlhf.cli.common import ContextOption, JsonOption, PromptOption, ResponseOption, print_json, visible

if TYPE_CHECKING:
    from rich.text import Text

    from rlhf.evidence import ResponseEvidence

_STYLES = {"major": "bold white on red", "minor": "black on yellow", "info": "underline"}


@app.command()
def evidence(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Rows with prompt and response (or output).")
    ] = None,
    prompt: PromptOption = None,
    response: ResponseOption = None,
    context: ContextOption = None,
    task_type: Annotated[str, typer.Option("--task-type", metavar="NAME", help="Rubric pack.")] = "general",
    as_json: JsonOption = False,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", metavar="KIND,…", help="Exit with 1 if one of these is found."),
    ] = None,
) -> None:
    """Check responses without a judge: no model, no key, milliseconds."""
    from rlhf.cli.judge import read_items
    from rlhf.evidence import check_evidence

    gate = _kinds(fail_on)
    failed = 0
    for number, (row, text) in enumerate(read_items(file, prompt, response, context, task_type), 1):
        found = check_evidence(row.text, text, row.context, row.task_type)
        if as_json:
            print_json(found.model_dump(mode="json"), indent=None)
        else:
            _print_one(number, text, found)
        failed += any(each.kind in gate for each in found.findings)
    if failed:
        say(f"{failed} response{'s have' if failed > 1 else ' has'} a finding of --fail-on.")
        raise typer.Exit(EXIT_QA_FAILED)


def _kinds(fail_on: str | None) -> frozenset[str]:
    from typing import get_args

    from rlhf.nodes.evidence import FindingKind
    from rlhf.state.errors import InputError

    wanted = frozenset(kind.strip() for kind in (fail_on or "").split(",") if kind.strip())
    unknown = sorted(wanted - set(get_args(FindingKind)))
    if unknown:
        known = ", ".join(sorted(get_args(FindingKind)))
        raise InputError(f"--fail-on: no finding is called {unknown[0][:80]!r}; there are {known}.")
    return wanted


def _print_one(number: int, response: str, found: "ResponseEvidence") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if number > 1:
        console.print()
    console.print(f"Response {number}", style="bold")
    console.print(_highlighted(response, found))
    for each in found.findings:
        if each.severity != "info":
            line = Text(f"  {each.severity:<6} {each.kind:<22} ", style="bold")
            console.print(line.append(visible(each.sentence), style="not bold"))
    for name, grade in found.dimensions.items():
        score = "     -" if grade.score is None else f"{grade.score:6.1f}"
        console.print(f"  {name:<16} {score}{'' if grade.cap is None else f'  at most {grade.cap:g}'}")
    if shown := _reading(found.reading):
        console.print(Text(f"  read as: {visible(shown)}"))


def _highlighted(response: str, found: "ResponseEvidence") -> "Text":
    """The response with its faults marked by colour; control characters become visible marks."""
    from rich.text import Text

    text = Text(visible(response))
    for each in reversed(found.findings):  # the worst come last, on top
        whole = each.start == 0 and each.end >= len(response)
        if each.severity != "info" and not whole:
            text.stylize(_STYLES[each.severity], each.start, each.end)
    return text


def _reading(reading: dict[str, Any]) -> str:
    parts = [f"{name} {amount:,.0f}" for name, amount in reading["allocations"].items()]
    return ", ".join(parts) + (f"; budget {reading['budget']:,.0f}" if parts and reading["budget"] else "")
