"""Asking again what failed in a run, and nothing else: `rlhf retry`."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rlhf.progress import Follow, Progress
from rlhf.runs.lock import run_lock
from rlhf.state.errors import InputError
from rlhf.state.records import FailureKind, Feedback, Record, SampleRow, Usage
from rlhf.state.run_report import DatasetStage, EvaluationStage

if TYPE_CHECKING:
    from rlhf.nodes.services import Services
    from rlhf.state.ledger import Ledger, RunRow

Failed = Mapping[str, Sequence[str]]
"""Dimensions without a verdict, by response key."""


class StillFailed(Record):
    """One thing that was asked again in vain."""

    prompt_id: str
    """Key of the prompt in the ledger."""
    response_id: str | None
    """None: the response itself could not be made."""
    dimension: str | None
    """Dimension without a verdict; None: the response itself could not be made."""
    failure: FailureKind | None
    """Kind of the verdict's failure; None where that is not known."""
    reason: str
    """The failure in one line for people."""


class Retried(Record):
    """What became of what had failed in a run."""

    run_id: str
    """The run."""
    num_verdicts: int = 0
    """Failed verdicts that were asked for again, or found in the ledger because another run had them."""
    num_scored: int = 0
    """How many of them are scored now."""
    num_samples: int = 0
    """Responses that could not be made and were asked for again."""
    num_made: int = 0
    """How many of them there are now, with feedback."""
    failures: list[StillFailed]
    """What still fails, and why; failed verdicts on the new responses among them."""
    left_alone: list[str]
    """A line on each thing that failed and was not asked for again."""
    outdated: list[str]
    """What was derived from the feedback before, and is left as it is."""
    coverage_before: float | None
    """Mean coverage of the run's feedback, held-out responses included; None without any."""
    coverage_after: float | None
    """The same after the retry."""
    usage: Usage
    """What the retry cost; it is in the run's usage too."""


async def retry_run(services: "Services", run_id: str, follow: Follow) -> Retried:
    """Ask for the run's failed verdicts, and for responses that the policy's endpoint failed to give.

    The feedback of their responses is derived anew in its place. People's reviews stay, and so do pairs, dataset
    and evaluation, and where the run stands. Raises InputError while another process or a server has the run,
    EndpointError when an endpoint is down; what was answered until then is kept.
    """
    from rlhf.nodes.quality import keep_round_again
    from rlhf.nodes.tracing.context import traced
    from rlhf.nodes.tracing.runs import about

    with run_lock(services, run_id):
        ledger = services.ledger
        run = ledger.run(run_id)
        _refuse_a_servers(run)
        usage, coverage = ledger.usage(run_id), _coverage(ledger, run_id)
        failed, left_alone = _failed(ledger, run)
        samples, more = _askable(ledger.failures.samples(run_id), run)
        answered: list[SampleRow] = []
        try:
            with traced(run.settings, lambda: about(run)):
                if samples:
                    answered = await _made_again(services, run, samples, follow)
                made = [row.response_key for row in answered if row.response_key]
                judged = ledger.rounds.judged(run_id, made)
                new = dict.fromkeys(key for key in made if key not in judged)
                await _judged_again(services, run_id, [*failed, *new], follow)
        finally:
            # Where the run stands is its own affair: a judge that is down now does not make it a failed run.
            answered_now, note = _waits(ledger, run)
            ledger.set_run(run_id, status=run.status, note=note, answered=answered_now)
            for round in range(1, run.round + 1):
                keep_round_again(ledger, run_id, round)
        failures = [_unmade(row) for row in answered if not row.response_key]
        for entry in ledger.feedback(run_id, [*failed, *new]).values():
            failures += _why(ledger, run, entry)
        wanted = {(key, dimension) for key, dimensions in failed.items() for dimension in dimensions}
        return Retried(
            run_id=run_id,
            num_verdicts=len(wanted),
            num_scored=len(wanted - {(each.response_id, each.dimension) for each in failures}),
            num_samples=len(samples),
            num_made=len(made),
            failures=failures,
            left_alone=left_alone + more,
            outdated=_outdated(ledger, run, {*failed, *made}),
            coverage_before=coverage,
            coverage_after=_coverage(ledger, run_id),
            usage=ledger.usage(run_id) - usage,
        )


def _waits(ledger: "Ledger", run: "RunRow") -> tuple[bool, str]:
    """Whether all that the run asked is answered, and its note: the retry may settle its review, or add to it."""
    reviewing = (
        run.status == "waiting" and ledger.stage(run.run_id, run.round, "dataset", DatasetStage) is None
    )
    if not reviewing:
        return run.answered, run.note
    if not ledger.pending.count(run.run_id, run.round):
        return True, f"Nothing waits for review any more; go on with `rlhf resume {run.run_id}`."
    return False, "A person's answer is needed." if run.answered else run.note


def _refuse_a_servers(run: "RunRow") -> None:
    """A server does not hold the run's lock, and its clients answer a review by position."""
    if run.is_served and run.status in ("running", "waiting"):
        raise InputError(f"Run {run.run_id} is {run.status} at a server: let it end there, then retry.")


def _failed(ledger: "Ledger", run: "RunRow") -> tuple[Failed, list[str]]:
    """What can be asked for again; a judge that has changed since must not complete the old one's feedback."""
    from rlhf.nodes.judge_version import keys_of

    entries = ledger.feedback(run.run_id, ledger.failures.unjudged(run.run_id))
    failed = {key: found for key, entry in entries.items() if (found := _without_score(entry))}
    responses = ledger.responses(failed)
    kept = {
        key: [
            keys_of(responses[key], name, run.settings.judge)
            for name in entries[key].dimensions.keys() - found
        ]
        for key, found in failed.items()
    }
    every = [key for pairs in kept.values() for pair in pairs for key in pair]
    known = {verdict.key for verdict in ledger.verdicts(every)}
    changed = {key for key, pairs in kept.items() if not all(known.intersection(pair) for pair in pairs)}
    note = (
        f"{len(changed)} response(s): the rubric or the judge's template has changed since they were judged, and "
        "a feedback is never made of two versions; judge them in a new run."
    )
    return {key: found for key, found in failed.items() if key not in changed}, [note] if changed else []


def _without_score(feedback: Feedback) -> list[str]:
    return [name for name, part in feedback.dimensions.items() if part.status == "failed"]


def _askable(samples: Sequence[SampleRow], run: "RunRow") -> tuple[list[SampleRow], list[str]]:
    """Failed samples that an endpoint made, and a line on the others."""
    from rlhf.state.endpoints import FUNCTION

    policy = run.settings.policy
    remote = [row for row in samples if row.policy == "policy" and row.round == 1 and not policy.is_local]
    if policy.model == FUNCTION:
        remote = []
    if others := len(samples) - len(remote):
        return remote, [
            f"{others} response(s) that weights on this machine or a Python function failed to give: only an "
            "endpoint is asked again."
        ]
    return remote, []


async def _made_again(
    services: "Services", run: "RunRow", samples: Sequence[SampleRow], follow: Follow
) -> list[SampleRow]:
    from rlhf.nodes.generation.sampling import sample_again

    def tell(done: int) -> None:
        follow(Progress("generation", done, len(samples), "asked again"))

    prompts = {row.key: row for row in services.ledger.prompts(run.run_id, "train")}
    return await sample_again(services, run, samples, prompts, run.settings.policy.endpoint(), tell)


async def _judged_again(services: "Services", run_id: str, keys: Sequence[str], follow: Follow) -> None:
    """Send the responses through the panel: it finds in the ledger what is scored, and asks for the rest."""
    from rlhf.graph.judge import build_panel
    from rlhf.nodes.panel import judge_responses

    def tell(done: int) -> None:
        follow(Progress("feedback", done, len(keys), "asked again"))

    await judge_responses(build_panel(services), run_id, keys, tell, run_name="retry")


def _why(ledger: "Ledger", run: "RunRow", feedback: Feedback) -> list[StillFailed]:
    from rlhf.nodes.judge_version import keys_of

    response = ledger.response(feedback.response_id)
    both = {name: keys_of(response, name, run.settings.judge) for name in _without_score(feedback)}
    verdicts = {
        verdict.key: verdict for verdict in ledger.verdicts([key for pair in both.values() for key in pair])
    }
    keys = {name: key if key in verdicts else older for name, (key, older) in both.items()}
    return [
        StillFailed(
            prompt_id=feedback.prompt_id,
            response_id=feedback.response_id,
            dimension=name,
            failure=verdicts[key].failure if key in verdicts else None,
            reason=feedback.dimensions[name].error or "",
        )
        for name, key in keys.items()
    ]


def _unmade(row: SampleRow) -> StillFailed:
    return StillFailed(
        prompt_id=row.prompt_key, response_id=None, dimension=None, failure=None, reason=row.error or ""
    )


def _outdated(ledger: "Ledger", run: "RunRow", changed: set[str]) -> list[str]:
    """What was derived from the feedback of these responses."""

    def touched(rows: Iterable[SampleRow]) -> bool:
        return any(row.response_key in changed for row in rows)

    found = []
    for round in range(1, run.round + 1):
        stages: tuple[tuple[str, type[Any], list[SampleRow]], ...] = (
            ("dataset", DatasetStage, ledger.samples(run.run_id, "policy", round)),
            ("evaluation", EvaluationStage, _evaluated(ledger, run.run_id, round)),
        )
        for name, kind, rows in stages:
            if ledger.stage(run.run_id, round, name, kind) is not None and touched(rows):
                found.append(f"{name} of round {round}")
    return found


def _evaluated(ledger: "Ledger", run_id: str, round: int) -> list[SampleRow]:
    """The samples that the round's evaluation compared."""
    stage = ledger.stage(run_id, round, "evaluation", EvaluationStage)
    rows = ledger.samples(run_id, "baseline", 0) + ledger.samples(run_id, "adapter", round)
    if stage is not None and stage.champion is not None:
        other = ledger.samples(run_id, "champion", int(stage.champion[1:]))
        # Without samples of its own it is an earlier round's adapter: which one does not matter to whoever asks again.
        rows += other or [
            row for earlier in range(1, round) for row in ledger.samples(run_id, "adapter", earlier)
        ]
    return rows


def _coverage(ledger: "Ledger", run_id: str) -> float | None:
    found = ledger.rounds.coverage(run_id)
    return round(fmean(found), 6) if found else None
