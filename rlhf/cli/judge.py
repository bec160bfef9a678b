"""`rlhf judge`: judges finished responses, for people (a table) or for programs (JSON, reports, an exit status)."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rlhf.cli.app import EXIT_FAILED, EXIT_QA_FAILED, app, say, say_error
from rlhf.cli.common import (
    ContextOption,
    JsonOption,
    PromptOption,
    RecipeOption,
    ResponseOption,
    chosen_settings,
    opened_services,
    print_json,
    visible,
)

if TYPE_CHECKING:
    from rlhf.nodes.services import Services
    from rlhf.runs.gate import Gate, Result
    from rlhf.state.records import Feedback, PromptRow
    from rlhf.state.settings import Settings

    Items = list[tuple[PromptRow, str]]

Format = Literal["table", "json", "junit", "sarif", "markdown"]

_STDIN = "-"


@app.command()
def judge(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Rows with prompt and response (or output); - for stdin."),
    ] = None,
    prompt: PromptOption = None,
    response: ResponseOption = None,
    context: ContextOption = None,
    task_type: Annotated[str | None, typer.Option("--task-type", metavar="NAME", help="Rubric pack.")] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
    form: Annotated[
        Format, typer.Option("--format", help="How results are printed; --json is the same as json.")
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Keep results as they come; a second call goes on there."),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            "--fail-under", metavar="S", min=0, max=100, help="Exit with 1 if a row does not reach S."
        ),
    ] = None,
    min_coverage: Annotated[
        float,
        typer.Option("--min-coverage", metavar="C", min=0, max=1, help="Share that must be judged to pass."),
    ] = 1.0,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="A file without rows is no failure.")
    ] = False,
) -> None:
    """Judge responses on the five dimensions."""
    import asyncio

    from rlhf.runs.gate import Gate, summary_of

    settings = _settings(recipe, gated=fail_under is not None)
    items = read_items(
        file, prompt, response, context, task_type or settings.task_type, may_be_empty=allow_empty
    )
    threshold = settings.acceptance.min_score_acceptable if fail_under is None else fail_under
    gate = Gate(threshold, min_coverage)
    form = "json" if as_json else form
    started = time.monotonic()
    with opened_services(settings) as services:
        results = asyncio.run(_judged(services, items, gate, out, form, detailed=file is None))
    _print_report(results, gate, form, file, time.monotonic() - started)
    total, failing, unjudged = summary_of(results, gate)
    if total and all(result.feedback.overall_score is None for result in results):
        say_error(f"nothing could be judged: {gate.why_not(results[0].feedback)}")
        raise typer.Exit(EXIT_FAILED)
    if fail_under is not None and failing:
        low = failing - unjudged
        parts = [f"{low} of {total} are below {fail_under:g}"] if low or not unjudged else []
        parts += (
            [f"{unjudged} of {total} were not judged (whole), which counts as not passed"] if unjudged else []
        )
        say(f"{'; '.join(parts)}.")
        raise typer.Exit(EXIT_QA_FAILED)


def _settings(recipe: str | None, *, gated: bool) -> "Settings":
    """The settings in use. A gate must not take another judge because a key happens to be missing."""
    import os

    from rlhf.state.errors import SettingsError

    if gated and not recipe and not os.environ.get("RLHF_RECIPE"):
        raise SettingsError(
            "--fail-under needs a judge that is named: give --recipe NAME or set RLHF_RECIPE. Otherwise a missing "
            "key would silently put another judge in its place."
        )
    return chosen_settings(recipe)


def read_items(
    file: Path | None,
    prompt: str | None,
    response: str | None,
    context: str | None,
    task_type: str,
    *,
    may_be_empty: bool = False,
) -> "Items":
    """The responses that the arguments name, with what was asked; InputError where they name none or both."""
    from rlhf.state.errors import InputError
    from rlhf.state.files.prompts import checked_text, parse_prompt

    if file is not None:
        if prompt is not None or response is not None or context is not None:
            raise InputError("Give a FILE, or --prompt and --response, not both.")
        return _rows(file, task_type, may_be_empty)
    if prompt is None or response is None:
        raise InputError("Give a FILE, or both --prompt and --response.")
    row: dict[str, Any] = {"prompt": prompt, "context": context}
    notes: list[str] = []
    parsed = parse_prompt(row, task_type, "command line", notes)
    for note in notes:
        say(f"Note: {visible(note)}")
    return [(parsed, checked_text("command line", "response", response, may_be_empty=True))]


def _rows(file: Path, task_type: str, may_be_empty: bool) -> "Items":
    """The rows of a file, or of stdin: JSON Lines, or CSV where the first line is no JSON."""
    if str(file) != _STDIN:
        if may_be_empty and file.is_file() and not file.read_bytes().strip():
            return []
        return _read(file, task_type)
    import tempfile

    data = sys.stdin.buffer.read()
    if may_be_empty and not data.strip():
        return []
    kind = (
        ".jsonl"
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) or not data.strip()
        else ".csv"
    )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"stdin{kind}"
        copy.write_bytes(data)
        return _read(copy, task_type)


def _read(file: Path, task_type: str) -> "Items":
    """The rows of a file; how what was not plain was read goes to standard error."""
    from rlhf.state.files.prompts import read_responses

    notes: list[str] = []
    rows = read_responses(file, task_type, notes)
    for note in notes:
        say(f"Note: {visible(note)}")
    return rows


async def _judged(
    services: "Services", items: "Items", gate: "Gate", out: Path | None, form: Format, *, detailed: bool
) -> list["Result"]:
    """All results in the order of the rows, printed in that order as far as they are there."""
    from rlhf.runs.gate import Result, ResultsFile
    from rlhf.runs.judge import judged_as_they_come
    from rlhf.state.keys import response_key

    who = {prompt.task_type: _judge_id(prompt.task_type, services.settings) for prompt, _ in items}
    kept = ResultsFile(out) if out is not None else None
    done: dict[int, Result] = {}
    asked: list[int] = []
    for place, (prompt, text) in enumerate(items):
        judge = who[prompt.task_type]
        known = kept.known(prompt.id, response_key(prompt.key, text), judge) if kept else None
        if known is None:
            asked.append(place)
        else:
            done[place] = Result(prompt.id, judge, known)
    if kept is not None and done:
        say(f"{len(done)} of {len(items)} rows are in {out} already.")
    printed = 0

    def show() -> None:
        nonlocal printed
        while printed in done:
            _print_result(printed + 1, done[printed], gate, form, services.settings, detailed=detailed)
            printed += 1

    show()
    try:
        async for number, feedback in judged_as_they_come(services, [items[place] for place in asked]):
            prompt = items[asked[number]][0]
            result = done[asked[number]] = Result(prompt.id, who[prompt.task_type], feedback)
            if kept is not None:
                kept.add(result, gate)
            show()
    finally:
        if kept is not None:
            kept.close()
    return [done[place] for place in sorted(done)]


def _judge_id(task_type: str, settings: "Settings") -> Any:
    from rlhf.nodes.judge_version import judge_version
    from rlhf.runs.gate import JudgeId

    version = judge_version(task_type, settings)
    return JudgeId(version.model, version.rubric_version, version.template_version)


def _print_result(
    number: int, result: "Result", gate: "Gate", form: Format, settings: "Settings", *, detailed: bool
) -> None:
    if form == "json":
        print_json(result.as_json(gate), indent=None)
    elif form == "table" and detailed:
        _print_one(result.feedback, settings)
    elif form == "table":
        _print_row(number, result.feedback, settings)


def _print_report(
    results: list["Result"], gate: "Gate", form: Format, file: Path | None, seconds: float
) -> None:
    from rlhf.cli import formats

    if form == "junit":
        typer.echo(formats.junit(results, gate, seconds))
    elif form == "sarif":
        typer.echo(formats.sarif(results, gate, file if file is not None and str(file) != _STDIN else None))
    elif form == "markdown":
        typer.echo(formats.markdown(results, gate))


def _print_row(number: int, feedback: "Feedback", settings: "Settings") -> None:
    from rlhf.runs.gate import first_error

    why = "; ".join(feedback.weaknesses[:1]) or "; ".join(feedback.strengths[:1])
    if feedback.coverage < 1.0:
        why = first_error(feedback)
    start = json.dumps(feedback.response[:48], ensure_ascii=False)
    typer.echo(visible(f"{number:>5}  {_headline(feedback, settings):<44} {start}  {why}"))


def _headline(feedback: "Feedback", settings: "Settings") -> str:
    """Score, stars and decision in a line, with how much was judged, and why four stars may not do."""
    from rlhf.runs.gate import percent

    if feedback.overall_score is None:
        return "not judged"
    parts = [f"{feedback.overall_score:5.1f}", f"{'★' * (feedback.rating or 0):<5}"]
    if feedback.is_acceptable:
        parts.append("acceptable")
    elif feedback.vetoed:
        parts.append("not acceptable (a dimension vetoes it)")
    else:
        parts.append(f"not acceptable (below {settings.acceptance.min_score_acceptable:g})")
    if feedback.coverage < 1.0:
        parts.append(f"{percent(feedback.coverage)} judged")
    if feedback.needs_review:
        parts.append("review")
    return "  ".join(parts)


def _print_one(feedback: "Feedback", settings: "Settings") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_headline(feedback, settings).strip(), title_justify="left", title_style="bold")
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
        table.add_row(name, score, confidence, Text(visible(why)))
    console = Console()
    console.print(table)
    for title, lines in (
        ("Strengths", feedback.strengths),
        ("Weaknesses", feedback.weaknesses),
        ("For review because", feedback.review_reasons),
    ):
        if lines:
            console.print(Text(visible("\n  - ".join([f"{title}:", *lines]))))
