"""`rlhf reweigh`: a judged run under other weights, thresholds or rules, beside the old one and without a call."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app
from rlhf.cli.common import JsonOption, RecipeOption, RunArgument, print_json

if TYPE_CHECKING:
    from rlhf.runs.reweigh import Reweighed


@app.command()
def reweigh(
    run_id: RunArgument,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME=W,…|JSON", help="Weight of each of the five dimensions, summing to 1."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Lowest acceptable score, 0–100.")] = None,
    min_margin: Annotated[float | None, typer.Option(help="Points between chosen and rejected.")] = None,
    selection: Annotated[
        str | None, typer.Option(help="How pairs are selected: threshold or margin.")
    ] = None,
    min_rating_chosen: Annotated[
        int | None, typer.Option(help="Lowest rating (1–5) of a chosen one.")
    ] = None,
    max_rating_rejected: Annotated[int | None, typer.Option(help="Highest rating of a rejected one.")] = None,
    evidence_weight: Annotated[
        float | None, typer.Option(help="Share of a score the checks carry, 0–1.")
    ] = None,
    as_json: JsonOption = False,
    recipe: RecipeOption = None,
) -> None:
    """Derive ratings, pairs, review queue and dataset anew, as a new run, without any model call."""
    from rlhf.runs.reweigh import reweigh as reweighed

    result = reweighed(
        run_id,
        weights=None if weights is None else parsed_weights(weights),
        threshold=threshold,
        min_margin=min_margin,
        selection=selection,  # type: ignore[arg-type]  # the settings refuse any other word
        min_rating_chosen=min_rating_chosen,
        max_rating_rejected=max_rating_rejected,
        evidence_weight=evidence_weight,
        recipe=recipe,
    )
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        _print(result)


def parsed_weights(text: str) -> dict[str, float]:
    """Weights as a JSON object or as NAME=W,NAME=W; InputError says what cannot be read."""
    import json

    from rlhf.state.errors import InputError

    try:
        if text.lstrip().startswith("{"):
            found = json.loads(text)
            return {str(name): _number(value) for name, value in found.items()}
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        named = [name.strip() for name, _, _ in parts]
        if len(set(named)) < len(named):
            raise ValueError("a dimension is named twice")
        return {name.strip(): _number(value) for name, _, value in parts}
    except ValueError as error:
        raise InputError(
            f"--weights cannot be read ({error}): write accuracy=0.4,clarity=0.1,… or a JSON object."
        ) from error


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no weight")
    return number


def _print(result: "Reweighed") -> None:
    typer.secho(
        f"Run {result.run_id}, derived from {result.base_run_id} round {result.base_round}", bold=True
    )
    changed = "; ".join(f"{name} = {_short(value)}" for name, value in result.changes.items())
    lines = [("changed", changed or "nothing: the same settings over what the ledger holds now")]
    if result.mean_score_before is not None and result.mean_score_after is not None:
        mean = f"mean score {result.mean_score_before:.1f} → {result.mean_score_after:.1f}"
        lines.append(("scores", f"{mean} over {result.num_responses} responses"))
    lines += [
        ("ratings", f"{result.ratings_up} up, {result.ratings_down} down"),
        ("accepted", f"{len(result.newly_accepted)} newly, {len(result.newly_rejected)} not any more"),
        (
            "review",
            f"{result.review_before} → {result.review_after} waiting: {len(result.review_added)} more, "
            f"{len(result.review_removed)} not any more",
        ),
        ("pairs", f"{result.pairs_kept} kept, {len(result.pairs_new)} new, {len(result.pairs_gone)} gone"),
    ]
    if result.dataset.path:
        until = "; built anew when the reviews are answered" if result.dataset.provisional else ""
        lines.append(("dataset", f"{result.dataset.path}{until}"))
    lines.append(("calls", str(result.num_calls)))
    lines += [("note", note) for note in result.notes]
    for heading, text in lines:
        typer.echo(f"  {heading:<11} {text}")
    typer.echo(f"  Go on: rlhf resume {result.run_id}")


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {weight:g}" for name, weight in value.items())
    return str(value)
