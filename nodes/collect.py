"""Node `collect`: after a batch is judged, sends the run to the next prompts or, its quality kept, on to people."""

from typing import Any, Literal

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.quality import keep_round
from rlhf.nodes.report import feedback_stage
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext


async def collect(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["generate", "review"]]:
    """Report the round's feedback so far and choose the way."""
    run_id, round = state["run_id"], state["round"]
    stage = await in_thread(lambda: feedback_stage(services.ledger, run_id, round))
    total = await in_thread(lambda: len(services.ledger.prompts(run_id, "train")))
    score: Any = "no score" if stage.avg_score is None else f"average score {stage.avg_score:.1f}"
    get_stream_writer()(
        {"stage": "feedback", "done": stage.num_feedback, "total": stage.num_feedback, "detail": score}
    )
    if state["position"] < total:
        return Command(goto="generate")
    await in_thread(keep_round, services.ledger, run_id, round)
    return Command(goto="review")
