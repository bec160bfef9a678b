"""Records of the ledger and the shapes people receive: prompts, verdicts, feedback, the run report."""

from collections.abc import Mapping
from datetime import UTC
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from rlhf.state.conversation import Asked, Turn, asked_of
from rlhf.state.read_only import Record as Record
from rlhf.state.scores import points_of_rating

Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A point in time with its time zone, kept as UTC."""


class PromptRow(Record):
    """One prompt of a run. `split` decides whether it may ever be trained on."""

    key: str
    """Key of the prompt in the ledger: from text, context and task type (rlhf.state.keys.prompt_key)."""
    id: str
    """The user's id, or its position in the file."""
    text: str
    """What is asked; of a conversation the whole of it, each turn under its role."""
    turns: list[Turn] | None = None
    """The turns of a conversation, a system turn or none and then user and assistant in turn, the last the user's;
    None where `text` is the one question."""
    context: dict[str, Any] = Field(default_factory=dict)
    """Facts that a response must respect: brand, retailers, budget, caps, required and banned terms."""
    task_type: str
    """Rubric pack that responses are judged by."""
    split: Literal["train", "held_out"] = "train"
    """train: responses become pairs; held_out: kept for the evaluation, never trained on."""

    @property
    def asked(self) -> Asked:
        """What a policy is asked: the text, or of a conversation its messages."""
        return asked_of(self.text, self.turns)


class ResponseRow(Record):
    """One response together with the prompt it answers: all a judge needs."""

    key: str
    """Key of the response: from the prompt's key and the text (rlhf.state.keys.response_key)."""
    prompt_key: str
    """Key of the prompt that it answers."""
    prompt: str
    """The prompt's text."""
    turns: list[Turn] | None = None
    """The turns of a prompt that is a conversation."""
    context: dict[str, Any]
    """The prompt's context."""
    task_type: str
    """The prompt's rubric pack."""
    text: str
    """What was answered."""

    @property
    def asked(self) -> Asked:
        """What was asked: the text, or of a conversation its messages."""
        return asked_of(self.prompt, self.turns)


class SampleRow(Record):
    """Variation `variation` of the response to a prompt, made by `policy` in `round` of a run."""

    prompt_key: str
    """Key of the prompt that was answered."""
    policy: Literal["policy", "baseline", "adapter", "champion"]
    """policy: a training response. Responses to a held-out prompt: baseline, adapter: before and after training;
    champion: of what served when the adapter was evaluated, where that was none of the others."""
    round: int = Field(ge=0)
    """Round it was made in, from 1; 0 for the baseline, which all rounds share; for a champion the number of its
    version."""
    variation: int = Field(ge=0)
    """Number of this response among those to the same prompt, from 0."""
    response_key: str | None
    """None when generation failed; `error` then says why."""
    error: str | None = None
    """Why generation failed; None where it did not."""
    input_tokens: int = 0
    """Tokens of the prompt as the model counts them."""
    output_tokens: int = 0
    """Tokens of the response as the model counts them."""


class Usage(Record):
    """What was spent: calls made, tokens in and out, and answers found in the ledger instead."""

    calls: int = 0
    """Requests to a model that were made."""
    input_tokens: int = 0
    """Tokens sent."""
    output_tokens: int = 0
    """Tokens received."""
    cached: int = 0
    """Verdicts that were in the ledger already, and cost nothing."""

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


Choice = Literal["a", "b", "tie"]
"""Which of two responses is better."""


class FailureKind(StrEnum):
    """Why a judgement failed."""

    REFUSED = "refused"
    UNPARSABLE = "unparsable"
    OUT_OF_RANGE = "out_of_range"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    ENDPOINT_ERROR = "endpoint_error"
    TOO_LONG = "too_long"
    """The endpoint reads no text of this length; like refused, a fault of the one input."""
    TOO_LARGE = "too_large"
    """The answer went on beyond `max_answer_bytes`."""


class JudgeReply(Record):
    """A verdict as the judge gave it: scored, or failed and then without any number."""

    status: Literal["scored", "failed"]
    """scored, or failed: then there is a `failure` and neither score nor confidence."""
    score: float | None = Field(default=None, ge=0.0, le=100.0)
    """The judge's own score, 0–100: expected level × 20, before evidence is blended in."""
    confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """How sure the judge is, 0–1: 1 − standard deviation of the level ÷ 2.5 (rlhf.nodes.crews.readings)."""
    method: Literal["logprobs", "samples", "level"] | None = None
    """Where the expectation comes from: level log-probabilities, several samples, or the plain level."""
    strengths: list[str] = Field(default_factory=list)
    """What the judge found good, a line each."""
    weaknesses: list[str] = Field(default_factory=list)
    """What the judge found wanting, a line each."""
    rationale: str = ""
    """Why the judge chose its level."""
    failure: FailureKind | None = None
    """Why there is no score; None where there is one."""
    error: str | None = None
    """The failure in one line for people; None where there is none."""
    replaced: int = Field(default=0, ge=0)
    """Characters of the answer that no text may hold (half a surrogate pair, NUL), replaced by U+FFFD."""
    usage: Usage = Usage()
    """What reaching it cost."""


class Verdict(JudgeReply):
    """One judge's answer on one dimension, and what it was asked."""

    key: str
    """From the judge's model, rubric and template version, response and dimension (rlhf.state.keys.verdict_key)."""
    response_key: str
    """Key of the response judged."""
    dimension: str
    """Name of the dimension judged (rlhf.prompts.dimensions)."""
    model: str
    """The judge as `judge.model` names it."""
    rubric_version: str
    """Version of the rubric pack: a hash of its content."""
    template_version: str
    """Version of all that was asked besides the rubric: template, evidence, and the settings that shape the answer."""


class EvidenceNote(Record):
    """One deterministic check as people see it."""

    check: str
    """Name of the check, as in a rubric pack."""
    grade: float | None = Field(default=None, ge=0.0, le=1.0)
    """0 (fails) to 1 (holds); None where the check does not apply."""
    sentence: str
    """What was found, in one sentence: the judge reads the same."""


class DimensionFeedback(Record):
    """A dimension's part of a feedback: judge and evidence blended and capped."""

    status: Literal["scored", "failed"]
    """Whether the judge gave a score."""
    score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Points of 100, evidence blended in, capped and calibrated; None where the judge failed."""
    raw_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """The score before calibration; None where no map was applied."""
    confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """The judge's confidence, 0–1; None where it failed."""
    rationale: str = ""
    """Why the judge chose its level; empty where it failed."""
    error: str | None = None
    """Why there is no score, one line; None where there is one."""
    evidence: list[EvidenceNote] = Field(default_factory=list)
    """The checks of this dimension, those that do not apply included."""
    evidence_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """What the checks alone give; None if none applies, or if an older version wrote this."""
    evidence_cap: float | None = Field(default=None, ge=0.0, le=100.0)
    """The ceiling that a failed check puts on the score; None if there is none."""

    @model_validator(mode="before")
    @classmethod
    def _an_older_failure_has_its_reason_in_the_rationale(cls, body: Any) -> Any:
        if isinstance(body, Mapping) and body.get("status") == "failed" and "error" not in body:
            return {**body, "error": body.get("rationale") or None, "rationale": ""}
        return body


class HumanLabel(Record):
    """One person's rating of one response."""

    response_id: str = Field(min_length=1)
    """Key of the response (rlhf.state.keys.response_key): labels and feedback are matched by it."""
    prompt_id: str = ""
    """Key of the prompt in the ledger; empty if not known."""
    task_type: str = ""
    """Rubric pack it was judged by; empty if not known."""
    prompt: str = ""
    """What was asked; empty if not known."""
    turns: list[Turn] | None = None
    """The turns of a prompt that is a conversation; None where it is one question."""
    response: str = ""
    """What was answered; empty if not known."""
    rating: int = Field(ge=1, le=5)
    """The person's rating, 1–5 stars."""
    comment: str = ""
    """What the person said about it; empty for nothing."""
    reviewer: str = Field(min_length=1)
    """Who rated it."""
    labelled_at: Moment
    """When it was rated."""
    judge_rating: int | None = Field(default=None, ge=1, le=5)
    """The judges' rating of it, where that is known."""


class LabelSource(Record):
    """Who rated a merged feedback, when, and what the judges had said before."""

    rating: int = Field(ge=1, le=5)
    """The rating that counts, 1–5 stars: of several people's the median, of two middle ones the lower."""
    reviewers: list[str]
    """Who rated it."""
    labelled_at: Moment
    """The newest label's time."""
    comment: str = ""
    """What they said about it; empty for nothing."""
    judge_rating: int | None = Field(default=None, ge=1, le=5)
    """The judges' rating before, 1–5; None if they had none."""
    judge_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """The judges' overall score before, points of 100; None if they had none."""


AUDIT: Final = "random audit sample"
"""How people are told that a review has nothing to do with the response. `Feedback.in_audit` is what counts."""


class Feedback(Record):
    """All verdicts of a response, aggregated. Also the object of `rlhf judge --json`."""

    prompt: str
    """What was asked."""
    turns: list[Turn] | None = None
    """The turns of a prompt that is a conversation; None where it is one question."""
    response: str
    """What was answered."""
    prompt_id: str = ""
    """Key of the prompt (with its context and task type) in the ledger."""
    response_id: str = ""
    """Key of the response in the ledger."""
    task_type: str = ""
    """Rubric pack it was judged by."""
    overall_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Weighted mean over the scored dimensions, calibrated; None if none was scored."""
    raw_overall_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """The weighted mean before any calibration; None where no map was applied."""
    calibration: str | None = None
    """Key of the calibration whose maps were applied."""
    rating: int | None = Field(default=None, ge=1, le=5)
    """1–5 stars, a fifth of the scale each (20 points is 2, from 80 on 5); None if no dimension was scored."""
    is_acceptable: bool = False
    """Whether the score reaches acceptance.min_score_acceptable without a veto."""
    is_chosen: bool = False
    """Whether it is acceptable and rated acceptance.min_rating_chosen or better."""
    is_rejected: bool = False
    """Whether it is rated acceptance.max_rating_rejected or worse."""
    vetoed: bool = False
    """Whether a dimension with a veto scored so low that the response may not be chosen."""
    confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """Weighted mean of the scored dimensions' confidence, 0–1; None if there is none."""
    coverage: float = Field(ge=0.0, le=1.0)
    """Weight of the scored dimensions over the weight of all."""
    needs_review: bool = False
    """Whether a person should see it."""
    review_reasons: list[str] = Field(default_factory=list)
    """Why, a line each; empty if nobody has to."""
    in_audit: bool = False
    """Whether the response was drawn at random for people to audit the judges, whatever its score."""
    weaknesses: list[str] = Field(default_factory=list)
    """What the judges found wanting, then the sentences of the checks that failed; each once."""
    strengths: list[str] = Field(default_factory=list)
    """What the judges found good, then the sentences of the checks that hold; each once."""
    dimensions: dict[str, DimensionFeedback]
    """By dimension, all five."""
    label: LabelSource | None = None
    """Set where rating, score and choice are people's (`rlhf.merge`); the dimensions stay the judges'."""

    @model_validator(mode="before")
    @classmethod
    def _an_older_one_is_in_the_audit_by_its_reasons(cls, body: Any) -> Any:
        if (
            isinstance(body, Mapping)
            and "in_audit" not in body
            and AUDIT in (body.get("review_reasons") or ())
        ):
            return {**body, "in_audit": True}
        return body

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

    @property
    def scores(self) -> dict[str, float | None]:
        """Points of 100 per dimension; None where it was not judged."""
        return {name: part.score for name, part in self.dimensions.items()}

    def _score(self, dimension: str) -> float | None:
        part = self.dimensions.get(dimension)
        return part.score if part else None


REVIEW_RESPONSE: Final = "review_response"
"""The action by which a run asks for a review: Studio, Agent Inbox and our own commands know it by this name."""


class Review(Record):
    """A person's word on one response; it wins over the judges."""

    response_key: str
    """Key of the response it is about."""
    decision: Literal["approve", "reject", "edit"]
    """approve: the judges' rating stands; reject: rating 1; edit: the rating given."""
    rating: int | None = Field(default=None, ge=1, le=5)
    """1–5 stars with `edit`; else None."""
    comment: str = ""
    """What the person said about it; empty for nothing."""
    reviewer: str = ""
    """Who answered; empty if not known."""
    created_at: Moment | None = None
    """When it was given; None: when the ledger keeps it."""

    @property
    def own_rating(self) -> int | None:
        """The person's own rating, 1–5, in the place of the judges'; None where they let that one stand."""
        if self.decision == "approve":
            return None
        return 1 if self.rating is None else self.rating

    @property
    def own_score(self) -> float | None:
        """What the own rating is worth, points of 100; None where the judges' score stands."""
        return None if self.own_rating is None else points_of_rating(self.own_rating)
