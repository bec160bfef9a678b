"""What every judge of a panel shares: settings, rubric pack, and the evidence found in the response."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from langgraph.runtime import Runtime

from rlhf.nodes.services import Services
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
    return as_context(runtime.context).applied_to(services.settings)


@lru_cache(maxsize=64)
def pack_for(task_type: str) -> RubricPack:
    """The rubric pack, read once per process; InputError says what is wrong with it. Blocking."""
    from rlhf.nodes.evidence import known_checks

    try:
        return load_pack(task_type, known_checks=known_checks())
    except RubricError as error:
        raise InputError(str(error)) from error


_recent: dict[tuple[str, str], Mapping[str, "DimensionEvidence"]] = {}
_RECENT_LIMIT = 256


def evidence_for(pack: RubricPack, response: ResponseRow) -> Mapping[str, "DimensionEvidence"]:
    """Graded checks per dimension. Computed once for the five judges of a response, then soon forgotten."""
    from rlhf.nodes.evidence import collect_evidence, grade_checks

    key = (pack.version, response.key)
    if key not in _recent:
        if len(_recent) >= _RECENT_LIMIT:
            _recent.clear()
        evidence = collect_evidence(response.prompt, response.text, response.context, pack.anchors)
        _recent[key] = grade_checks(pack, evidence)
    return _recent[key]
