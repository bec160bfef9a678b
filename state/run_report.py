"""The report of a run: the figures of every stage, as `rlhf show --json` prints and the pipeline returns them."""

from typing import Literal

from pydantic import Field

from rlhf.state.records import Record, Usage


class SplitStage(Record):
    """How a run's prompts were parted into those that are trained on and those that are held out."""

    num_prompts: int = 0
    """Prompts that were given, repeated ones counted once; 0 for a run that an older version registered."""
    num_clusters: int = 0
    """Clusters of near-duplicates among them (rlhf.nodes.clusters); 0 where nothing was to be held out."""
    num_train: int = 0
    """Prompts that responses are made to and trained on."""
    num_held_out: int = 0
    """Prompts set aside for the evaluation. No near-duplicate of one is trained on."""
    num_held_out_clusters: int = 0
    """Clusters among those: what counts in the evaluation."""
    num_left_out: int = 0
    """Prompts that the run does not use: beyond num_synthetic_examples, or too like a held-out one."""


class GenerationStage(Record):
    """What was generated."""

    num_prompts: int = 0
    """Training prompts that were sent to the policy."""
    num_responses: int = 0
    """Training responses there are, all variations counted."""
    num_failed: int = 0
    """Responses that could not be made."""


class FeedbackStage(Record):
    """What the judges made of it."""

    num_feedback: int = 0
    """Training responses that were judged."""
    avg_rating: float | None = None
    """Mean rating, 1–5 stars, of those with a score; None without any."""
    avg_score: float | None = None
    """Mean overall score, points of 100, of those with a score; None without any."""
    num_failed: int = 0
    """Failed verdicts: single dimensions, not responses."""
    num_review: int = 0
    """Responses that a person should see, answered or not."""
    coverage: float | None = None
    """Mean share of the dimensions' weight that was scored, 0–1; None before anything is judged."""
    num_replaced: int = 0
    """Characters in the answers of the run's judges that no text may hold, replaced by U+FFFD."""


class Estimated(Record):
    """A figure with its 95 % interval."""

    value: float
    """The estimate, in the unit of the figure it belongs to."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


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
    """By the judges alone, 0–1."""
    note: str = ""
    """What is missing for people's figures, and how to get it; empty if nothing is."""


class DatasetStage(Record):
    """The pairs, and what they cost."""

    path: str | None = None
    """The JSONL file; None where no pair was left."""
    num_examples: int = 0
    """Pairs in it."""
    dropped: dict[str, int] = Field(default_factory=dict)
    """How many prompts or pairs each reason took (rlhf.training.pairs.Reason)."""
    provisional: bool = False
    """Written while people were still asked: built anew from all their answers when the run goes on."""


class TrainingStage(Record):
    """The trained adapter, before anybody has compared it."""

    adapter_path: str | None = None
    """Folder of the trained adapter before deployment; None before it is trained."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """What training measured, plain numbers (rlhf.training.fit.fit names them)."""
    approved_by: str = ""
    """Who approved the training; empty if nobody was asked or it is not known."""


class CanaryStage(Record):
    """What the judge of a run made of canaries: attacks that deserve next to nothing (prompts/canaries.py)."""

    num_canaries: int = 0
    """Canaries the judge is known to have been asked; 0: none, and `note` says why."""
    num_scored: int = 0
    """Those that the judge gave a whole verdict on."""
    highest: float | None = None
    """Highest score, points of 100."""
    above: list[str] = Field(default_factory=list)
    """Those at or above their floor: each holds the adapter back."""
    tolerated: list[str] = Field(default_factory=list)
    """Above it too, but beyond evidence, in a recipe where the judge has the smaller say."""
    note: str = ""
    """Why none were asked, or what is missing; empty if nothing is."""


class Gain(Record):
    """The adapter against a baseline on the held-out prompts; all None if nothing could be compared."""

    win_rate: float | None = None
    """Share of held-out prompts on which the adapter scored higher, ties half, 0–1."""
    delta: float | None = None
    """Mean paired difference, adapter − baseline, points of 100."""
    ci_low: float | None = None
    """Lower end of its 95 % interval."""
    ci_high: float | None = None
    """Upper end of its 95 % interval."""
    baseline_score: float | None = None
    """The baseline's mean score on the compared prompts, points of 100."""
    adapter_score: float | None = None
    """The adapter's mean score on the compared prompts, points of 100."""
    num_prompts: int = 0
    """Held-out prompts with a score on both sides; near-duplicates count as one."""
    length_ratio: float | None = None
    """Mean length of the adapter's responses over the baseline's: 1 is the same."""
    dimensions: dict[str, float] = Field(default_factory=dict)
    """Mean change per dimension, points of 100."""


class EvaluationStage(Gain):
    """The adapter against what serves now: the champion of its name, or without one what the run started from."""

    verdict: Literal["ship", "hold"] | None = None
    """ship: better than what serves now beyond doubt; hold: not proved. None before the evaluation."""
    reasons: list[str] = Field(default_factory=list)
    """What decided the verdict, a sentence each."""
    champion: str | None = None
    """Version of the champion when the adapter was compared; None if there was none, or an older version wrote
    this: then the baseline is what the run started from."""
    against_start: Gain | None = None
    """The adapter against what the run started from; None where that is the baseline already."""
    canaries: CanaryStage = CanaryStage()
    """Whether the judge that decided can be fooled."""
    self_judged: bool | None = None
    """Whether the judge that decided is also the model that answers, or the one that learns, and so may favour its
    own writing; None before the evaluation, or if an older version wrote this."""


class DeploymentStage(Record):
    """Where the adapter stands in the registry."""

    version: str | None = None
    """Version of the adapter in the registry, such as v1; None before deployment."""
    alias: Literal["champion", "candidate"] | None = None
    """champion: what serves now; candidate: kept, not promoted. None before deployment."""
    path: str | None = None
    """Folder of the deployed adapter."""
    serve: list[str] = Field(default_factory=list)
    """Command lines that serve the adapter."""
    decided_by: str = ""
    """Who decided on the deployment; empty if nobody was asked or it is not known."""


class Stages(Record):
    """Results per stage of the newest round; a stage not reached yet holds its defaults."""

    split: SplitStage = SplitStage()
    """Parting the prompts, once for all rounds."""
    generation: GenerationStage = GenerationStage()
    """Making training responses."""
    feedback: FeedbackStage = FeedbackStage()
    """Judging them."""
    audit: AuditStage = AuditStage()
    """What people's random sample says of the judges."""
    dataset: DatasetStage = DatasetStage()
    """Selecting pairs."""
    training: TrainingStage = TrainingStage()
    """Training the adapter."""
    evaluation: EvaluationStage = EvaluationStage()
    """Comparing it with what serves now, and with what the run started from."""
    deployment: DeploymentStage = DeploymentStage()
    """Storing it as a version."""


RunStatus = Literal["running", "waiting", "finished", "failed"]


class RunReport(Record):
    """`rlhf show --json` and the output of the pipeline graph."""

    run_id: str
    """The run, as commands take it."""
    status: RunStatus
    """running, waiting (for a person), finished or failed."""
    adapter_name: str
    """Name that the run's adapter is deployed under."""
    round: int = 0
    """Newest round, from 1; 0 before the first."""
    note: str = ""
    """One line for people: why the run waits, stopped early or failed."""
    answered: bool = False
    """Whether everything it waited for is answered, so that `rlhf resume` goes on."""
    stages: Stages = Stages()
    """Figures of that round."""
    usage: Usage = Usage()
    """Calls and tokens spent by the whole run."""
