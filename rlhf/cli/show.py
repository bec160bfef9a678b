"""`rlhf runs` and `rlhf show`: what runs there are and how one stands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app
from rlhf.cli.common import JsonOption, RecipeOption, RunArgument, print_json

if TYPE_CHECKING:
    from rlhf.state.ledger import RunRow


@app.command()
def runs(
    recipe: RecipeOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the newest N.")] = 20,
) -> None:
    """List runs, newest first."""
    from rlhf.runs.drive import interrupted_note
    from rlhf.runs.lock import is_in_use
    from rlhf.state.errors import LedgerError

    rows = sorted(_all_runs(recipe), key=lambda row: (row.created_at, row.run_id), reverse=True)
    if not rows:
        typer.echo("No runs yet. Start one: rlhf run PROMPTS")
        return
    for row in rows[:limit]:
        status, note = str(row.status), row.note
        if isinstance(row.kept_settings, LedgerError):
            note = str(row.kept_settings)
        elif row.status == "running" and not row.is_served and not is_in_use(row):
            status, note = "interrupted", interrupted_note(row.run_id)
        started = f"{row.created_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{row.run_id:<40} {status:<11} {started}  {row.adapter_name}  {note}".rstrip())


def _all_runs(recipe: str | None) -> Iterator["RunRow"]:
    """The runs of every ledger that is known here; of the named recipe's alone if there is one."""
    from rlhf.state.ledger import Ledger
    from rlhf.state.run_index import known_ledgers

    for url in known_ledgers(recipe):
        ledger = Ledger(url)
        try:
            yield from ledger.runs()
        finally:
            ledger.close()


@app.command()
def show(run_id: RunArgument, as_json: JsonOption = False, recipe: RecipeOption = None) -> None:
    """Show how a run stands."""
    from rlhf.cli.summary import print_report
    from rlhf.runs.drive import report_of
    from rlhf.runs.lock import is_in_use
    from rlhf.state.run_index import ledger_of_run

    with ledger_of_run(run_id, recipe) as ledger:
        report = report_of(ledger, run_id, in_use=is_in_use(ledger.run(run_id)))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        print_report(report)
