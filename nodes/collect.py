"""Node `collect`: after a batch is judged, sends the run to the next prompts or, its quality kept, on to people."""

from math import fsum
from typing import Literal

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Command

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.quality import keep_round
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext, Tally
from rlhf.state.ledger import Ledger


async def collect(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["generate", "review"]]:
    """Report the round's feedback so far and choose the way."""
    run_id, round, ledger = state["run_id"], state["round"], services.ledger
    closes = state["position"] >= await in_thread(ledger.rounds.num_prompts, run_id, "train")
    tally = await in_thread(_tally, ledger, state, anew=closes)
    score = f"average score {tally['total'] / tally['scored']:.1f}" if tally["scored"] else "no score"
    done = tally["judged"]
    get_stream_writer()({"stage": "feedback", "done": done, "total": done, "detail": score})
    if not closes:
        return Command(goto="generate", update={"tally": tally})
    await in_thread(keep_round, ledger, run_id, round)
    return Command(goto="review", update={"tally": tally})


def _tally(ledger: Ledger, state: PipelineState, *, anew: bool) -> Tally:
    """The round's feedback in four figures: the last ones and the new batch, or all of it counted `anew`."""
    start = Tally(round=state["round"], position=0, judged=0, scored=0, total=0.0)
    known = state.get("tally", start)
    # Another round's figures, or those of a position that was given up, are no beginning.
    if not anew and known["round"] == state["round"] and known["position"] <= state["position"]:
        start = known
    found = ledger.rounds.scores(
        state["run_id"], state["round"], start["position"], state["position"] - start["position"]
    )
    scores = [score for score in found if score is not None]
    return Tally(
        round=state["round"],
        position=state["position"],
        judged=start["judged"] + len(found),
        scored=start["scored"] + len(scores),
        total=fsum([start["total"], *scores]),
    )
