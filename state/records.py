"""Records of the ledger and the shapes people receive: prompts, verdicts, feedback, the run report."""

from collections.abc import Iterable
from datetime import UTC
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A point in time with its time zone, kept as UTC."""


class Record(BaseModel):
    """A finished thing: it never changes, and its fields can be read as keys too (`record["rating"]`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __getitem__(self, name: str) -> Any:
        if name not in type(self).model_fields:
            raise KeyError(name)
        return getattr(self, name)

    def keys(self) -> Iterable[str]:
        """Names of the fields, so that `{**record}` and `dict(record)` work."""
        return type(self).model_fields.keys()


class PromptRow(Record):
    """One prompt of a run. `split` decides whether it may ever be trained on."""

    key: str
    id: str
    """The user's id, or its position in the file."""
    text: str
    context: dict[str, Any] = Field(default_factory=dict)
    task_type: str
    split: Literal["train", "held_out"] = "train"


class ResponseRow(Record):
    """One response together with the prompt it answers: all a judge needs."""

    key: str
    prompt_key: str
    prompt: str
    context: dict[str, Any]
    task_type: str
    text: str


class SampleRow(Record):
    """Variation `variation` of the response to a prompt, made by `policy` in `round` of a run."""

    prompt_key: str
    policy: Literal["policy", "baseline", "adapter"]
    round: int = Field(ge=0)
    variation: int = Field(ge=0)
    response_key: str | None
    """None when generation failed; `error` then says why."""
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0


class Usage(Record):
    """What was spent: calls made, tokens in and out, and answers found in the ledger instead."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(**{name: getattr(self, name) - getattr(other, name) for name in Usage.model_fields})

    def shared_out(self, count: int) -> list["Usage"]:
        """`count` shares, as equal as whole numbers can be, that add up to this again."""
        parts = {name: divmod(getattr(self, name), count) for name in Usage.model_fields}
        return [
            Usage(**{name: whole + (place < rest) for name, (whole, rest) in parts.items()})
            for place in range(count)
        ]


class FailureKind(StrEnum):
    """Why a judgement failed."""

    REFUSED = "refused"
    UNPARSABLE = "unparsable"
    OUT_OF_RANGE = "out_of_range"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    ENDPOINT_ERROR = "endpoint_error"


class Verdict(Record):
    """One judge's answer on one dimension: scored, or failed and then without any number."""

    key: str
    response_key: str
    dimension: str
    status: Literal["scored", "failed"]
    score: float | None = Field(None, ge=0.0, le=100.0)
    """The judge's own score, 0–100: expected level × 20, before evidence is blended in."""
    confidence: float | None = Field(None, ge=0.0, le=1.0)
    method: Literal["logprobs", "samples", "level"] | None = None
    """Where the expectation comes from: level log-probabilities, several samples, or the plain level."""
    strengths: list[str] = Field(default_factory=list)
    weaknesses: list[str] = Field(default_factory=list)
    rationale: str = ""
    failure: FailureKind | None = None
    error: str | None = None
    model: str
    rubric_version: str
    template_version: str
    usage: Usage = Usage()


class EvidenceNote(Record):
    """One deterministic check as people see it."""

    check: str
    grade: float | None = Field(None, ge=0.0, le=1.0)
    """0 (fails) to 1 (holds); None where the check does not apply."""
    sentence: str


class DimensionFeedback(Record):
    """A dimension's part of a feedback: judge and evidence blended and capped."""

    status: Literal["scored", "failed"]
    score: float | None = Field(None, ge=0.0, le=100.0)
    raw_score: float | None = Field(None, ge=0.0, le=100.0)
    """The score before calibration; None where no map was applied."""
    confidence: float | None = Field(None, ge=0.0, le=1.0)
    rationale: str = ""
    evidence: list[EvidenceNote] = Field(default_factory=list)
    evidence_score: float | None = Field(None, ge=0.0, le=100.0)
    """What the checks alone give; None if none applies, or if an older version wrote this."""
    evidence_cap: float | None = Field(None, ge=0.0, le=100.0)
    """The ceiling that a failed check puts on the score; None if there is none."""


class HumanLabel(Record):
    """One person's rating of one response."""

    response_id: str = Field(min_length=1)
    """Key of the response (rlhf.state.keys.response_key): labels and feedback are matched by it."""
    prompt_id: str = ""
    task_type: str = ""
    prompt: str = ""
    response: str = ""
    rating: int = Field(ge=1, le=5)
    comment: str = ""
    reviewer: str = Field(min_length=1)
    labelled_at: Moment
    judge_rating: int | None = Field(None, ge=1, le=5)
    """The judges' rating of it, where that is known."""


class LabelSource(Record):
    """Who rated a merged feedback, when, and what the judges had said before."""

    rating: int = Field(ge=1, le=5)
    reviewers: list[str]
    labelled_at: Moment
    """The newest label's time."""
    comment: str = ""
    judge_rating: int | None = Field(None, ge=1, le=5)
    judge_score: float | None = Field(None, ge=0.0, le=100.0)


class Feedback(Record):
    """All verdicts of a response, aggregated. Also the object of `rlhf judge --json`."""

    prompt: str
    response: str
    prompt_id: str = ""
    """Key of the prompt (with its context and task type) in the ledger."""
    response_id: str = ""
    """Key of the response in the ledger."""
    task_type: str = ""
    """Rubric pack it was judged by."""
    overall_score: float | None = Field(None, ge=0.0, le=100.0)
    """Weighted mean over the scored dimensions, calibrated; None if none was scored."""
    raw_overall_score: float | None = Field(None, ge=0.0, le=100.0)
    """The weighted mean before any calibration; None where no map was applied."""
    calibration: str | None = None
    """Key of the calibration whose maps were applied."""
    rating: int | None = Field(None, ge=1, le=5)
    is_acceptable: bool = False
    is_chosen: bool = False
    is_rejected: bool = False
    vetoed: bool = False
    confidence: float | None = Field(None, ge=0.0, le=1.0)
    coverage: float = Field(ge=0.0, le=1.0)
    """Weight of the scored dimensions over the weight of all."""
    needs_review: bool = False
    review_reasons: list[str] = Field(default_factory=list)
    weaknesses: list[str] = Field(default_factory=list)
    strengths: list[str] = Field(default_factory=list)
    dimensions: dict[str, DimensionFeedback]
    label: LabelSource | None = None
    """Set where rating, score and choice are people's (`rlhf.merge`); the dimensions stay the judges'."""

    @property
    def overall_rating(self) -> int | None:
        """The rating, 1–5 stars; None if no dimension was scored."""
        return self.rating

    @property
    def accuracy_score(self) -> float | None:
        """Accuracy, 0–100; None if it was not judged."""
        return self._score("accuracy")

    @property
    def brand_alignment_score(self) -> float | None:
        """Brand alignment, 0–100; None if it was not judged."""
        return self._score("brand_alignment")

    @property
    def compliance_score(self) -> float | None:
        """Compliance, 0–100; None if it was not judged."""
        return self._score("compliance")

    @property
    def clarity_score(self) -> float | None:
        """Clarity, 0–100; None if it was not judged."""
        return self._score("clarity")

    @property
    def actionability_score(self) -> float | None:
        """Actionability, 0–100; None if it was not judged."""
        return self._score("actionability")

    def _score(self, dimension: str) -> float | None:
        part = self.dimensions.get(dimension)
        return part.score if part else None


class Review(Record):
    """A person's word on one response; it wins over the judges."""

    response_key: str
    decision: Literal["approve", "reject", "edit"]
    """approve: the judges' rating stands; reject: rating 1; edit: the rating given."""
    rating: int | None = Field(None, ge=1, le=5)
    comment: str = ""
    reviewer: str = ""
    created_at: Moment | None = None
    """When it was given; None: when the ledger keeps it."""
