"""`rlhf agreement`: how far the judges agree with people's labels, beside simple baselines and other people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app, say
from rlhf.cli.common import JsonOption, RecipeOption, chosen_settings, opened_services, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from rlhf.state.files.labels import Labels
    from rlhf.state.settings import Settings
    from rlhf.training.statistics.preferences import PairFigures, Share
    from rlhf.training.statistics.score_agreement import ScoreFigures
    from rlhf.trust.agreement import LabelAgreement, PairAgreement, ScoreAgreement
    from rlhf.trust.labels import Verdicts

LabelsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="LABELS",
        help="Rows: prompt, response_a, response_b, label (a, b, tie); or prompt, response, score, scale.",
    ),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="A random sample of N labels, by the seed.")
]
TaskTypeOption = Annotated[
    str | None, typer.Option("--task-type", metavar="NAME", help="Rubric pack of rows that name none.")
]
_MOST_CATEGORIES = 12


@app.command()
def agreement(
    labels: LabelsArgument,
    limit: LimitOption = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            "--verdicts",
            metavar="FILE",
            help='Finished verdicts instead of new calls: `rlhf judge --json`, or lines {"id", "verdict"}.',
        ),
    ] = None,
    tie_within: Annotated[
        float, typer.Option("--tie-within", metavar="P", min=0, max=100, help="Scores this close are a tie.")
    ] = 0.0,
    task_type: TaskTypeOption = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the judges with people's labels."""
    from rlhf.trust.agreement import agreement_on

    settings = chosen_settings(recipe)
    rows, file_key = chosen_labels(labels, settings, task_type, limit)
    notes: list[str] = []
    if verdicts is None:
        known, source, notes = _judged(settings, rows, file_key)
    else:
        from rlhf.trust.labels import read_verdicts

        known, source = read_verdicts(verdicts, rows), str(verdicts)
    found = agreement_on(rows, known, source, tie_within=tie_within)
    found = found.model_copy(update={"notes": notes})
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)


def chosen_labels(
    path: Path, settings: "Settings", task_type: str | None, limit: int | None
) -> tuple["Labels", str]:
    """The labels, or the sample of them that --limit asks for, and the key of the whole file's labels."""
    from rlhf.state.files.labels import labels_key, read_labels, sampled

    labels = read_labels(path, task_type or settings.task_type)
    if limit is not None and limit < len(labels):
        say(f"{limit} of {len(labels)} labels, drawn with seed {settings.pipeline.seed}.")
    return sampled(labels, limit, settings.pipeline.seed), labels_key(labels)


def _judged(settings: "Settings", rows: "Labels", file_key: str) -> tuple["Verdicts", str, list[str]]:
    import asyncio

    from rlhf.progress import live_progress
    from rlhf.trust.labels import judge_labels

    with opened_services(settings) as services, live_progress() as follow:
        known = asyncio.run(judge_labels(services, rows, follow))
        used = {entry.calibration for entry in known.feedback.values() if entry.calibration}
        fitted_here = any(services.ledger.calibrations.get(key).labels == file_key for key in used)
    notes = ["The scores are calibrated on this very file: its figures flatter them."] if fitted_here else []
    return known, settings.judge.model, notes


def _print(found: "LabelAgreement") -> None:
    from rich.console import Console

    typer.secho(f"{found.source} against people on {found.num_labels} labels", bold=True)
    if found.num_failed:
        share = 1 - found.num_failed / found.num_labels
        typer.echo(f"{found.num_failed} could not be judged: figures are over the other {share:.1%}.")
    for note in found.notes:
        typer.echo(note)
    console = Console()
    if found.pairs is not None:
        for table in _pair_tables(found.pairs):
            console.print(table)
        _print_pair_notes(found.pairs)
    if found.scores is not None:
        for table in _score_tables(found.scores):
            console.print(table)


def plain_table(title: str, *columns: str) -> "Table":
    """A table for people: a bold title, no frame."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in columns:
        table.add_column(name, justify="left" if name == columns[0] else "right", no_wrap=True)
    return table


def _pair_tables(found: "PairAgreement") -> "list[Table]":
    columns = ("accuracy", "95 %", "with ties", "kappa", "ties", "pairs")
    main = plain_table("Pairs", "", *columns)
    main.add_row("judges", *_pair_cells(found.overall))
    if found.without_calibration is not None:
        main.add_row("  uncalibrated", *_pair_cells(found.without_calibration))
    for name, figures in found.baselines.items():
        main.add_row(name, *_pair_cells(figures, interval=name != "random"))
    if found.human is not None:
        one = f"{100 * found.human.accuracy:.1f}"
        main.add_row("one person", one, "", "", "", "", "")
    main.add_section()
    main.add_row("length-matched", *_pair_cells(found.length_matched))
    main.add_row("  longer wins", *_pair_cells(found.length_matched_longer))
    tables = [main]
    if found.dimensions:
        by_dimension = plain_table("By one dimension's score alone", "", *columns)
        for name, figures in found.dimensions.items():
            by_dimension.add_row(name, *_pair_cells(figures))
        tables.append(by_dimension)
    if found.categories:
        by_category = plain_table(_categories(len(found.categories)), "", *columns)
        for name, figures in list(found.categories.items())[:_MOST_CATEGORIES]:
            by_category.add_row(name[:20], *_pair_cells(figures))
        tables.append(by_category)
    return tables


def _print_pair_notes(found: "PairAgreement") -> None:
    typer.echo(f"Order: {found.order_note}")
    if (orders := found.orders) is not None:
        first = (
            "" if orders.first_share is None else f"; {orders.first_share:.1%} of them chose what came first"
        )
        typer.echo(f"Told alike in both orders: {orders.consistent:.1%} of {orders.num_pairs} pairs{first}.")
        for name, figures in (("as given", orders.given), ("swapped", orders.swapped)):
            typer.echo(f"  {name}: accuracy {_share(figures.accuracy)}")
    typer.echo(
        "Accuracy is over pairs that people decided, a judge's tie counting half; 'with ties' is over all, "
        "and a tie must be told as a tie."
    )
    if found.human is not None:
        typer.echo(
            f"One person is each of {found.human.num_votes} votes against the majority of the others; "
            f"with even splits counted half {100 * found.human.accuracy_with_splits:.1f}."
        )


def _pair_cells(figures: "PairFigures", *, interval: bool = True) -> list[str]:
    decided, three = figures.accuracy, figures.accuracy_with_ties
    return [
        _share(decided),
        f"{100 * decided.low:.1f}–{100 * decided.high:.1f}" if decided and interval else "",
        _share(three),
        "" if figures.kappa is None else f"{figures.kappa:.2f}",
        "" if figures.tie_share is None else f"{figures.tie_share:.0%}",
        str(figures.num_judged),
    ]


def _share(share: "Share | None") -> str:
    return "" if share is None else f"{100 * share.value:.1f}"


def _score_tables(found: "ScoreAgreement") -> "list[Table]":
    columns = ("Spearman", "95 %", "Pearson", "MAE", "bias", "kappa", "number")
    main = plain_table("Scores, points of 100", "", *columns)
    main.add_row("judges", *_score_cells(found.overall))
    if found.without_calibration is not None:
        main.add_row("  uncalibrated", *_score_cells(found.without_calibration))
    if found.mean_for_all is not None:
        main.add_row("one score for all", "", "", "", f"{found.mean_for_all:.1f}", "", "", "")
    if found.length is not None:
        reach = _reach(found.length.low, found.length.high)
        main.add_row("length alone", f"{found.length.value:.2f}", reach, "", "", "", "", "")
    main.add_section()
    for name, figures in found.dimensions.items():
        main.add_row(name, *_score_cells(figures))
    tables = [main]
    if found.categories:
        by_category = plain_table(_categories(len(found.categories)), "", *columns)
        for name, figures in list(found.categories.items())[:_MOST_CATEGORIES]:
            by_category.add_row(name[:20], *_score_cells(figures))
        tables.append(by_category)
    return tables


def _score_cells(figures: "ScoreFigures") -> list[str]:
    rank, line, distance = figures.spearman, figures.pearson, figures.mae
    return [
        "" if rank is None else f"{rank.value:.2f}",
        "" if rank is None else _reach(rank.low, rank.high),
        "" if line is None else f"{line.value:.2f}",
        "" if distance is None else f"{distance.value:.1f}",
        "" if figures.bias is None else f"{figures.bias:+.1f}",
        "" if figures.weighted_kappa is None else f"{figures.weighted_kappa:.2f}",
        str(figures.num_judged),
    ]


def _reach(low: float, high: float) -> str:
    return f"{low:.2f} to {high:.2f}"


def _categories(number: int) -> str:
    return (
        "By category"
        if number <= _MOST_CATEGORIES
        else f"The largest {_MOST_CATEGORIES} of {number} categories"
    )
