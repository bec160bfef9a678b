"""`rlhf calibrate`: fits the judges' scores, the pair margin and the review threshold to people's labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.agreement import LabelsArgument, LimitOption, TaskTypeOption, chosen_labels, plain_table
from rlhf.cli.app import app, say
from rlhf.cli.common import JsonOption, RecipeOption, opened_services, print_json

if TYPE_CHECKING:
    from rlhf.state.measures import Calibration, CrossValidated
    from rlhf.state.settings import Settings
    from rlhf.training.statistics.certificate import Certificate
    from rlhf.trust.calibration import CalibrationReport


@app.command()
def calibrate(
    labels: LabelsArgument,
    agreement: Annotated[
        float | None,
        typer.Option(
            "--agreement",
            metavar="A",
            min=0.5,
            max=0.99,
            help="Fit review.min_confidence so that judges agree "
            "with people this often on what people do not see.",
        ),
    ] = None,
    pair_accuracy: Annotated[
        float,
        typer.Option(
            "--pair-accuracy",
            metavar="P",
            min=0.5,
            max=0.99,
            help="Fit dataset.min_margin for this share of pairs the right way round.",
        ),
    ] = 0.8,
    limit: LimitOption = None,
    task_type: TaskTypeOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing in the ledger.")] = False,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the recipe with the fitted values.")
    ] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the judges to people's labels; keep only what helps on labels held out."""
    from rlhf.state.errors import InputError
    from rlhf.state.recipe import choose_recipe

    chosen = choose_recipe(recipe)
    say(f"Recipe {chosen.source}: {chosen.reason}.")
    if write is not None and write.exists():
        raise InputError(f"{write} exists; name another file for the recipe.")
    rows, file_key = chosen_labels(labels, chosen.settings, task_type, limit)
    with opened_services(chosen.settings) as services:
        import asyncio

        from rlhf.progress import live_progress
        from rlhf.trust.calibration import calibration_report
        from rlhf.trust.labels import judge_labels

        with live_progress() as follow:
            known = asyncio.run(judge_labels(services, rows, follow))
        report = calibration_report(
            services,
            rows,
            known,
            file_key,
            pair_accuracy=pair_accuracy,
            agreement=agreement,
            store=not dry_run,
        )
    if as_json:
        print_json(report.model_dump(mode="json") | {"recommended": report.recommended})
    else:
        _print(report, chosen.settings)
    if write is not None:
        _write(write, chosen.source, report)


def _write(path: Path, source: str, report: "CalibrationReport") -> None:
    from rlhf.state.files.atomic import write_atomic
    from rlhf.state.recipe import recipe_text, shipped_recipes, with_values

    values = report.recommended
    if not values:
        say(f"No value is proved: {path} was not written.")
        return
    shipped = source in shipped_recipes()
    text = recipe_text(source) if shipped else Path(source).read_text(encoding="utf-8-sig")
    write_atomic(path, with_values(text, values, source).encode())
    changed = [
        f"{section}.{key} = {value:g}" for section, keys in values.items() for key, value in keys.items()
    ]
    say(f"{path}: {source} with {', '.join(changed)}.")


def _print(report: "CalibrationReport", settings: "Settings") -> None:
    from rich.console import Console

    console = Console()
    if report.num_failed:
        typer.echo(f"{report.num_failed} of {report.num_labels} labels could not be judged and are left out.")
    for calibration in report.calibrations:
        _print_maps(calibration, stored=report.stored)
    if report.margins:
        table = plain_table("Pairs by margin", "margin of at least", "pairs", "right", "95 %")
        for row in report.margins:
            right = row.accuracy
            table.add_row(
                f"{row.margin:g}",
                f"{row.kept:.0%}",
                "" if right is None else f"{right.value:.1%}",
                "" if right is None else f"{100 * right.low:.1f}–{100 * right.high:.1f}",
            )
        console.print(table)
    if report.min_margin is None:
        typer.echo("No two responses to one prompt have different labels: there is no margin to fit.")
    else:
        _print_certificate("dataset.min_margin", "pair accuracy", "pairs", report.min_margin)
        if settings.dataset.selection != "margin":
            typer.echo('It takes effect with dataset.selection = "margin" only.')
    if report.min_confidence is not None:
        _print_certificate("review.min_confidence", "agreement", "labels", report.min_confidence)
        if report.min_confidence.threshold is None:
            typer.echo('Until then people should see every response: review.mode = "all".')


def _print_maps(calibration: "Calibration", *, stored: bool) -> None:
    from rich.console import Console

    judge = calibration.judge
    pairs = calibration.kind == "pairs"
    error = "Brier score of who wins" if pairs else "mean distance in points"
    typer.secho(f"{judge.model}, rubric {judge.task_type} {judge.rubric_version}", bold=True)
    title = f"{error[0].upper()}{error[1:]}, on held-out labels"
    columns = ["", "raw", "constant", "calibrated", "gain ≥", *(["right", "after"] if pairs else []), "map"]
    table = plain_table(title, *columns)
    for name, found in calibration.figures.items():
        table.add_row(name, *_figures(found, pairs), "yes" if found.stored else "no")
    Console().print(table)
    for note in dict.fromkeys(found.note for found in calibration.figures.values() if not found.stored):
        names = [n for n, found in calibration.figures.items() if found.note == note and not found.stored]
        typer.echo(f"No map for {', '.join(names)}: {note}.")
    if pairs:
        typer.echo("Pairs say which is better, not how good: the maps keep the scores' mean and spread.")
    kept = [*calibration.dimensions, *(["overall"] if calibration.overall else [])]
    if not stored:
        typer.echo("Dry run: nothing is stored.")
    elif not calibration.is_tested:
        typer.echo("Too few labels to test maps on: nothing is stored.")
    elif kept:
        typer.echo(
            f"Stored as {calibration.key}: {', '.join(kept)}. Used from now on with this judge and rubric."
        )
    else:
        typer.echo("No map helps: raw scores are used from now on with this judge and rubric.")


def _figures(found: "CrossValidated", pairs: bool) -> list[str]:
    digits = 3 if pairs else 1
    cells = [found.raw, found.constant, found.calibrated, found.gain_low]
    shown = ["" if value is None else f"{value:.{digits}f}" for value in cells]
    if pairs:
        shown += ["" if v is None else f"{v:.1%}" for v in (found.raw_accuracy, found.calibrated_accuracy)]
    return shown


def _print_certificate(key: str, what: str, of: str, found: "Certificate") -> None:
    from rlhf.training.statistics.certificate import CERTAINTY

    if found.threshold is None:
        typer.echo(f"No {key} proves {what} {found.wanted:.0%}: {found.note}.")
        return
    typer.echo(
        f"{key} = {found.threshold:g}: {what} {found.agreement:.1%} on {found.num_labels} {of}, at least "
        f"{found.proved:.1%} with {CERTAINTY:.0%} certainty; {found.kept:.0%} of the {of} are left to the judges."
    )
