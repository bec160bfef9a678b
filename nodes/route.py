"""Node `route`: puts the response into the ledger and settles its rubric pack and which verdicts are missing."""

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.judge_version import known_verdicts
from rlhf.nodes.panel import pack_for, settings_of
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.spans import spend
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.files.prompts import checked_text, parse_prompt
from rlhf.state.graph_state import JudgeState, RunContext
from rlhf.state.keys import response_key
from rlhf.state.ledger import Ledger
from rlhf.state.records import Usage
from rlhf.state.settings import JudgeSettings


async def route(state: JudgeState, runtime: Runtime[RunContext], *, services: Services) -> dict[str, Any]:
    """Register the response (a pipeline's is in the ledger already), name its task type, find what is judged already.

    Raises InputError for an unusable prompt, response or context and for an unknown task type.
    """
    settings = await in_thread(settings_of, services, state, runtime)
    if "response_id" in state and "run_id" in state:
        response_id = state["response_id"]
    else:
        task_type = state.get("task_type") or settings.task_type
        response_id = await in_thread(_register, services.ledger, state, task_type)
    response = await in_thread(services.response, response_id)
    known = await in_thread(_known, services, state.get("run_id"), response_id, settings.judge)
    if known:
        spend(Usage(cached=len(known)))
    # A thread's last response may have left verdicts of its own.
    return {"task_type": response.task_type, "response_id": response_id, "verdicts": Overwrite(known)}


async def chosen_judges(state: JudgeState, runtime: Runtime[RunContext], *, services: Services) -> list[str]:
    """Names of the nodes that judge: one per dimension, or the one that judges them all (judge.mode)."""
    settings = await in_thread(settings_of, services, state, runtime)
    if settings.judge.mode == "combined":
        return ["judge_combined"]
    return [f"judge_{dimension}" for dimension in DIMENSIONS]


def _known(services: Services, run_id: str | None, response_id: str, judge: JudgeSettings) -> dict[str, str]:
    """Keys of the finished verdicts, where this question was asked before; noted as found in the run's usage."""
    found = known_verdicts(services.ledger, services.response(response_id), DIMENSIONS, judge)
    keys = {dimension: verdict.key for dimension, verdict in found.items()}
    if run_id is not None and keys:
        services.ledger.note_found(run_id, keys.values())
    return keys


def _register(ledger: Ledger, state: JudgeState, task_type: str) -> str:
    pack_for(task_type)
    asked = {"messages": state["messages"]} if state.get("messages") else {"prompt": state.get("prompt")}
    row = {**asked, "context": state.get("context") or {}, "task_type": task_type}
    prompt = parse_prompt(row, task_type, "input")
    response = checked_text("input", "response", state.get("response"), may_be_empty=True)
    ledger.add_prompt(prompt)
    response_id = response_key(prompt.key, response)
    ledger.add_responses([(response_id, prompt.key, response)])
    return response_id
