"""Node `evaluate`: baseline against adapter on the held-out prompts, judged by the same panel."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from rlhf.nodes.baselines import Side, contestants
from rlhf.nodes.canaries import Ask, run_canaries
from rlhf.nodes.clusters import near_duplicates
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generation.sampling import sample
from rlhf.nodes.panel import Panel, judge_responses
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.records import PromptRow, SampleRow
from rlhf.state.run_report import EvaluationStage, Gain, SplitStage
from rlhf.training.statistics.comparison import Comparison, Scored, compare, decide


async def evaluate(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services, panel: Panel
) -> PipelineState:
    """Sample the models, judge what is not judged yet, hold the judge against canaries, and decide ship or hold.

    The baseline is what serves now: the champion of the adapter's name, or without one what the run started from.
    Where the two differ, the adapter is compared with both, and has to beat the champion.
    """
    run, round = await in_thread(services.run, state["run_id"]), state["round"]
    prompts = await in_thread(lambda: services.ledger.prompts(run.run_id, "held_out"))
    ask = partial(_judge_missing, services, run, panel)
    if prompts:
        result = await _proved(services, run, round, prompts, ask)
    else:
        canaries, objections = await run_canaries(services, run, ask)
        reasons = [await in_thread(_nothing_held_out, services, run), *objections]
        result = EvaluationStage(verdict="hold", reasons=reasons, canaries=canaries)
    result = result.model_copy(update={"self_judged": run.settings.self_judged})
    await in_thread(lambda: services.ledger.set_stage(run.run_id, round, "evaluation", result))
    return {}


async def _proved(
    services: Services, run: RunRow, round: int, prompts: Sequence[PromptRow], ask: Ask
) -> EvaluationStage:
    who = await in_thread(contestants, services, run, round, prompts)

    async def answers(side: Side) -> list[SampleRow]:
        return await sample(services, run, side.plan, side.weights, get_stream_writer(), "evaluation")

    start, adapter = await answers(who.start), await answers(who.adapter)
    serving = await answers(who.serving) if who.serving else None
    await ask([row.response_key for row in (*start, *(serving or ()), *adapter) if row.response_key])
    canaries, objections = await run_canaries(services, run, ask)
    clusters = await in_thread(_clusters, prompts)

    def compared(baseline: Sequence[SampleRow]) -> Comparison | None:
        return compare(_judged(services, run, baseline), _judged(services, run, adapter), clusters)

    with_start = await in_thread(compared, start)
    with_serving = with_start if serving is None else await in_thread(compared, serving)
    verdict, reasons = decide(with_serving, [*([who.objection] if who.objection else []), *objections])
    return EvaluationStage(
        verdict=verdict,
        reasons=reasons,
        champion=who.champion.version if who.champion else None,
        against_start=None if serving is None or with_start is None else Gain(**_figures(with_start)),
        canaries=canaries,
        **_figures(with_serving),
    )


def _nothing_held_out(services: Services, run: RunRow) -> str:
    split = services.ledger.stage(run.run_id, 0, "split", SplitStage)
    alike = split is not None and split.num_clusters == 1
    return (
        f"{'the prompts are all nearly alike' if alike else 'no prompts are held out'}, so nothing is proved"
    )


async def _judge_missing(services: Services, run: RunRow, panel: Panel, keys: Sequence[str]) -> None:
    """Send every response without feedback through the panel."""
    judged = await in_thread(services.ledger.rounds.judged, run.run_id, keys)
    waiting = list(dict.fromkeys(key for key in keys if key not in judged))
    write = get_stream_writer()

    def tell(done: int) -> None:
        write({"stage": "evaluation", "done": done, "total": len(waiting), "detail": "judged"})

    await judge_responses(panel, run.run_id, waiting, tell)


def _clusters(prompts: Sequence[PromptRow]) -> dict[str, int]:
    """The held-out prompts' clusters by key: near-duplicates are no further evidence."""
    numbers = near_duplicates([prompt.text for prompt in prompts])
    return {prompt.key: number for prompt, number in zip(prompts, numbers, strict=True)}


def _figures(comparison: Comparison | None) -> dict[str, Any]:
    """The comparison as fields of the stage; none where nothing could be compared."""
    if comparison is None:
        return {}
    return {
        "win_rate": round(comparison.win_rate, 4),
        "delta": round(comparison.overall.delta, 4),
        "ci_low": round(comparison.overall.low, 4),
        "ci_high": round(comparison.overall.high, 4),
        "baseline_score": round(comparison.before, 4),
        "adapter_score": round(comparison.after, 4),
        "num_prompts": comparison.num_prompts,
        "length_ratio": round(comparison.length_ratio, 4),
        "dimensions": {name: round(change.delta, 4) for name, change in comparison.dimensions.items()},
    }


def _judged(services: Services, run: RunRow, samples: Sequence[SampleRow]) -> list[Scored]:
    """The samples as the comparison wants them. A failed sample has no score: it lowers coverage."""
    feedback = services.ledger.feedback(run.run_id, [s.response_key for s in samples if s.response_key])
    return [Scored.of(row.prompt_key, feedback.get(row.response_key or "")) for row in samples]
