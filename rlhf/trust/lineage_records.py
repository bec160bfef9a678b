"""The shapes in which lineage is told: an adapter, its pairs, their responses, and who said what of each."""

from typing import Any, Literal

from rlhf.state.ledger.traces import Trace
from rlhf.state.records import EvidenceNote, FailureKind, Moment, Record


class VerdictOrigin(Record):
    """One judge's verdict, with what the checks told it."""

    key: str
    dimension: str
    status: Literal["scored", "failed"]
    judge_score: float | None
    """What the judge said, 0–100."""
    score: float | None
    """What it counts for in the run, with evidence blended in; None outside a run and for a failure."""
    confidence: float | None
    method: str | None
    strengths: list[str]
    weaknesses: list[str]
    rationale: str
    failure: FailureKind | None
    error: str | None
    evidence: list[EvidenceNote]
    evidence_cap: float | None
    endpoint: str
    """PROVIDER/MODEL that was asked."""
    rubric_version: str
    template_version: str
    judged_at: Moment
    asked_by: str | None
    """The run that asked; runs that met the same question later found the answer in the ledger."""
    trace: Trace | None
    """None where tracing was off."""


class PersonOrigin(Record):
    """What a person said of a response."""

    reviewer: str
    decision: Literal["approve", "reject", "edit"]
    rating: int | None
    comment: str
    given_at: Moment | None
    run_id: str


class ResponseOrigin(Record):
    """A response, who made it, and everything that was said of it."""

    kind: Literal["response"] = "response"
    response_key: str
    prompt_key: str
    prompt: str
    context: dict[str, Any]
    task_type: str
    response: str
    run_id: str | None
    """The run whose feedback this is; None for a response that was judged on its own."""
    made_by: str | None
    """policy, baseline or adapter, with the model behind the first."""
    round: int | None
    variation: int | None
    other_runs: list[str]
    """Other runs that hold the same response."""
    overall_score: float | None
    rating: int | None
    is_acceptable: bool
    coverage: float | None
    review_reasons: list[str]
    verdicts: list[VerdictOrigin]
    people: list[PersonOrigin]
    trace: Trace | None
    """How it was judged in this run; None where tracing was off."""


class PairOrigin(Record):
    """A pair and both its responses."""

    kind: Literal["pair"] = "pair"
    run_id: str
    round: int
    margin: float
    dataset: str | None
    """FILE#ROW where it stands, if the round's dataset is still there."""
    chosen: ResponseOrigin
    rejected: ResponseOrigin


class AdapterOrigin(Record):
    """A deployed adapter and the pairs it was trained on."""

    kind: Literal["adapter"] = "adapter"
    name: str
    version: str
    aliases: list[str]
    path: str
    created_at: str
    run_id: str
    round: int
    derived_from: list[str]
    """The runs its run was derived from by reweighing, the nearest first."""
    base_model: str
    parent: str | None
    dataset: str
    dataset_sha256: str
    dataset_intact: bool
    """Whether the file is still there and has these bytes."""
    judge: str
    evaluation: dict[str, Any]
    pairs: list[PairOrigin]


Origin = AdapterOrigin | PairOrigin | ResponseOrigin
