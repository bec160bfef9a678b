"""The run report: what `rlhf show` prints and the pipeline returns, derived from the ledger alone."""

from statistics import fmean
from typing import TypeVar

from pydantic import BaseModel

from state.ledger import Ledger
from state.records import (
    DatasetStage,
    DeploymentStage,
    EvaluationStage,
    FeedbackStage,
    GenerationStage,
    RunReport,
    Stages,
    TrainingStage,
)

_Stage = TypeVar("_Stage", bound=BaseModel)


def run_report(ledger: Ledger, run_id: str) -> RunReport:
    """The run as it stands, with the results of its newest round; InputError if there is no such run."""
    run = ledger.run(run_id)

    def newest(stage: str, kind: type[_Stage]) -> _Stage:
        return ledger.stage(run_id, max(run.round, 1), stage, kind) or kind()

    return RunReport(
        run_id=run.run_id,
        status=run.status,
        adapter_name=run.adapter_name,
        round=run.round,
        note=run.note,
        stages=Stages(
            generation=generation_stage(ledger, run_id, run.round),
            feedback=feedback_stage(ledger, run_id, run.round),
            dataset=newest("dataset", DatasetStage),
            training=newest("training", TrainingStage),
            evaluation=newest("evaluation", EvaluationStage),
            deployment=newest("deployment", DeploymentStage),
        ),
        usage=ledger.usage(run_id),
    )


def generation_stage(ledger: Ledger, run_id: str, round: int) -> GenerationStage:
    """Counts of the round's training responses."""
    samples = ledger.samples(run_id, "policy", round)
    return GenerationStage(
        num_prompts=len({sample.prompt_key for sample in samples}),
        num_responses=sum(sample.response_key is not None for sample in samples),
        num_failed=sum(sample.response_key is None for sample in samples),
    )


def feedback_stage(ledger: Ledger, run_id: str, round: int) -> FeedbackStage:
    """Means over the feedback on the round's training responses; failures count as missing, never as zero.

    num_failed counts failed verdicts (single dimensions); num_review the responses a person should see.
    """
    keys = [sample.response_key for sample in ledger.samples(run_id, "policy", round) if sample.response_key]
    feedback = list(ledger.feedback(run_id, keys).values())
    ratings = [entry.rating for entry in feedback if entry.rating is not None]
    scores = [entry.overall_score for entry in feedback if entry.overall_score is not None]
    return FeedbackStage(
        num_feedback=len(feedback),
        avg_rating=round_or_none(ratings),
        avg_score=round_or_none(scores),
        num_failed=sum(part.status == "failed" for entry in feedback for part in entry.dimensions.values()),
        num_review=sum(entry.needs_review for entry in feedback),
        coverage=round_or_none([entry.coverage for entry in feedback]),
    )


def round_or_none(values: list[float] | list[int]) -> float | None:
    """The mean with four decimals, or None of nothing."""
    return round(fmean(values), 4) if values else None
