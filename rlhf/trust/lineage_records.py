"""The shapes in which lineage is told: an adapter, its pairs, their responses, and who said what of each."""

from typing import Any, Literal

from rlhf.state.ledger.traces import Trace
from rlhf.state.records import EvidenceNote, FailureKind, Moment, Record


class VerdictOrigin(Record):
    """One judge's verdict, with what the checks told it."""

    key: str
    """Key of the verdict in the ledger."""
    dimension: str
    """Dimension judged."""
    status: Literal["scored", "failed"]
    """scored or failed."""
    judge_score: float | None
    """What the judge said, 0–100."""
    score: float | None
    """What it counts for in the run, with evidence blended in; None outside a run and for a failure."""
    confidence: float | None
    """How sure the judge was, 0–1; None for a failure."""
    method: str | None
    """Where the expectation comes from: logprobs, samples or level; None for a failure."""
    strengths: list[str]
    """What the judge found good."""
    weaknesses: list[str]
    """What the judge found wanting."""
    rationale: str
    """Why the judge chose its level."""
    failure: FailureKind | None
    """Kind of failure; None for a score."""
    error: str | None
    """The failure in one line for people; None for a score."""
    evidence: list[EvidenceNote]
    """What the checks say on this dimension."""
    evidence_cap: float | None
    """Ceiling that a failed check puts on the score, points of 100; None if there is none."""
    endpoint: str
    """PROVIDER/MODEL that was asked."""
    rubric_version: str
    """Version of the rubric pack."""
    template_version: str
    """Version of all else that was asked."""
    judged_at: Moment
    """When it was reached."""
    asked_by: str | None
    """The run that asked; runs that met the same question later found the answer in the ledger."""
    trace: Trace | None
    """None where tracing was off."""


class PersonOrigin(Record):
    """What a person said of a response."""

    reviewer: str
    """Who answered."""
    decision: Literal["approve", "reject", "edit"]
    """approve: the judges' rating stands; reject: rating 1; edit: the rating given."""
    rating: int | None
    """1–5 stars with `edit`; else None."""
    comment: str
    """What was said about it; empty for nothing."""
    given_at: Moment | None
    """When it was given; None if that is not known."""
    run_id: str
    """Run in which it was said first."""


class ResponseOrigin(Record):
    """A response, who made it, and everything that was said of it."""

    kind: Literal["response"] = "response"
    """Tells the three shapes apart in JSON."""
    response_key: str
    """Key of the response in the ledger."""
    prompt_key: str
    """Key of the prompt in the ledger."""
    prompt: str
    """What was asked."""
    context: dict[str, Any]
    """Facts that the response had to respect."""
    task_type: str
    """Rubric pack."""
    response: str
    """What was answered."""
    run_id: str | None
    """The run whose feedback this is; None for a response that was judged on its own."""
    made_by: str | None
    """policy, baseline, adapter or champion, with the model behind the first."""
    round: int | None
    """Round it was made in; None outside a run."""
    variation: int | None
    """Number among the responses to its prompt, from 0; None outside a run."""
    other_runs: list[str]
    """Other runs that hold the same response."""
    overall_score: float | None
    """Points of 100; None without feedback or without a score."""
    rating: int | None
    """1–5 stars; None without a score."""
    is_acceptable: bool
    """Whether the run found it acceptable."""
    coverage: float | None
    """Share of the dimensions' weight that was scored, 0–1; None without feedback."""
    review_reasons: list[str]
    """Why a person was to see it."""
    verdicts: list[VerdictOrigin]
    """All verdicts on it, by dimension and time."""
    people: list[PersonOrigin]
    """What people said of it, in whichever run."""
    trace: Trace | None
    """How it was judged in this run; None where tracing was off."""


class PairOrigin(Record):
    """A pair and both its responses."""

    kind: Literal["pair"] = "pair"
    """Tells the three shapes apart in JSON."""
    run_id: str
    """Run that selected it."""
    round: int
    """Round it was selected in."""
    margin: float
    """Score of the chosen minus score of the rejected, points of 100."""
    dataset: str | None
    """FILE#ROW where it stands, if the round's dataset is still there."""
    chosen: ResponseOrigin
    """The response to be preferred."""
    rejected: ResponseOrigin
    """The other one."""


class AdapterOrigin(Record):
    """A deployed adapter and the pairs it was trained on."""

    kind: Literal["adapter"] = "adapter"
    """Tells the three shapes apart in JSON."""
    name: str
    """Name it is deployed under."""
    version: str
    """Version in the registry."""
    aliases: list[str]
    """champion, candidate, or none."""
    path: str
    """Its folder."""
    created_at: str
    """When it was deployed: UTC, ISO 8601."""
    run_id: str
    """Run that trained it."""
    round: int
    """Round that trained it."""
    derived_from: list[str]
    """The runs its run was derived from by reweighing, the nearest first."""
    base_model: str
    """Folder of the model it is for."""
    parent: str | None
    """What training went on from; None for a new adapter."""
    dataset: str
    """File it was trained on."""
    dataset_sha256: str
    """SHA-256 of that file as it was then."""
    dataset_intact: bool
    """Whether the file is still there and has these bytes."""
    judge: str
    """The judge as `judge.model` names it."""
    evaluation: dict[str, Any]
    """Its evaluation (rlhf.state.run_report.EvaluationStage)."""
    pairs: list[PairOrigin]
    """The pairs it was trained on, the widest margin first."""


Origin = AdapterOrigin | PairOrigin | ResponseOrigin
