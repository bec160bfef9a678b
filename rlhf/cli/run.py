"""`rlhf run` and `rlhf resume`: a run from prompts to a deployed adapter, and going on with one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import EXIT_WAITING, app, say
from rlhf.cli.common import (
    RecipeOption,
    RunArgument,
    chosen_recipe,
    opened_services,
    services_of_run,
    visible,
)

if TYPE_CHECKING:
    from rlhf.nodes.approvals import Decision, DecisionType
    from rlhf.nodes.services import Services
    from rlhf.runs.drive import Outcome, Pending


@app.command()
def run(
    prompts: Annotated[
        Path, typer.Argument(metavar="PROMPTS", help="A .jsonl, .csv, .parquet or .txt file.")
    ],
    recipe: RecipeOption = None,
    adapter: Annotated[str, typer.Option(metavar="NAME", help="Name of the new adapter.")] = "adapter",
    run_id: Annotated[str | None, typer.Option("--run-id", metavar="ID", help="Id of the new run.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Use the first N prompts.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nobody: automatic gates, no review.")] = False,
) -> None:
    """Generate, judge, pair, train, evaluate and deploy."""
    from rlhf.doctor import check_ready
    from rlhf.state.choices import ASK_NOBODY
    from rlhf.state.files.prompts import read_prompts

    settings, source = chosen_recipe(recipe)
    if yes:
        settings = settings.replace(ASK_NOBODY, "--yes")
    check_ready(settings)
    notes: list[str] = []
    rows = read_prompts(prompts, settings.task_type, notes)[:limit]
    for note in notes:
        say(f"Note: {visible(note)}")
    with opened_services(settings) as services:
        from rlhf.runs.drive import register
        from rlhf.runs.notes import first_notes
        from rlhf.state import shell

        new = register(services, adapter, rows, str(prompts), run_id, recipe=source)
        way = shell.line("rlhf", "resume", new, folder=Path.cwd())
        say(f"Run {new}: {len(rows)} prompts from {prompts}. If it stops: {way}")
        for note in first_notes(services.ledger, new):
            say(f"Note: {note}")
        follow_to_end(services, new)


@app.command()
def resume(
    run_id: RunArgument,
    approve: Annotated[bool, typer.Option("--approve", help="Approve what the run waits for.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Reject what the run waits for.")] = False,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", metavar="FILE", help="JSON file of decisions."),
    ] = None,
    recipe: RecipeOption = None,
) -> None:
    """Go on with a run: after an interruption, or with an answer to what it waits for."""
    if sum((approve, reject, decisions is not None)) > 1:
        raise typer.BadParameter("give one of --approve, --reject and --decisions")
    with services_of_run(run_id, recipe) as services:
        if decisions is not None:
            from rlhf.runs.decisions import read_decisions

            follow_to_end(services, run_id, read_decisions(decisions))
        elif approve or reject:
            answer_all(services, run_id, "approve" if approve else "reject")
        else:
            follow_to_end(services, run_id)


def answer_all(services: "Services", run_id: str, decision: "DecisionType") -> None:
    """Give the same answer to everything of the kind the run waits for now, however many pages it has."""
    import asyncio

    from rlhf.nodes.approvals import Decision
    from rlhf.runs.drive import pending_of
    from rlhf.state.errors import InputError

    pending = asyncio.run(pending_of(services, run_id))
    if pending is None:
        raise InputError(f"Run {run_id} waits for no answer; `rlhf show {run_id}` says where it stands.")
    if not pending.is_review:
        follow_to_end(services, run_id, [Decision(type=decision)])
        return

    def same_for_all(page: "Pending") -> list[Decision]:
        return [Decision(type=decision, response_id=item["args"]["response_id"]) for item in page.requests]

    follow_to_end(services, run_id, same_for_all(pending), same_for_all)


def follow_to_end(
    services: "Services",
    run_id: str,
    answers: "list[Decision] | None" = None,
    answer_page: "Callable[[Pending], list[Decision]] | None" = None,
) -> None:
    """Advance the run with live progress and print where it stands; exits with 3 if it waits.

    `answer_page` answers further pages of a review until it returns no answer.
    """
    from rlhf.cli.meter import metered
    from rlhf.cli.summary import print_report

    with metered() as meter:
        outcome = _advanced(services, run_id, answers)
        while answer_page and outcome.pending and outcome.pending.is_review:
            if not (more := answer_page(outcome.pending)):
                break
            outcome = _advanced(services, run_id, more)
    print_report(outcome.report, outcome.pending, meter)
    if outcome.pending is not None:
        raise typer.Exit(EXIT_WAITING)


def _advanced(services: "Services", run_id: str, answers: "list[Decision] | None") -> "Outcome":
    import asyncio

    from rlhf.progress import live_progress
    from rlhf.runs.drive import advance

    with live_progress() as follow:
        return asyncio.run(advance(services, run_id, follow, answers))
