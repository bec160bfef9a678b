"""`rlhf canaries`: holds the judge against responses that deserve next to nothing; an exit status for programs."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import EXIT_QA_FAILED, app
from rlhf.cli.common import JsonOption, RecipeOption, chosen_settings, opened_services, print_json

if TYPE_CHECKING:
    from rlhf.prompts.canaries import CanarySet
    from rlhf.state.measures import CanaryResult, CanaryScore

_SHOWN = 60
"""Characters of a response."""


@app.command()
def canaries(
    recipe: RecipeOption = None,
    family: Annotated[
        str | None, typer.Option("--family", metavar="NAME", help="Only this kind of attack.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Only N, spread over the families.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Attack the judge. Exits with 1 if an attack scores above its floor or too few could be judged."""
    import asyncio

    from rlhf.progress import live_progress
    from rlhf.trust.canaries import check_judge

    settings = chosen_settings(recipe)
    chosen = _chosen(family, limit)
    with opened_services(settings) as services, live_progress() as follow:
        result = asyncio.run(check_judge(services, chosen, follow))
    if as_json:
        print_json(_object(result))
    else:
        _print(result, chosen)
    if result.above or not result.enough_scored:
        raise typer.Exit(EXIT_QA_FAILED)


def _chosen(family: str | None, limit: int | None) -> "CanarySet":
    from rlhf.nodes.canaries import canary_set
    from rlhf.prompts.canaries import CanarySet
    from rlhf.state.errors import InputError

    everything = canary_set()
    if family is not None and family not in everything.families:
        raise InputError(f"There is no family {family!r}; there are {', '.join(everything.families)}.")
    found = tuple(canary for canary in everything.canaries if family in (None, canary.family))
    return CanarySet(canaries=found).chosen(limit)


def _object(result: "CanaryResult") -> dict[str, object]:
    return {
        **result.model_dump(mode="json"),
        "families": [family.model_dump(mode="json") for family in result.families],
        "above": [score.id for score in result.above],
        "not_scored": [score.id for score in result.not_scored],
        "unknowable": [score.id for score in result.unknowable],
    }


def _print(result: "CanaryResult", chosen: "CanarySet") -> None:
    texts = {canary.id: canary.response for canary in chosen.canaries}
    typer.echo(f"{'family':<16} {'canaries':>8} {'worst':>6} {'mean':>6} {'above':>6} {'not scored':>11}")
    for each in result.families:
        worst, mean = (f"{points:.1f}" if points is not None else "-" for points in (each.worst, each.mean))
        missing = each.num_canaries - each.num_scored
        typer.echo(
            f"{each.family:<16} {each.num_canaries:>8} {worst:>6} {mean:>6} {each.num_above:>6} {missing:>11}"
        )
    total, above, missing = len(result.scores), len(result.above), len(result.not_scored)
    typer.echo(
        f"{total} of {result.num_in_set} canaries, judge {result.judge}: {above} above the floor, {missing} not scored."
    )
    _print_each("Above the floor:", result.above, texts)
    _print_each("Not scored (a judgement failed, so they prove nothing):", result.not_scored, texts)
    told = {score.id for score in (*result.above, *result.not_scored)}
    held = [score for score in result.unknowable if score.id not in told]
    _print_each("Beyond what evidence can know, held down by the judge alone:", held, texts)


def _print_each(title: str, scores: "Iterable[CanaryScore]", texts: dict[str, str]) -> None:
    lines = []
    for score in scores:
        points = f"{score.score:5.1f}" if score.score is not None else "    -"
        lines.append(f"  {points}  {score.id:<22} {_short(texts[score.id])}")
        if score.unknowable is not None:
            lines.append(f"         evidence can't know: {score.unknowable}")
    if lines:
        typer.echo("\n".join(["", title, *lines]))


def _short(text: str) -> str:
    """The text's start on one line, with what is invisible written as escapes."""
    quoted = json.dumps(text[:_SHOWN], ensure_ascii=False)
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in quoted)
    return f"{shown}…" if len(text) > _SHOWN else shown
