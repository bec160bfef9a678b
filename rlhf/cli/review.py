"""`rlhf review`: shows a person what a run waits for, one item at a time, and sends the answers."""

from typing import TYPE_CHECKING, Any

import typer

from rlhf.cli.app import EXIT_WAITING, app, say
from rlhf.cli.common import RecipeOption, RunArgument, services_of_run
from rlhf.cli.run import follow_to_end

if TYPE_CHECKING:
    from rlhf.nodes.approvals import Decision
    from rlhf.runs.drive import Pending


@app.command()
def review(run_id: RunArgument, recipe: RecipeOption = None) -> None:
    """Answer what a run waits for, then go on with it."""
    import asyncio

    with services_of_run(run_id, recipe) as services:
        from rlhf.runs.drive import pending_of

        pending = asyncio.run(pending_of(services, run_id))
        if pending is None:
            answered = services.run(run_id).status == "waiting"
            further = f" any more. Go on with: rlhf resume {run_id}" if answered else "."
            say(f"Run {run_id} waits for no answer{further}")
            return
        if not pending.is_review:
            follow_to_end(services, run_id, [_ask_gate(pending)])
            return
        reviewer = _Reviewer()
        answers = reviewer.ask(pending)
        if not answers:
            say(f"Nothing answered; the run still waits. Come back with: rlhf review {run_id}")
            raise typer.Exit(EXIT_WAITING)
        follow_to_end(services, run_id, answers, reviewer.ask)


def _ask_gate(pending: "Pending") -> "Decision":
    from rlhf.nodes.approvals import Decision, question

    request = pending.requests[0]
    typer.echo(f"\n{question(request)}")
    for name, value in request["args"].items():
        typer.echo(f"  {name}: {value}")
    return Decision(type="approve" if typer.confirm("Approve?") else "reject")


class _Reviewer:
    """A person at the terminal, who may skip responses or stop."""

    def __init__(self) -> None:
        from rlhf.people.sample import login_name

        self._name = login_name()
        self._skipped: set[str] = set()
        self._stopped = False

    def ask(self, pending: "Pending") -> "list[Decision]":
        """The answers to a page; fewer than asked if the person skips or stops."""
        from rlhf.nodes.approvals import Decision

        answers: list[Decision] = []
        items = [item for item in pending.requests if item["args"]["response_id"] not in self._skipped]
        for number, item in enumerate(items, 1):
            response = item["args"]["response_id"]
            answer = None if self._stopped else _ask_one(item, f"{number} of {len(items)}")
            if answer is None:
                self._stopped = True
            elif answer:
                answers.append(Decision(**answer, response_id=response, reviewer=self._name))
            else:
                self._skipped.add(response)
        return answers


def _ask_one(request: Any, place: str) -> dict[str, Any] | None:
    """One decision; empty if the person skips, None if they stop."""
    args = request["args"]
    typer.secho(f"\nResponse {place}", bold=True)
    typer.echo(f"Prompt:   {args['prompt']}\n\nResponse: {args['response']}\n\n{request['description']}")
    while True:
        word = typer.prompt("[a]pprove, [r]eject, rate [1-5], [s]kip or [q]uit", default="a").strip().lower()
        if word in ("a", "approve"):
            return {"type": "approve"}
        if word in ("r", "reject"):
            return {"type": "reject", "message": _why()}
        if word in ("1", "2", "3", "4", "5"):
            return {"type": "edit", "rating": int(word), "message": _why()}
        if word in ("s", "skip"):
            return {}
        if word in ("q", "quit"):
            return None


def _why() -> str:
    return str(typer.prompt("Why (optional)", default="", show_default=False))
