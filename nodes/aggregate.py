"""Node `aggregate`: five verdicts and the evidence become one weighted score with coverage and vetoes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.judge_version import calibration_for
from rlhf.nodes.panel import evidence_for, pack_for, settings_of
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.rubric import RubricPack
from rlhf.state.graph_state import JudgeState, RunContext
from rlhf.state.measures import Calibration, ScoreMap
from rlhf.state.records import DimensionFeedback, EvidenceNote, Feedback, ResponseRow, Verdict
from rlhf.state.scores import blended, rounded, through_map, weighted_mean
from rlhf.state.settings import Settings

VETO_BELOW = 40.0
"""A veto dimension scored under this many points of 100 forbids choosing the response."""


class Graded(Protocol):
    """What the checks say about a dimension, graded just now or kept with an earlier feedback."""

    @property
    def score(self) -> float | None: ...
    @property
    def cap(self) -> float | None: ...
    @property
    def notes(self) -> list[EvidenceNote]: ...


async def aggregate(state: JudgeState, runtime: Runtime[RunContext], *, services: Services) -> JudgeState:
    """Combine the verdicts; needs no model call."""
    feedback = await in_thread(_feedback, services, state, runtime)
    return {"feedback": feedback.model_dump(mode="json")}


def _feedback(services: Services, state: JudgeState, runtime: Runtime[RunContext]) -> Feedback:
    settings = settings_of(services, state, runtime)
    response = services.response(state["response_id"])
    verdicts = {
        verdict.dimension: verdict for verdict in services.ledger.verdicts(state["verdicts"].values())
    }
    pack = pack_for(response.task_type)
    calibration = calibration_for(services, state.get("run_id"), response.task_type, settings)
    return aggregate_verdicts(response, verdicts, evidence_for(pack, response), pack, settings, calibration)


def aggregate_verdicts(
    response: ResponseRow,
    verdicts: Mapping[str, Verdict],
    evidence: Mapping[str, Graded],
    pack: RubricPack,
    settings: Settings,
    calibration: Calibration | None = None,
) -> Feedback:
    """Weighted mean over the scored dimensions (0–100), coverage and confidence as shares of weight (0–1).

    A failed dimension gives no number: it lowers coverage and nothing is put in its place. The maps of
    `calibration` (rlhf.nodes.judge_version) come after evidence and its caps; no map lifts a cap or a veto.
    """
    weights = settings.acceptance.weights or pack.weights
    dimensions = {
        name: _calibrated(
            _dimension(verdicts.get(name), evidence[name], settings.judge.evidence_weight),
            calibration.dimensions.get(name) if calibration else None,
        )
        for name in DIMENSIONS
    }
    scored = {name: part for name, part in dimensions.items() if part.score is not None}
    scores = {name: part.score or 0.0 for name, part in scored.items()}
    raw = {name: scores[name] if part.raw_score is None else part.raw_score for name, part in scored.items()}
    overall_map = calibration.overall_map(weights) if calibration else None
    overall = weighted_mean(scores, weights, overall_map)
    mapped = any(part.raw_score is not None for part in scored.values())
    changed = mapped or (overall is not None and overall_map is not None)
    told = [verdicts[name] for name in scored]
    return Feedback(
        prompt=response.prompt,
        turns=response.turns,
        response=response.text,
        prompt_id=response.prompt_key,
        response_id=response.key,
        task_type=response.task_type,
        overall_score=overall,
        raw_overall_score=weighted_mean(raw, weights) if changed else None,
        calibration=calibration.key if calibration and changed else None,
        vetoed=any(
            pack.dimensions[name].veto and min(score, raw[name]) < VETO_BELOW
            for name, score in scores.items()
        ),
        confidence=weighted_mean({name: part.confidence or 0.0 for name, part in scored.items()}, weights),
        coverage=round(min(1.0, sum(weights[name] for name in scored) / sum(weights.values())), 6),
        strengths=_lines((v.strengths for v in told), scored, lambda grade: grade == 1.0),
        weaknesses=_lines((v.weaknesses for v in told), scored, lambda grade: grade < 0.5),
        dimensions=dimensions,
    )


def _dimension(verdict: Verdict | None, evidence: Graded, evidence_weight: float) -> DimensionFeedback:
    notes, score, cap = evidence.notes, evidence.score, evidence.cap
    if verdict is None or verdict.score is None:
        reason = verdict.error if verdict is not None else None
        return DimensionFeedback(
            status="failed",
            error=reason or "not judged",
            evidence=notes,
            evidence_score=score,
            evidence_cap=cap,
        )
    return DimensionFeedback(
        status="scored",
        score=blended(verdict.score, score, evidence_weight, cap),
        confidence=rounded(verdict.confidence),
        rationale=verdict.rationale,
        evidence=notes,
        evidence_score=score,
        evidence_cap=cap,
    )


def _calibrated(part: DimensionFeedback, score_map: ScoreMap | None) -> DimensionFeedback:
    if part.score is None or score_map is None:
        return part
    score = through_map(part.score, score_map, part.evidence_cap)
    return part.model_copy(update={"score": score, "raw_score": part.score})


def _lines(
    told: Iterable[list[str]], scored: Mapping[str, DimensionFeedback], counts: Callable[[float], bool]
) -> list[str]:
    """What the judges said, then the checks whose grade counts; each sentence once."""
    checked = [
        note.sentence
        for part in scored.values()
        for note in part.evidence
        if note.grade is not None and counts(note.grade)
    ]
    return list(dict.fromkeys([line for lines in told for line in lines] + checked))
