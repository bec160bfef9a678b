"""Node `accept`: what the score means: rating, acceptance, choice, and whether a person must look."""

from typing import Any

from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.panel import pack_for, settings_of
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.context import current
from rlhf.nodes.tracing.scores import score
from rlhf.nodes.tracing.spans import annotate, graph_run
from rlhf.state.graph_state import Judged, JudgeState, RunContext
from rlhf.state.keys import derived_seed
from rlhf.state.ledger.traces import Trace
from rlhf.state.records import AUDIT, Feedback
from rlhf.state.scores import rating_of
from rlhf.state.settings import AcceptanceSettings, Settings


async def accept(state: JudgeState, runtime: Runtime[RunContext], *, services: Services) -> dict[str, Any]:
    """Decide on the feedback; a run's is kept in the ledger, a single one is the graph's output."""
    settings = await in_thread(settings_of, services, state, runtime)
    feedback = accepted(Feedback.model_validate(state["feedback"]), settings, state["response_id"])
    run_id = state.get("run_id")
    if current() is not None:
        await _keep_trace(services, run_id, state["response_id"])
        version = (await in_thread(pack_for, feedback.task_type)).version
        annotate(task_type=feedback.task_type, rubric_version=version, judge=settings.judge.model)
        score(feedback, settings.judge.model, version)
    if run_id:
        await in_thread(lambda: services.ledger.add_feedback(run_id, state["response_id"], feedback))
        return {"judged": 1, "last_judged": told_of(state["response_id"], feedback)}
    return {"feedback": {}, **feedback.model_dump(mode="json")}


def told_of(response_id: str, feedback: Feedback) -> Judged:
    """What clients may see of a response while people are still to be asked about it."""
    blind = feedback.in_audit
    return {
        "response_id": response_id,
        "overall_score": None if blind else feedback.overall_score,
        "rating": None if blind else feedback.rating,
        "is_acceptable": None if blind else feedback.is_acceptable,
        "needs_review": feedback.needs_review,
    }


async def _keep_trace(services: Services, run_id: str | None, response_id: str) -> None:
    """Keep which trace shows how the response was judged."""
    if (run := graph_run()) is not None:
        trace = Trace(
            trace_id=str(run.trace_id), trace_run_id=str(run.id), project=run.session_name or "default"
        )
        await in_thread(lambda: services.ledger.traces.add(run_id, response_id, trace))


def accepted(feedback: Feedback, settings: Settings, response_id: str) -> Feedback:
    """The feedback with rating (1–5, a fifth of the scale each), acceptance and reasons for review."""
    if feedback.overall_score is None:
        asks = settings.review.mode != "off"
        return feedback.model_copy(
            update={"needs_review": asks, "review_reasons": ["no dimension was scored"]}
        )
    reasons = review_reasons(feedback, settings, response_id)
    decided = feedback.model_copy(
        update={
            "needs_review": bool(reasons),
            "review_reasons": reasons,
            "in_audit": in_audit(settings, response_id),
        }
    )
    return rated(decided, feedback.overall_score, settings.acceptance)


def rated(feedback: Feedback, score: float, rules: AcceptanceSettings) -> Feedback:
    """The feedback with this overall score (0–100) and the rating, acceptance and choice that follow from it."""
    rating = rating_of(score)
    acceptable = score >= rules.min_score_acceptable and not feedback.vetoed
    return feedback.model_copy(
        update={
            "overall_score": score,
            "rating": rating,
            "is_acceptable": acceptable,
            "is_chosen": acceptable and rating >= rules.min_rating_chosen,
            "is_rejected": rating <= rules.max_rating_rejected,
        }
    )


def review_reasons(feedback: Feedback, settings: Settings, response_id: str) -> list[str]:
    """Why a person should see this response; empty if nobody has to."""
    rules = settings.review
    if rules.mode == "off":
        return []
    if rules.mode == "all":
        return ["every response is reviewed"]
    reasons = []
    if missing := [name for name, part in feedback.dimensions.items() if part.status == "failed"]:
        reasons.append(f"not judged: {', '.join(missing)}")
    threshold = settings.acceptance.min_score_acceptable
    if feedback.overall_score is not None and abs(feedback.overall_score - threshold) < rules.score_band:
        reasons.append(f"score {feedback.overall_score:.0f} is near the threshold {threshold:.0f}")
    if feedback.confidence is not None and feedback.confidence < rules.min_confidence:
        reasons.append(f"confidence {feedback.confidence:.2f} is low")
    if in_audit(settings, response_id):
        reasons.append(AUDIT)
    return reasons


def in_audit(settings: Settings, response_id: str) -> bool:
    """Whether the response is in the random sample that people see whatever its score.

    It depends on the response and the seed alone: the sample is fixed before any score. Where people see
    everything, or nothing, none is drawn.
    """
    rules = settings.review
    drawn = derived_seed(settings.pipeline.seed, response_id, "audit") < rules.audit_fraction * 2**31
    return rules.mode == "uncertain" and drawn
