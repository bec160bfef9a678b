"""Node `route`: puts the response into the ledger and settles which rubric pack and which nodes judge it."""

from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.panel import pack_for, settings_of
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.files.prompts import checked_text, parse_prompt
from rlhf.state.graph_state import JudgeState, RunContext
from rlhf.state.keys import response_key
from rlhf.state.ledger import Ledger


async def route(state: JudgeState, runtime: Runtime[RunContext], *, services: Services) -> JudgeState:
    """Register the response (a pipeline's is in the ledger already) and name its task type.

    Raises InputError for an unusable prompt, response or context and for an unknown task type.
    """
    if "response_id" in state and "run_id" in state:
        row = await in_thread(lambda: services.ledger.response(state["response_id"]))
        return {"task_type": row.task_type}
    settings = await in_thread(settings_of, services, state, runtime)
    task_type = state.get("task_type") or settings.task_type
    response_id = await in_thread(lambda: _register(services.ledger, state, task_type))
    return {"task_type": task_type, "response_id": response_id}


async def chosen_judges(state: JudgeState, runtime: Runtime[RunContext], *, services: Services) -> list[str]:
    """Names of the nodes that judge: one per dimension, or the one that judges them all (judge.mode)."""
    settings = await in_thread(settings_of, services, state, runtime)
    if settings.judge.mode == "combined":
        return ["judge_combined"]
    return [f"judge_{dimension}" for dimension in DIMENSIONS]


def _register(ledger: Ledger, state: JudgeState, task_type: str) -> str:
    pack_for(task_type)
    row = {"prompt": state.get("prompt"), "context": state.get("context") or {}, "task_type": task_type}
    prompt = parse_prompt(row, task_type, "input")
    response = checked_text("input", "response", state.get("response"), may_be_empty=True)
    ledger.add_prompt(prompt)
    response_id = response_key(prompt.key, response)
    ledger.add_responses([(response_id, prompt.key, response)])
    return response_id
