"""Node `evaluate`: baseline against adapter on the held-out prompts, judged by the same panel."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from rlhf.nodes.canaries import run_canaries
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generate import starting_adapter
from rlhf.nodes.generation.sampling import Plan, Weights, sample
from rlhf.nodes.panel import Panel, judge_responses
from rlhf.nodes.services import Services
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.records import SampleRow
from rlhf.state.run_report import EvaluationStage, TrainingStage
from rlhf.training.statistics.comparison import Scored, compare, decide


async def evaluate(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services, panel: Panel
) -> PipelineState:
    """Sample both models, judge what is not judged yet, hold the judge against canaries, and decide ship or hold.

    The baseline is what the run started from: the base model, with the adapter the recipe starts from.
    """
    run = await in_thread(services.run, state["run_id"])
    prompts = await in_thread(lambda: services.ledger.prompts(run.run_id, "held_out"))
    ask = partial(_judge_missing, services, run, panel)
    if not prompts:
        canaries, objections = await run_canaries(services, run, ask)
        reasons = ["no prompts are held out, so nothing is proved", *objections]
        result = EvaluationStage(verdict="hold", reasons=reasons, canaries=canaries)
    else:
        variations = run.settings.pipeline.num_held_out_variations
        before, after = await in_thread(_contestants, services, run, state["round"])
        plans = Plan("baseline", 0, prompts, variations), Plan("adapter", state["round"], prompts, variations)
        tell = get_stream_writer()
        baseline = await sample(services, run, plans[0], before, tell, "evaluation")
        adapter = await sample(services, run, plans[1], after, tell, "evaluation")
        await ask([row.response_key for row in (*baseline, *adapter) if row.response_key])
        canaries, objections = await run_canaries(services, run, ask)
        compared = await in_thread(_compared, services, run, baseline, adapter, objections)
        result = compared.model_copy(update={"canaries": canaries})
    await in_thread(lambda: services.ledger.set_stage(run.run_id, state["round"], "evaluation", result))
    return {}


def _contestants(services: Services, run: RunRow, round: int) -> tuple[Weights, Weights]:
    trained = services.ledger.stage(run.run_id, round, "training", TrainingStage)
    assert trained is not None, "training comes before evaluation"
    assert trained.adapter_path is not None, "training stores where the adapter is"
    base = run.settings.training.base_model
    return Weights(base, starting_adapter(run.settings)), Weights(base, Path(trained.adapter_path))


async def _judge_missing(services: Services, run: RunRow, panel: Panel, keys: Sequence[str]) -> None:
    """Send every response without feedback through the panel."""
    judged = await in_thread(services.ledger.rounds.judged, run.run_id, keys)
    waiting = list(dict.fromkeys(key for key in keys if key not in judged))
    write = get_stream_writer()

    def tell(done: int) -> None:
        write({"stage": "evaluation", "done": done, "total": len(waiting), "detail": "judged"})

    await judge_responses(panel, run.run_id, waiting, tell)


def _compared(
    services: Services,
    run: RunRow,
    baseline: Sequence[SampleRow],
    adapter: Sequence[SampleRow],
    objections: Sequence[str],
) -> EvaluationStage:
    before, after = (_judged(services, run, samples) for samples in (baseline, adapter))
    comparison = compare(before, after)
    verdict, reasons = decide(comparison, objections)
    if comparison is None:
        return EvaluationStage(verdict=verdict, reasons=reasons)
    return EvaluationStage(
        verdict=verdict,
        reasons=reasons,
        win_rate=round(comparison.win_rate, 4),
        delta=round(comparison.overall.delta, 4),
        ci_low=round(comparison.overall.low, 4),
        ci_high=round(comparison.overall.high, 4),
        baseline_score=round(comparison.before, 4),
        adapter_score=round(comparison.after, 4),
        num_prompts=comparison.num_prompts,
        length_ratio=round(comparison.length_ratio, 4),
        dimensions={name: round(change.delta, 4) for name, change in comparison.dimensions.items()},
    )


def _judged(services: Services, run: RunRow, samples: Sequence[SampleRow]) -> list[Scored]:
    """The samples as the comparison wants them. A failed sample has no score: it lowers coverage."""
    feedback = services.ledger.feedback(run.run_id, [s.response_key for s in samples if s.response_key])
    return [Scored.of(row.prompt_key, feedback.get(row.response_key or "")) for row in samples]
