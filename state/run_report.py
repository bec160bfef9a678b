"""The report of a run: the figures of every stage, as `rlhf show --json` prints and the pipeline returns them."""

from typing import Literal

from pydantic import Field

from rlhf.state.records import Record, Usage


class GenerationStage(Record):
    num_prompts: int = 0
    num_responses: int = 0
    num_failed: int = 0


class FeedbackStage(Record):
    num_feedback: int = 0
    avg_rating: float | None = None
    avg_score: float | None = None
    num_failed: int = 0
    num_review: int = 0
    coverage: float | None = None


class Estimated(Record):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class AuditStage(Record):
    """What people say of the round's scored responses, carried over from a random sample of them.

    Without enough people's answers the people's figures are None, and `note` says what is missing.
    """

    num_responses: int = 0
    """Responses with a score: what the figures are about."""
    num_drawn: int = 0
    """Responses drawn at random for people, before anybody saw a score."""
    num_answered: int = 0
    """Drawn responses that a person has answered."""
    mean_score: Estimated | None = None
    """By prediction-powered inference, points of 100; the plain mean where people answered everything."""
    accepted_share: Estimated | None = None
    """Share of responses that people accept, 0–1."""
    judges_mean_score: Estimated | None = None
    """By the judges alone, however wrong they are."""
    judges_accepted_share: Estimated | None = None
    note: str = ""


class DatasetStage(Record):
    path: str | None = None
    num_examples: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    provisional: bool = False
    """Written while people were still asked: built anew from all their answers when the run goes on."""


class TrainingStage(Record):
    adapter_path: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class CanaryStage(Record):
    """What the judge of a run made of canaries: attacks that deserve next to nothing (prompts/canaries.py)."""

    num_canaries: int = 0
    """Canaries the judge is known to have been asked; 0: none, and `note` says why."""
    num_scored: int = 0
    highest: float | None = None
    """Highest score, points of 100."""
    above: list[str] = Field(default_factory=list)
    """Those at or above their floor: each holds the adapter back."""
    tolerated: list[str] = Field(default_factory=list)
    """Above it too, but beyond evidence, in a recipe where the judge has the smaller say."""
    note: str = ""


class EvaluationStage(Record):
    verdict: Literal["ship", "hold"] | None = None
    win_rate: float | None = None
    delta: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    reasons: list[str] = Field(default_factory=list)
    baseline_score: float | None = None
    adapter_score: float | None = None
    num_prompts: int = 0
    length_ratio: float | None = None
    dimensions: dict[str, float] = Field(default_factory=dict)
    """Mean change per dimension, points of 100."""
    canaries: CanaryStage = CanaryStage()


class DeploymentStage(Record):
    version: str | None = None
    alias: Literal["champion", "candidate"] | None = None
    path: str | None = None
    serve: list[str] = Field(default_factory=list)
    """Command lines that serve the adapter."""


class Stages(Record):
    """Results per stage of the newest round; a stage not reached yet holds its defaults."""

    generation: GenerationStage = GenerationStage()
    feedback: FeedbackStage = FeedbackStage()
    audit: AuditStage = AuditStage()
    dataset: DatasetStage = DatasetStage()
    training: TrainingStage = TrainingStage()
    evaluation: EvaluationStage = EvaluationStage()
    deployment: DeploymentStage = DeploymentStage()


RunStatus = Literal["running", "waiting", "finished", "failed"]


class RunReport(Record):
    """`rlhf show --json` and the output of the pipeline graph."""

    run_id: str
    status: RunStatus
    adapter_name: str
    round: int = 0
    note: str = ""
    """One line for people: why the run waits, stopped early or failed."""
    stages: Stages = Stages()
    usage: Usage = Usage()
