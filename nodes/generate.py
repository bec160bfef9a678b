"""Node `generate`: makes the next batch of responses and sends each to the judges."""

from pathlib import Path
from typing import Literal

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generation.sampling import Function, Plan, Source, Weights, sample
from rlhf.nodes.services import IN_FLIGHT, Services
from rlhf.state.endpoints import FUNCTION
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.run_report import TrainingStage
from rlhf.state.settings import Settings

BATCH = IN_FLIGHT
"""Responses per pass: one checkpoint holds their ids, and a killed run repeats none of them."""


async def generate(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> Command[Literal["judge", "collect"]]:
    """Generate for the prompts from `position` on; responses that have feedback are not sent again."""
    run = await in_thread(services.run, state["run_id"])
    options = run.settings.pipeline
    size = max(1, BATCH // options.num_variations_per_prompt)
    batch = await in_thread(services.ledger.rounds.prompts, run.run_id, "train", state["position"], size)
    plan = Plan("policy", state["round"], batch, options.num_variations_per_prompt)
    source = await in_thread(source_of_round, services, run, state["round"])
    samples = await sample(services, run, plan, source, get_stream_writer(), "generation")
    made = dict.fromkeys(sample.response_key for sample in samples if sample.response_key)
    judged = await in_thread(services.ledger.rounds.judged, run.run_id, made)
    waiting = [key for key in made if key not in judged]
    return Command(
        update={"position": state["position"] + len(batch)},
        goto=[Send("judge", {"run_id": run.run_id, "response_id": key}) for key in waiting] or "collect",
    )


def source_of_round(services: Services, run: RunRow, round: int) -> Source:
    """Who answers in this round: the policy in the first, the newest adapter afterwards. Blocking."""
    if round == 1 and run.settings.policy.model == FUNCTION:
        return Function(services.functions.get(run.run_id), run.settings.policy.concurrency)
    if round == 1 and not run.settings.policy.is_local:
        return run.settings.policy.endpoint()
    if round == 1:
        return Weights(run.settings.policy.model, starting_adapter(run.settings))
    trained = services.ledger.stage(run.run_id, round - 1, "training", TrainingStage)
    assert trained is not None, "a round begins after the one before it has trained"
    assert trained.adapter_path is not None, "training stores where the adapter is"
    return Weights(run.settings.training.base_model, Path(trained.adapter_path))


def starting_adapter(settings: Settings) -> Path | None:
    """Folder of the adapter the run starts from, if any; InputError if it is not there."""
    from rlhf.training.registry import resolve_adapter

    named = settings.policy.adapter
    return resolve_adapter(named, Path(settings.pipeline.output_dir)) if named else None
