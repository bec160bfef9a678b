"""Node `prepare`: registers a run — its prompts, its settings, the held-out prompts nobody may train on."""

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services, thread_id
from rlhf.nodes.split import split_prompts
from rlhf.state.errors import InputError
from rlhf.state.files.atomic import checked_name
from rlhf.state.files.prompts import parse_rows
from rlhf.state.graph_state import STATE_VERSION, PipelineState, RunContext, as_context
from rlhf.state.ledger import SERVED, Ledger
from rlhf.state.records import PromptRow
from rlhf.state.settings import PipelineSettings, Settings

DEFAULT_ADAPTER_NAME = "adapter"


async def prepare(state: PipelineState, runtime: Runtime[RunContext], *, services: Services) -> PipelineState:
    """Register the run under the thread's id, or find it registered, as the command line leaves it."""
    run_id = thread_id()
    row = await in_thread(_registered, services, run_id, state, runtime)
    return {"run_id": run_id, "adapter_name": row, "state_version": STATE_VERSION, "round": 1, "position": 0}


def _registered(services: Services, run_id: str, state: PipelineState, runtime: Runtime[RunContext]) -> str:
    """The registered run's adapter name."""
    ledger = services.ledger
    if not ledger.has_run(run_id):
        settings = as_context(runtime.context).applied_to(services.settings)
        rows = parse_rows(_listed(state.get("prompts")), settings.task_type, "prompts")
        name: object = state.get("adapter_name") or DEFAULT_ADAPTER_NAME
        if not isinstance(name, str):
            raise InputError(
                f'adapter_name: a text is expected, such as "{DEFAULT_ADAPTER_NAME}", not {_kind(name)}.'
            )
        register_run(ledger, settings, run_id, name, rows, SERVED)
    ledger.set_run(run_id, round=1)
    return services.run(run_id).adapter_name


def check_size(rows: Sequence[PromptRow], limits: PipelineSettings) -> None:
    """Refuse more prompts, or longer ones, than the operator lets a run have (InputError)."""
    if len(rows) > limits.max_prompts:
        raise InputError(
            f"There are {len(rows):,} prompts, and pipeline.max_prompts is {limits.max_prompts:,}: "
            "leave some out, or raise it in the recipe."
        )
    longest = max(rows, key=lambda row: len(row.text), default=None)
    if longest is not None and len(longest.text) > limits.max_prompt_chars:
        raise InputError(
            f"A prompt has {len(longest.text):,} characters ({longest.text[:40]!r} …), and "
            f"pipeline.max_prompt_chars is {limits.max_prompt_chars:,}: shorten it, or raise it in the recipe."
        )


def _listed(prompts: object) -> list[dict[str, Any]]:
    """A client's prompts, which may be anything."""
    if prompts is not None and not isinstance(prompts, list):
        raise InputError(
            f'prompts: a list of rows is expected, such as [{{"prompt": "…"}}], not {_kind(prompts)}.'
        )
    return prompts or []


def _kind(value: object) -> str:
    return {"dict": "an object", "str": "a text", "bool": "true or false", "list": "a list"}.get(
        type(value).__name__, "a number"
    )


def register_run(
    ledger: Ledger, settings: Settings, run_id: str, adapter_name: str, rows: Sequence[PromptRow], source: str
) -> None:
    """Write the run and its prompts to the ledger, held-out prompts marked.

    Raises InputError for unusable names or rubric packs, for an existing run id and for too few or too many prompts.
    """
    check_size(rows, settings.pipeline)
    checked_name(run_id, "Run id")
    checked_name(adapter_name, "Adapter name")
    for task_type in sorted({row.task_type for row in rows}):
        pack_for(task_type)
    used, split = split_prompts(rows, settings)
    ledger.create_run(run_id, adapter_name, settings, source, used, split)
