"""A run on one screen: what was made, learned and proved, where it is, and what to do next."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from rlhf.progress import duration

if TYPE_CHECKING:
    from rlhf.cli.meter import Meter
    from rlhf.runs.drive import Pending
    from rlhf.state.run_report import CanaryStage, Estimated, RunReport, SplitStage

Line = tuple[str, str]
"""A heading (empty: goes on below the one before) and its text."""


def print_report(report: "RunReport", pending: "Pending | None" = None, meter: "Meter | None" = None) -> None:
    """Print the run on standard output."""
    typer.echo()
    typer.secho(f"Run {report.run_id}: {report.status}", bold=True)
    for heading, text in _lines(report):
        typer.echo(f"  {heading:<11} {text}")
    if meter is not None:
        took = f"{duration(meter.seconds)}, peak memory {meter.peak_bytes / 2**30:.1f} GiB"
        typer.echo(f"  {'took':<11} {took}")
    if report.note:
        typer.echo(f"  {'note':<11} {report.note}")
    for line in _next_steps(report, pending):
        typer.echo(f"  {line}")


def _lines(report: "RunReport") -> Iterator[Line]:
    stages = report.stages
    if stages.split.num_prompts:
        yield "prompts", _split(stages.split)
    if stages.generation.num_responses:
        failed = f", {stages.generation.num_failed} failed" if stages.generation.num_failed else ""
        text = (
            f"{stages.generation.num_responses} responses to {stages.generation.num_prompts} prompts{failed}"
        )
        yield "generation", f"{text} (round {report.round})"
    if stages.feedback.num_feedback:
        yield "feedback", _feedback(report)
    if (stages.feedback.num_failed or stages.generation.num_failed) and report.status != "running":
        yield "", f"what failed alone can be asked again: rlhf retry {report.run_id}"
    yield from _audit(report)
    if stages.dataset.path or stages.dataset.dropped:
        yield "dataset", f"{stages.dataset.num_examples} pairs in {stages.dataset.path}"
    if stages.dataset.dropped:
        reasons = (f"{count} {reason}" for reason, count in sorted(stages.dataset.dropped.items()))
        yield "", f"dropped: {', '.join(reasons)}"
    if stages.training.metrics:
        figures = (f"{name} {value:.4g}" for name, value in stages.training.metrics.items())
        yield from (("" if i else "training", line) for i, line in enumerate(_wrapped(figures)))
    yield from _evaluation(report)
    if stages.deployment.path:
        version = f"{report.adapter_name} {stages.deployment.version} is the {stages.deployment.alias}"
        yield "deployment", f"{version}: {stages.deployment.path}"
        yield from (("serve it" if i == 0 else "", line) for i, line in enumerate(stages.deployment.serve))
    usage = report.usage
    yield (
        "usage",
        f"{usage.calls} calls, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, "
        f"{usage.cached} verdicts from the ledger",
    )


def _split(stage: "SplitStage") -> str:
    parts = [f"{stage.num_train:,} trained on", f"{stage.num_held_out:,} held out"]
    if stage.num_left_out:
        parts.append(f"{stage.num_left_out:,} left out")
    alike = f", {stage.num_clusters:,} without near-duplicates" if stage.num_clusters else ""
    return f"{', '.join(parts)} (of {stage.num_prompts:,}{alike})"


def _wrapped(parts: Iterable[str], width: int = 84) -> Iterator[str]:
    """The parts, separated by commas, on as few lines as hold them."""
    line = ""
    for part in parts:
        if line and len(line) + len(part) > width:
            yield f"{line},"
            line = ""
        line = f"{line}, {part}" if line else part
    yield line


def _feedback(report: "RunReport") -> str:
    stage = report.stages.feedback
    parts = [f"{stage.num_feedback} responses judged"]
    if stage.avg_score is not None and stage.avg_rating is not None:
        parts.append(f"average score {stage.avg_score:.1f}, rating {stage.avg_rating:.2f}")
    if stage.coverage is not None:
        parts.append(f"coverage {stage.coverage:.0%}")
    if stage.num_failed:
        parts.append(f"{stage.num_failed} verdicts failed")
    if stage.num_replaced:
        parts.append(f"{stage.num_replaced} broken characters of judges replaced")
    if stage.num_review:
        parts.append(f"{stage.num_review} for review")
    return ", ".join(parts)


def _audit(report: "RunReport") -> Iterator[Line]:
    stage = report.stages.audit
    if not stage.num_drawn:
        return
    if stage.mean_score and stage.accepted_share:
        asked = f"people on {stage.num_answered} of {stage.num_responses} responses, drawn at random"
        score, share = _points(stage.mean_score), _percent(stage.accepted_share)
        yield "audit", f"{asked}: score {score}, accepted {share}"
        if stage.judges_mean_score and stage.judges_accepted_share:
            score, share = _points(stage.judges_mean_score), _percent(stage.judges_accepted_share)
            yield "", f"the judges alone: score {score}, accepted {share}"
    if stage.note:
        yield ("" if stage.mean_score else "audit"), stage.note


def _points(found: "Estimated") -> str:
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _percent(found: "Estimated") -> str:
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def _evaluation(report: "RunReport") -> Iterator[Line]:
    stage = report.stages.evaluation
    if stage.verdict is None:
        return
    if stage.delta is not None and stage.baseline_score is not None and stage.adapter_score is not None:
        interval = f" [{stage.ci_low:+.1f}, {stage.ci_high:+.1f}]" if stage.ci_low is not None else ""
        scores = f"{stage.baseline_score:.1f} → {stage.adapter_score:.1f} of 100"
        proof = f"{stage.delta:+.1f}{interval} on {stage.num_prompts} held-out prompts"
        serving = f" against {stage.champion}, which served then" if stage.champion else ""
        yield "evaluation", f"{scores}: {proof}{serving}"
        win_rate = f"win rate {stage.win_rate:.0%}" if stage.win_rate is not None else ""
        length = f"length × {stage.length_ratio:.2f}" if stage.length_ratio is not None else ""
        yield "", ", ".join(part for part in (win_rate, length) if part)
    if (start := stage.against_start) and start.delta is not None and start.baseline_score is not None:
        interval = f" [{start.ci_low:+.1f}, {start.ci_high:+.1f}]" if start.ci_low is not None else ""
        yield "", f"against the start ({start.baseline_score:.1f}): {start.delta:+.1f}{interval}"
    if stage.dimensions:
        yield "", ", ".join(f"{name} {change:+.1f}" for name, change in stage.dimensions.items())
    if stage.self_judged:
        yield "judge", "is also the model that answers or learns, and may favour its own writing"
    if stage.canaries.num_canaries or stage.canaries.note:
        yield "canaries", _canaries(stage.canaries)
    yield "verdict", f"{stage.verdict}{': ' if stage.reasons else ''}{'; '.join(stage.reasons)}"


def _canaries(stage: "CanaryStage") -> str:
    if not stage.num_canaries:
        return stage.note
    fooled = len(stage.above) + len(stage.tolerated)
    missing = stage.num_canaries - stage.num_scored
    parts = [
        f"{stage.num_scored - fooled} of {stage.num_canaries} attacks on the judge stayed under their floor"
    ]
    if stage.highest is not None:
        parts.append(f"highest {stage.highest:.1f}")
    if missing:
        parts.append(f"{missing} not scored")
    return ", ".join(parts) + (f"; {stage.note}" if stage.note else "")


def _next_steps(report: "RunReport", pending: "Pending | None") -> Iterator[str]:
    run = report.run_id
    if report.status == "failed":
        yield f"Mend the cause, then: rlhf resume {run}"
    elif report.status == "waiting" and pending is None:
        if report.answered:  # the note says how to go on
            return
        yield f"See and answer it: rlhf review {run}"
    elif pending is not None and pending.is_review:
        yield f"Look at each: rlhf review {run}"
        yield f"Or accept the judges' ratings: rlhf resume {run} --approve (or --decisions FILE)"
    elif pending is not None:
        yield f"Answer: rlhf resume {run} --approve (or --reject)"
