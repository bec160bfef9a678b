"""`rlhf judge`: judges finished responses, for people (a table) or for programs (JSON, an exit status)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlhf.cli.app import EXIT_QA_FAILED, app, say
from rlhf.cli.common import JsonOption, RecipeOption, chosen_settings, opened_services, print_json

if TYPE_CHECKING:
    from rlhf.nodes.services import Services
    from rlhf.state.records import Feedback, PromptRow

    Items = list[tuple[PromptRow, str]]


@app.command()
def judge(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Rows with prompt and response (or output).")
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", metavar="P", help="What was asked.")] = None,
    response: Annotated[
        str | None, typer.Option("--response", metavar="R", help="What was answered.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", metavar="JSON", help="Facts the response must respect.")
    ] = None,
    task_type: Annotated[str | None, typer.Option("--task-type", metavar="NAME", help="Rubric pack.")] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
    fail_under: Annotated[
        float | None,
        typer.Option("--fail-under", metavar="S", min=0, max=100, help="Exit with 1 if a score is below S."),
    ] = None,
) -> None:
    """Judge responses on the five dimensions."""
    import asyncio

    settings = chosen_settings(recipe)
    items = read_items(file, prompt, response, context, task_type or settings.task_type)
    with opened_services(settings) as services:
        scores = asyncio.run(_print_all(services, items, as_json=as_json, detailed=file is None))
    if fail_under is not None:
        below = sum(score is None or score < fail_under for score in scores)
        if below:
            say(f"{below} of {len(scores)} are below {fail_under:g}.")
            raise typer.Exit(EXIT_QA_FAILED)


def read_items(
    file: Path | None, prompt: str | None, response: str | None, context: str | None, task_type: str
) -> "Items":
    """The responses that the arguments name, with what was asked; InputError where they name none or both."""
    from rlhf.state.errors import InputError
    from rlhf.state.files.prompts import checked_text, parse_prompt, read_responses

    if file is not None:
        if prompt is not None or response is not None or context is not None:
            raise InputError("Give a FILE, or --prompt and --response, not both.")
        return read_responses(file, task_type)
    if prompt is None or response is None:
        raise InputError("Give a FILE, or both --prompt and --response.")
    row: dict[str, Any] = {"prompt": prompt, "context": context}
    parsed = parse_prompt(row, task_type, "command line")
    return [(parsed, checked_text("command line", "response", response, may_be_empty=True))]


async def _print_all(
    services: "Services", items: "Items", *, as_json: bool, detailed: bool
) -> list[float | None]:
    from rlhf.runs.judge import judged

    scores: list[float | None] = []
    async for feedback in judged(services, items):
        scores.append(feedback.overall_score)
        if as_json:
            print_json(feedback.model_dump(mode="json"), indent=None)
        elif detailed:
            _print_one(feedback)
        else:
            _print_row(len(scores), feedback)
    return scores


def _print_row(number: int, feedback: "Feedback") -> None:
    why = "; ".join(feedback.weaknesses[:1]) or "; ".join(feedback.strengths[:1])
    start = json.dumps(feedback.response[:48], ensure_ascii=False)
    typer.echo(f"{number:>5}  {_headline(feedback):<44} {start}  {why}")


def _headline(feedback: "Feedback") -> str:
    if feedback.overall_score is None:
        return "not judged: every dimension failed"
    stars = "★" * (feedback.rating or 0)
    accepted = "acceptable" if feedback.is_acceptable else "not acceptable"
    return (
        f"{feedback.overall_score:5.1f}  {stars:<5}  {accepted}{'  review' if feedback.needs_review else ''}"
    )


def _print_one(feedback: "Feedback") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_headline(feedback).strip(), title_justify="left", title_style="bold")
    for name, justify in (
        ("dimension", "left"),
        ("score", "right"),
        ("confidence", "right"),
        ("why", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, part in feedback.dimensions.items():
        failing = [note.sentence for note in part.evidence if note.grade is not None and note.grade < 1]
        why = "\n".join(filter(None, [part.error, part.rationale, *failing]))
        score = "failed" if part.score is None else f"{part.score:.1f}"
        confidence = "" if part.confidence is None else f"{part.confidence:.2f}"
        table.add_row(name, score, confidence, Text(why))
    console = Console()
    console.print(table)
    for title, lines in (
        ("Strengths", feedback.strengths),
        ("Weaknesses", feedback.weaknesses),
        ("For review because", feedback.review_reasons),
    ):
        if lines:
            console.print(Text("\n  - ".join([f"{title}:", *lines])))
