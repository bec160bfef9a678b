"""The graphs' state: a persisted format, so it stays small — ids, counters and decisions, never texts."""

import operator
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NotRequired

from langgraph.channels import EphemeralValue
from pydantic import BaseModel, ConfigDict, Field, ValidationError, with_config

# Pydantic, which derives the JSON schemas Studio shows, needs this TypedDict before Python 3.12.
from typing_extensions import TypedDict

from rlhf.state.choices import by_section
from rlhf.state.errors import SettingsError, first_mistake
from rlhf.state.field_docs import describe_fields
from rlhf.state.settings import GateMode, ReviewMode, Settings

STATE_VERSION = 1

_described = with_config(ConfigDict(json_schema_extra=describe_fields))


class RunContext(BaseModel):
    """What a client may choose for a run. Endpoints, keys and paths are the operator's alone."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=describe_fields)

    task_type: str | None = Field(default=None, examples=["budgeting"])
    """Rubric pack to judge by, such as budgeting."""
    weights: dict[str, float] | None = Field(
        default=None,
        examples=[
            {
                "accuracy": 0.3,
                "brand_alignment": 0.2,
                "compliance": 0.2,
                "clarity": 0.15,
                "actionability": 0.15,
            }
        ],
    )
    """Weight per dimension; all five, summing to 1."""
    min_score_acceptable: float | None = Field(
        default=None, examples=[70], json_schema_extra={"minimum": 0, "maximum": 100}
    )
    """Acceptance threshold, 0–100."""
    min_rating_chosen: int | None = Field(
        default=None, examples=[4], json_schema_extra={"minimum": 1, "maximum": 5}
    )
    """Lowest rating (1–5) of a chosen response."""
    max_rating_rejected: int | None = Field(
        default=None, examples=[2], json_schema_extra={"minimum": 1, "maximum": 5}
    )
    """Highest rating (1–5) of a rejected response."""
    selection: Literal["threshold", "margin"] | None = Field(default=None, examples=["margin"])
    """How pairs are selected."""
    min_margin: float | None = Field(
        default=None, examples=[10], json_schema_extra={"minimum": 0, "maximum": 100}
    )
    """Points between chosen and rejected (margin selection)."""
    review: ReviewMode | None = Field(default=None, examples=["uncertain"])
    """Which responses a person sees: uncertain, all or off."""
    audit_fraction: float | None = Field(
        default=None, examples=[0.1], json_schema_extra={"minimum": 0, "maximum": 1}
    )
    """Random share of responses a person sees, 0–1."""
    rounds: int | None = Field(default=None, examples=[1], json_schema_extra={"minimum": 1})
    """Rounds of generate, judge, train."""
    training_gate: GateMode | None = Field(default=None, examples=["ask"])
    """ask: a person approves training; auto: nobody."""
    deployment_gate: GateMode | None = Field(default=None, examples=["ask"])
    """ask: a person approves deployment; auto: nobody."""

    def applied_to(self, settings: Settings) -> Settings:
        """The operator's settings with the client's choices; SettingsError names the wrong one."""
        changes = by_section(self.model_dump())
        return settings.replace(changes, "context") if changes else settings


def as_context(value: object) -> RunContext:
    """The run's context as a RunContext, in whatever form it came; SettingsError if it is wrong."""
    if isinstance(value, RunContext):
        return value
    try:
        return RunContext.model_validate(value or {})
    except ValidationError as error:
        raise SettingsError(f"context: {first_mistake(error, 'the context')}.") from error


def unknown_context(context: Mapping[str, object]) -> str:
    """What is wrong with the names in a context, in one line; empty if all are known.

    The server drops what the schema does not name before a graph sees it: a misspelt key would be ignored.
    """
    unknown = sorted(set(context) - set(RunContext.model_fields))
    if not unknown:
        return ""
    near = get_close_matches(unknown[0], RunContext.model_fields, 1)
    meant = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(RunContext.model_fields)}."
    return f"unknown key {unknown[0][:60]!r}{meant}"


def one_of(left: dict[str, str], right: dict[str, str]) -> dict[str, str]:
    """Merge what parallel nodes report under different names."""
    return {**left, **right}


def either(left: str, right: str) -> str:
    """The newer text: parallel judges may report the run they all belong to."""
    return right or left


_TURNS = [
    {"role": "system", "content": "You plan media for Northpeak."},
    {"role": "user", "content": "Split $100 between Amazon and CVS."},
]


@_described
class JudgeInput(TypedDict):
    """One response to be judged."""

    prompt: Annotated[str, Field(examples=["Split $100 between Amazon and CVS."])]
    """What was asked; left empty where messages are given."""
    messages: NotRequired[Annotated[list[dict[str, str]] | None, Field(default=None, examples=[_TURNS])]]
    """A conversation that was answered, as role and content: a system turn or none, then user and assistant."""
    response: Annotated[str, Field(examples=["Amazon: $60. CVS: $40."])]
    """What was answered."""
    context: NotRequired[Annotated[dict[str, Any], Field(default={}, examples=[{"budget": 100}])]]
    """Facts the answer must respect: brand, retailers, budget, caps, banned and required terms."""
    task_type: NotRequired[Annotated[str, Field(examples=["budgeting"])]]
    """Rubric pack; the context's or the recipe's if left out."""


@_described
class JudgeTask(TypedDict):
    """A response of a run that is in the ledger already: what the pipeline sends to the judge graph."""

    run_id: str
    """Run in the ledger that the response belongs to."""
    response_id: str
    """Key of the response in the ledger."""


@_described
class Judged(TypedDict):
    """A judged response as streams of updates show it. Of the audit's sample nothing is said but that it is judged."""

    response_id: str
    """Key of the response in the ledger."""
    overall_score: float | None
    """Points of 100; None if no dimension was scored."""
    rating: int | None
    """1–5 stars."""
    is_acceptable: bool | None
    """Whether the score reaches the acceptance threshold without a veto."""
    needs_review: bool
    """Whether a person should see it."""


@_described
class JudgedResponse(TypedDict):
    """What the pipeline's judge hands back: the feedback itself is in the ledger."""

    judged: int
    """1: one response more is judged; the pipeline sums it up."""
    last_judged: Judged
    """Which, and what became of it."""


@_described
class JudgeOutput(TypedDict, total=False):
    """The object of `rlhf judge --json` (rlhf.state.records.Feedback)."""

    prompt: str
    """What was asked."""
    turns: list[dict[str, Any]] | None
    """The turns of a prompt that is a conversation; None where it is one question."""
    response: str
    """What was answered."""
    prompt_id: str
    """Key of the prompt in the ledger."""
    response_id: str
    """Key of the response in the ledger."""
    task_type: str
    """Rubric pack the response is judged by."""
    overall_score: float | None
    """Weighted mean over the scored dimensions, 0–100; None if none was scored."""
    raw_overall_score: float | None
    """The score before calibration."""
    calibration: str | None
    """Key of the calibration in the ledger; None where none was applied."""
    rating: int | None
    """1–5 stars; None if no dimension was scored."""
    is_acceptable: bool
    """Whether the score reaches the acceptance threshold without a veto."""
    is_chosen: bool
    """Whether it is acceptable and its rating is one of a chosen response."""
    is_rejected: bool
    """Whether its rating is one of a rejected response."""
    vetoed: bool
    """Whether a dimension with a veto scored so low that the response may not be chosen."""
    confidence: float | None
    """Weighted mean of the scored dimensions' confidence, 0–1; None if there is none."""
    coverage: float
    """Weight of the scored dimensions over the weight of all, 0–1."""
    needs_review: bool
    """Whether a person should see it."""
    review_reasons: list[str]
    """Why, a line each."""
    in_audit: bool
    """Whether it was drawn at random for people to audit the judges."""
    weaknesses: list[str]
    """What judges and checks found wanting."""
    strengths: list[str]
    """What judges and checks found good."""
    dimensions: dict[str, Any]
    """By dimension, with score, confidence, rationale and evidence (rlhf.state.records.DimensionFeedback)."""
    label: dict[str, Any] | None
    """None: people's labels are merged in later."""


@_described
class JudgeState(JudgeOutput, total=False):
    """State of the judge graph: its output and what leads to it."""

    context: Annotated[dict[str, Any], EphemeralValue]
    """Input facts; moved to the ledger by `route`."""
    messages: Annotated[list[dict[str, str]] | None, EphemeralValue]
    """The input's conversation; moved to the ledger by `route`."""
    run_id: str
    """The run the response belongs to; absent for a single judgement."""
    verdicts: Annotated[dict[str, str], one_of]
    """Verdict key per dimension."""
    feedback: dict[str, Any]
    """The aggregated feedback on its way from `aggregate` to `accept`."""
    judged: int
    """1 once the feedback is in the ledger; the pipeline sums it up."""
    last_judged: Judged
    """What became of the response, for streams of updates."""


@_described
class Row(TypedDict):
    """A prompt, as a row of a prompts file."""

    prompt: str
    """What the model is asked; left empty where messages are given."""
    messages: NotRequired[list[dict[str, str]] | None]
    """A conversation to go on with, as role and content; its last turn is the user's."""
    context: NotRequired[dict[str, Any]]
    """Facts the answer must respect: brand, retailers, budget, caps, banned and required terms."""
    task_type: NotRequired[str]
    """Rubric pack; the context's or the recipe's if left out."""
    id: NotRequired[str]
    """Your own name for it, once per run."""


_ROW: Row = {
    "prompt": "Split a $2M budget between Amazon and Walmart and explain.",
    "context": {"budget": 2_000_000, "retailers": ["Amazon", "Walmart"]},
    "task_type": "budgeting",
    "id": "q1",
}


@_described
class PipelineInput(TypedDict):
    """The prompts of a run, as rows of a prompts file, and the name of the adapter to train."""

    prompts: NotRequired[Annotated[list[Row], Field(default=[_ROW], examples=[[_ROW]])]]
    """Rows with `prompt`, optional `context`, `task_type`, `id`; left out for a registered run."""
    adapter_name: NotRequired[Annotated[str, Field(default="adapter", examples=["budgeting"])]]
    """Name the adapter is deployed under."""


@_described
class Tally(TypedDict):
    """A round's feedback in figures, so that a pass reads the new batch alone."""

    round: int
    """Round it is about."""
    position: int
    """Training prompts it covers, from the first on."""
    judged: int
    """Responses with feedback."""
    scored: int
    """Those with an overall score."""
    total: float
    """The sum of their scores."""


@_described
class PipelineState(TypedDict, total=False):
    """State of the pipeline graph."""

    prompts: Annotated[list[dict[str, Any]], EphemeralValue]
    """Input rows; moved to the ledger by `prepare` and not kept in the state."""
    adapter_name: str
    """Name the adapter is deployed under."""
    state_version: int
    """Format of this state."""
    run_id: Annotated[str, either]
    """Run in the ledger, for clients: the nodes take it from the thread."""
    round: int
    """Current round, from 1."""
    position: int
    """Training prompts of this round that have been sent to generation."""
    judged: Annotated[int, operator.add]
    """Responses judged so far, over all rounds."""
    last_judged: Annotated[Judged, EphemeralValue(Judged, guard=False)]
    """A response that was judged in this step, for streams of updates; gone with the step."""
    tally: Tally
    """What `collect` has counted of the current round."""
    training: Literal["approved", "rejected"]
    """Decision of the training gate in this round."""
    training_by: str
    """Who decided it; empty if not known."""
    deployment: Literal["approved", "rejected"]
    """Decision of the deployment gate in this round."""
    deployment_by: str
    """Who decided it; empty if not known."""
    complaint: str
    """Why the newest answer of a person was not taken; empty if it was."""
    status: str
    """running, waiting, finished or failed."""
    note: str
    """One line for people: why the run stopped where it did."""
    answered: bool
    """False: a run that has ended asks nobody."""
    stages: dict[str, Any]
    """Results per stage, as in `rlhf show --json`."""
    usage: dict[str, int]
    """Calls and tokens spent."""


@_described
class PipelineOutput(TypedDict, total=False):
    """What a finished run returns: the shape of `rlhf show --json` (rlhf.state.run_report.RunReport)."""

    run_id: str
    """Run in the ledger; the same as the thread's id."""
    status: str
    """finished, or why there is no more to come."""
    adapter_name: str
    """Name the adapter is deployed under."""
    round: int
    """Newest round, from 1."""
    note: str
    """One line for people: why the run stopped where it did."""
    answered: bool
    """False: a run that has ended asks nobody."""
    stages: dict[str, Any]
    """Results per stage of the newest round (rlhf.state.run_report.Stages)."""
    usage: dict[str, int]
    """Calls and tokens spent (rlhf.state.records.Usage)."""
    last_judged: NotRequired[Annotated[Judged, Field(title="Last Judged")]]
    """In streams of updates: a response that was just judged. A finished run has none."""
