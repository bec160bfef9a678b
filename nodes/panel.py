"""What every judge of a panel shares: settings, rubric pack, and the evidence found in the response."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import together
from rlhf.nodes.services import IN_FLIGHT, Services
from rlhf.prompts.rubric import RubricError, RubricPack, load_pack
from rlhf.state.errors import InputError
from rlhf.state.graph_state import JudgeState, RunContext, as_context
from rlhf.state.records import ResponseRow
from rlhf.state.settings import Settings

if TYPE_CHECKING:
    from rlhf.nodes.evidence import DimensionEvidence


def settings_of(services: Services, state: JudgeState, runtime: Runtime[RunContext]) -> Settings:
    """The settings to judge by: the run's, or the operator's with the client's choices. Blocking."""
    if run_id := state.get("run_id"):
        return services.run(run_id).settings
    return services.chosen(as_context(runtime.context).model_dump_json())


@lru_cache(maxsize=64)
def pack_for(task_type: str) -> RubricPack:
    """The rubric pack, read once per process; InputError says what is wrong with it. Blocking."""
    from rlhf.nodes.evidence import known_checks

    try:
        return load_pack(task_type, known_checks=known_checks())
    except RubricError as error:
        raise InputError(str(error)) from error


def evidence_for(pack: RubricPack, response: ResponseRow) -> Mapping[str, "DimensionEvidence"]:
    """Graded checks per dimension. Computed once for the five judges of a response."""
    return _evidence(_Read(pack.version, response.key, pack, response))


@dataclass(frozen=True)
class _Read:
    """A response to be read by a pack; the two keys stand for it."""

    pack_version: str
    response_key: str
    pack: RubricPack = field(compare=False)
    response: ResponseRow = field(compare=False)


@lru_cache(maxsize=2 * IN_FLIGHT)
def _evidence(read: _Read) -> Mapping[str, "DimensionEvidence"]:
    from rlhf.nodes.evidence import collect_evidence, grade_checks

    pack, response = read.pack, read.response
    evidence = collect_evidence(response.prompt, response.text, response.context, pack.anchors)
    return grade_checks(pack, evidence)


Panel = CompiledStateGraph[Any, RunContext, Any, Any]
"""The judge graph as a run uses it."""


async def judge_responses(
    panel: Panel, run_id: str, keys: Sequence[str], tell: Callable[[int], None], run_name: str | None = None
) -> None:
    """Send a run's responses through the panel, which keeps its feedback; `tell` hears how many are done.

    At most IN_FLIGHT at once; what reaches the endpoint at once is judge.concurrency. What is scored already is
    found in the ledger. Raises EndpointError when no judgement can be served at all.
    """
    room, done = asyncio.Semaphore(IN_FLIGHT), 0

    async def one(key: str) -> None:
        nonlocal done
        async with room:
            await panel.ainvoke(
                {"run_id": run_id, "response_id": key}, {"run_name": run_name} if run_name else None
            )
        done += 1
        tell(done)

    await together(one(key) for key in keys)
