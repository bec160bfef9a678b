"""`rlhf export-review` and `rlhf import-review`: a run's review in a spreadsheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app, say
from rlhf.cli.common import RecipeOption, RunArgument, services_of_run

if TYPE_CHECKING:
    from rlhf.people.review import ReviewImport


@app.command("export-review")
def export_review(
    run_id: RunArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write; else RUN-review.csv.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All judged responses of the round, with the answers they have.")
    ] = False,
    with_judges: Annotated[
        bool, typer.Option("--with-judges", help="Show the judges' view; it pulls people's ratings its way.")
    ] = False,
    recipe: RecipeOption = None,
) -> None:
    """Write what waits for review as CSV, for people to rate in a spreadsheet."""
    from rlhf.people.review import export_run_review
    from rlhf.state import shell
    from rlhf.state.run_index import ledger_of_run

    path = out or Path(f"{run_id}-review.csv")
    with ledger_of_run(run_id, recipe) as ledger:
        number = export_run_review(ledger, run_id, path, everything=everything, with_judges=with_judges)
    if not number:
        all_of_it = "is judged yet" if everything else "waits for review; --all writes every judged response"
        say(f"Nothing in run {run_id} {all_of_it}. No file was written.")
        return
    typer.echo(f"{number} response(s) in {path}.")
    typer.echo("Rate them 1 to 5 in the column rating; leave it empty where there is no answer yet.")
    typer.echo(f"Then: {shell.line('rlhf', 'import-review', run_id, path)}")


@app.command("import-review")
def import_review(
    run_id: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The filled-in CSV.")],
    reviewer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who rated the rows that name nobody; else the login name."),
    ] = None,
    recipe: RecipeOption = None,
) -> None:
    """Record the ratings of a filled-in CSV as answers to the run's review: all of them, or none."""
    from rlhf.people.review import import_run_review

    with services_of_run(run_id, recipe) as services:
        _tell(run_id, import_run_review(services, run_id, file, reviewer=reviewer))


def _tell(run_id: str, done: "ReviewImport") -> None:
    for line in done.conflicts:
        say(f"Conflict: {line}")
    parts = [f"{done.num_recorded} rating(s) recorded"]
    parts += [f"{done.num_known} known already"] if done.num_known else []
    parts += [f"{len(done.conflicts)} not taken"] if done.conflicts else []
    parts += [f"{done.num_empty} row(s) without a rating"] if done.num_empty else []
    typer.echo(f"{', '.join(parts)}.")
    if done.num_late:
        late = f"{done.num_late} of them came after the dataset was built and no longer change it"
        typer.echo(f"{late}; they count where feedback and labels are merged.")
    if done.num_waiting:
        typer.echo(f"{done.num_waiting} response(s) still wait for review.")
    elif done.resumable:
        typer.echo(f"Nothing waits for review any more. Go on with: rlhf resume {run_id}")
