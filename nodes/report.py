"""The run report, derived from the ledger alone: every stage's figures, and what people's audit says of the judges."""

from collections.abc import Sequence
from statistics import fmean
from typing import TypeVar

from rlhf.state.errors import LedgerError
from rlhf.state.ledger import Ledger
from rlhf.state.ledger.audits import Audited
from rlhf.state.records import Record
from rlhf.state.run_report import (
    AuditStage,
    DatasetStage,
    DeploymentStage,
    Estimated,
    EvaluationStage,
    FeedbackStage,
    GenerationStage,
    RunReport,
    SplitStage,
    Stages,
    TrainingStage,
)
from rlhf.state.settings import Settings
from rlhf.training.statistics.prediction_powered import (
    MIN_LABELS,
    Estimate,
    plain_mean,
    plain_share,
    powered_score,
    powered_share,
)


def full_report(ledger: Ledger, run_id: str) -> RunReport:
    """The run's report with what its audit says; InputError if there is no such run."""
    report = run_report(ledger, run_id)
    stage = audit_stage(ledger.audited(run_id, max(report.round, 1)), ledger.run(run_id).settings)
    return report.model_copy(update={"stages": report.stages.model_copy(update={"audit": stage})})


def audit_stage(responses: Sequence[Audited], settings: Settings) -> AuditStage:
    """The judges' and the people's mean score and acceptance, from the answers to the random sample alone.

    Responses that people were asked about because of their score are no random sample: their answers count
    nowhere here. With review.mode = "all" the figures are people's own, once everything is answered.
    """
    scored = {row.response_key: row for row in responses if row.score is not None}
    scores = [row.score for row in scored.values() if row.score is not None]
    judges = AuditStage(
        num_responses=len(scored),
        judges_mean_score=_points(plain_mean(scores)) if len(scores) > 1 else None,
        judges_accepted_share=_share(plain_share([row.acceptable for row in scored.values()]))
        if scored
        else None,
    )
    if settings.review.mode == "off":
        return judges.model_copy(update={"note": "Review is off: nobody audits."})
    everything = settings.review.mode == "all"
    drawn = [row for row in scored.values() if everything or row.in_audit]
    labels = {row.response_key: label for row in drawn if (label := _label(row)) is not None}
    note = _note(len(drawn), len(labels), everything=everything)
    stage = judges.model_copy(
        update={"num_drawn": len(drawn), "num_answered": len(labels), "note": note},
    )
    if len(labels) < (len(drawn) if everything else MIN_LABELS) or len(labels) < 2:
        return stage
    told = [scored[key] for key in labels]
    rest = [row for key, row in scored.items() if key not in labels]
    threshold = settings.acceptance.min_score_acceptable
    score = powered_score(
        list(labels.values()), [row.score or 0.0 for row in told], [row.score or 0.0 for row in rest]
    )
    # An approval leaves the judges' word as it is, veto and all; a person's own rating decides by its score.
    accepted = [
        row.acceptable
        if row.review is None or row.review.own_score is None
        else row.review.own_score >= threshold
        for row in told
    ]
    share = powered_share(accepted, [row.acceptable for row in told], [row.acceptable for row in rest])
    return stage.model_copy(update={"mean_score": _points(score), "accepted_share": _share(share)})


def _label(row: Audited) -> float | None:
    """What the person says of the response, points of 100; None without an answer."""
    if row.review is None:
        return None
    return row.score if row.review.own_score is None else row.review.own_score


def _note(drawn: int, answered: int, *, everything: bool) -> str:
    waiting = drawn - answered
    if everything:
        return f"Every response is reviewed; still to be answered: {waiting}." if waiting else ""
    missing = MIN_LABELS - answered
    if missing <= 0:
        return f"{waiting} of the random sample still wait for an answer." if waiting else ""
    plural = "answers are" if missing > 1 else "answer is"
    needed = f"{missing} more audit {plural} needed for people's figures"
    if missing <= waiting:
        return f"{needed}; {waiting} responses wait for one."
    way = "raise review.audit_fraction or make more responses"
    return f"{needed}, but only {waiting} of the random sample wait for one: {way}."


def _points(found: Estimate) -> Estimated:
    low, high = max(0.0, found.low), min(100.0, found.high)
    return Estimated(value=round(found.mean, 4), low=round(low, 4), high=round(high, 4))


def _share(found: Estimate) -> Estimated:
    return Estimated(value=round(found.mean, 4), low=round(found.low, 4), high=round(found.high, 4))


_Stage = TypeVar("_Stage", bound=Record)


def run_report(ledger: Ledger, run_id: str) -> RunReport:
    """The run as it stands, with the results of its newest round; InputError if there is no such run."""
    run = ledger.run(run_id)
    notes = [run.note] if run.note else []

    def kept(stage: str, kind: type[_Stage], round: int = max(run.round, 1)) -> _Stage:
        try:
            return ledger.stage(run_id, round, stage, kind) or kind()
        except LedgerError as error:  # one stage that cannot be read hides none of the others
            notes.append(str(error))
            return kind()

    stages = Stages(
        split=kept("split", SplitStage, 0),
        generation=generation_stage(ledger, run_id, run.round),
        feedback=feedback_stage(ledger, run_id, run.round),
        dataset=kept("dataset", DatasetStage),
        training=kept("training", TrainingStage),
        evaluation=kept("evaluation", EvaluationStage),
        deployment=kept("deployment", DeploymentStage),
    )
    return RunReport(
        run_id=run.run_id,
        status=run.status,
        adapter_name=run.adapter_name,
        round=run.round,
        note=" ".join(notes),
        answered=run.answered,
        stages=stages,
        usage=ledger.usage(run_id),
    )


def generation_stage(ledger: Ledger, run_id: str, round: int) -> GenerationStage:
    """Counts of the round's training responses."""
    return GenerationStage(**ledger.rounds.generated(run_id, round)._asdict())


def feedback_stage(ledger: Ledger, run_id: str, round: int) -> FeedbackStage:
    """Means over the feedback on the round's training responses; failures count as missing, never as zero.

    num_failed counts failed verdicts (single dimensions); num_review the responses a person should see.
    """
    feedback = ledger.rounds.figures(run_id, round)
    ratings = [entry.rating for entry in feedback if entry.rating is not None]
    scores = [entry.overall_score for entry in feedback if entry.overall_score is not None]
    return FeedbackStage(
        num_feedback=len(feedback),
        avg_rating=round_or_none(ratings),
        avg_score=round_or_none(scores),
        num_failed=sum(entry.num_failed for entry in feedback),
        num_review=sum(entry.needs_review for entry in feedback),
        coverage=round_or_none([entry.coverage for entry in feedback]),
        num_replaced=ledger.rounds.replaced(run_id),
    )


def round_or_none(values: list[float] | list[int]) -> float | None:
    """The mean with four decimals, or None of nothing."""
    return round(fmean(values), 4) if values else None
