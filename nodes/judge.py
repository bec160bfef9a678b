"""Nodes `judge_*`: one dimension of one response, or all in one call, judged by a crew where no verdict is known."""

from collections.abc import Sequence

from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.crews.requests import ChatMessage, JudgeReply, JudgeRequest, ModelCall
from rlhf.nodes.judge_version import asked_version, key_of
from rlhf.nodes.panel import evidence_for, pack_for, settings_of
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.spans import span, spend
from rlhf.prompts.combined import combined_messages
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.messages import judge_messages
from rlhf.state.endpoints import Endpoint
from rlhf.state.graph_state import JudgeState, RunContext
from rlhf.state.keys import derived_seed
from rlhf.state.records import ResponseRow, Usage, Verdict
from rlhf.state.settings import JudgeSettings, Settings


async def judge(
    state: JudgeState, runtime: Runtime[RunContext], *, services: Services, dimension: str
) -> JudgeState:
    """Reach a verdict on one dimension; a failed judgement is kept as a failed verdict.

    Raises EndpointError when the endpoint cannot serve any judgement at all.
    """
    return await _reached(state, runtime, services, [dimension])


async def judge_combined(
    state: JudgeState, runtime: Runtime[RunContext], *, services: Services
) -> JudgeState:
    """Reach the verdicts on all dimensions in one call, or on those that `route` did not find; as `judge`."""
    return await _reached(state, runtime, services, DIMENSIONS)


async def _reached(
    state: JudgeState, runtime: Runtime[RunContext], services: Services, dimensions: Sequence[str]
) -> JudgeState:
    missing = [dimension for dimension in dimensions if dimension not in state["verdicts"]]
    if not missing:
        return {}
    settings = await in_thread(settings_of, services, state, runtime)
    response = await in_thread(services.response, state["response_id"])
    request = await in_thread(_question, services, response, missing, settings)
    keys = {}
    for dimension, reply in (await _asked(services, request)).items():
        verdict = _verdict(reply, response, dimension, settings.judge)
        await in_thread(services.ledger.add_verdict, state.get("run_id"), verdict)
        keys[dimension] = verdict.key
    return {"verdicts": keys}


async def _asked(services: Services, request: JudgeRequest) -> dict[str, JudgeReply]:
    """The crew's replies. Crews work in other processes: a trace is told here what they did."""
    pool = await in_thread(lambda: services.pool)
    asked = {"dimensions", "role", "goal", "style", "combined", "reasoning", "samples"}
    with span(f"crew {request.name}", lambda: request.model_dump(include=asked)) as crew:
        heard: list[ModelCall] | None = [] if crew.run else None
        try:
            replies = await pool.judge_all(request, heard)
        finally:
            for call in heard or ():
                crew.model_call(call, request.endpoint)
        usage = sum((reply.usage for reply in replies.values()), Usage())
        spend(usage)
        told = {name: reply.model_dump(mode="json") for name, reply in replies.items()}
        errors = [f"{name}: {reply.error}" for name, reply in replies.items() if reply.error]
        crew.end(
            told if request.combined else told[request.name],
            "; ".join(errors) if request.combined else replies[request.name].error,
            usage=usage.model_dump(),
        )
        return replies


def _question(
    services: Services, response: ResponseRow, dimensions: Sequence[str], settings: Settings
) -> JudgeRequest:
    return _request(response, dimensions, settings.judge, services.judge_endpoint(settings))


def _request(
    response: ResponseRow, dimensions: Sequence[str], judge: JudgeSettings, endpoint: Endpoint
) -> JudgeRequest:
    pack = pack_for(response.task_type)
    evidence = evidence_for(pack, response)
    about = (response.asked, response.text, response.context)
    if judge.mode == "combined":
        findings = {dimension: evidence[dimension].told for dimension in dimensions}
        messages = combined_messages(pack, *about, findings, judge.reasoning)
    else:
        [dimension] = dimensions
        messages = judge_messages(
            pack,
            dimension,
            *about,
            evidence[dimension].told,
            style=judge.style,
            reasoning=judge.reasoning,
        )
    return JudgeRequest(
        response_key=response.key,
        dimensions=list(dimensions),
        role=pack.persona.role,
        goal=pack.persona.goal,
        backstory=pack.persona.backstory,
        messages=[ChatMessage.model_validate(message) for message in messages],
        endpoint=endpoint,
        style=judge.style,
        combined=judge.mode == "combined",
        reasoning=judge.reasoning,
        samples=judge.samples,
        seed=derived_seed(response.key, *dimensions),
    )


def _verdict(reply: JudgeReply, response: ResponseRow, dimension: str, judge: JudgeSettings) -> Verdict:
    return Verdict(
        **dict(reply),
        key=key_of(response, dimension, judge),
        response_key=response.key,
        dimension=dimension,
        model=judge.model,
        rubric_version=pack_for(response.task_type).version,
        template_version=asked_version(judge, response),
    )
