"""`rlhf retry`: asks again what failed in a run, and nothing else."""

from collections import Counter
from typing import TYPE_CHECKING

import typer

from rlhf.cli.app import EXIT_QA_FAILED, app
from rlhf.cli.common import JsonOption, RecipeOption, RunArgument, print_json, services_of_run

if TYPE_CHECKING:
    from rlhf.runs.retry import Retried, StillFailed

_SHOWN = 10
"""Failures listed one by one; --json has them all."""


@app.command()
def retry(run_id: RunArgument, recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Ask again only what failed: verdicts, and responses an endpoint could not give. Exits with 1 if some still do."""
    import asyncio

    from rlhf.progress import live_progress
    from rlhf.runs.retry import retry_run

    with services_of_run(run_id, recipe) as services, live_progress() as follow:
        done = asyncio.run(retry_run(services, run_id, follow))
        status = services.ledger.run(run_id).status
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        _tell(done, status)
    if done.failures:
        raise typer.Exit(EXIT_QA_FAILED)


def _tell(done: "Retried", status: str) -> None:
    if not done.num_verdicts and not done.num_samples:
        typer.echo(f"Nothing to ask again in run {done.run_id}.")
    if done.num_samples:
        typer.echo(f"{done.num_made} of {done.num_samples} missing response(s) made and judged.")
    if done.num_verdicts:
        typer.echo(f"{done.num_scored} of {done.num_verdicts} failed verdict(s) scored.")
    if done.usage.calls and done.coverage_before is not None and done.coverage_after is not None:
        usage = done.usage
        typer.echo(
            f"Coverage {done.coverage_before:.1%} -> {done.coverage_after:.1%}, for {usage.calls} call(s), "
            f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out."
        )
    if done.failures:
        kinds = Counter(_kind(each) for each in done.failures)
        typer.echo(f"Still failing: {', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}")
        for each in done.failures[:_SHOWN]:
            what = f"{each.response_id} {each.dimension}" if each.response_id else f"prompt {each.prompt_id}"
            typer.echo(f"  {what}: {each.reason}")
        if (more := len(done.failures) - _SHOWN) > 0:
            typer.echo(f"  and {more} more: --json lists all")
    for line in done.left_alone:
        typer.echo(f"Not asked again: {line}")
    if done.outdated:
        typer.echo(
            f"Left as it was, from the feedback before: {', '.join(done.outdated)}. "
            f"`rlhf reweigh {done.run_id}` derives ratings, pairs and dataset anew, as a new version."
        )
    if status != "finished":
        typer.echo(f"The run is {status}; go on with: rlhf resume {done.run_id}")


def _kind(failure: "StillFailed") -> str:
    if failure.response_id is None:
        return "response not made"
    return str(failure.failure or "not judged")
