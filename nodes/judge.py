"""Nodes `judge_*`: one dimension of one response, judged by its crew or found in the ledger."""

from langgraph.runtime import Runtime

from nodes.crews.requests import ChatMessage, JudgeReply, JudgeRequest, ModelCall
from nodes.panel import evidence_for, pack_for, settings_of
from nodes.services import Services, in_thread
from nodes.spans import span, spend
from prompts.messages import TEMPLATE_VERSION, judge_messages
from state.endpoints import Endpoint
from state.graph_state import JudgeState, RunContext
from state.keys import derived_seed, verdict_key
from state.records import ResponseRow, Usage, Verdict
from state.settings import JudgeSettings, Settings


async def judge(
    state: JudgeState, runtime: Runtime[RunContext], *, services: Services, dimension: str
) -> JudgeState:
    """Reach a verdict on one dimension; a failed judgement is kept as a failed verdict.

    Raises EndpointError when the endpoint cannot serve any judgement at all.
    """
    known = await in_thread(_known, services, state, runtime, dimension)
    if known is not None:
        spend(Usage(cached=1))
        return {"verdicts": {dimension: known.key}}
    response, request, settings = await in_thread(_question, services, state, runtime, dimension)
    reply = await _asked(services, request)
    spend(reply.usage)
    verdict = _verdict(reply, response, dimension, settings.judge)
    await in_thread(lambda: services.ledger.add_verdict(state.get("run_id"), verdict, cached=False))
    return {"verdicts": {dimension: verdict.key}}


async def _asked(services: Services, request: JudgeRequest) -> JudgeReply:
    """The crew's reply. Crews work in other processes: a trace is told here what they did."""
    pool = await in_thread(lambda: services.pool)
    asked = {"dimension", "role", "goal", "style", "reasoning", "samples"}
    with span(f"crew {request.dimension}", lambda: request.model_dump(include=asked)) as crew:
        heard: list[ModelCall] | None = [] if crew.run else None
        try:
            reply = await pool.judge(request, heard)
        finally:
            for call in heard or ():
                crew.model_call(call, request.endpoint)
        crew.end(reply.model_dump(mode="json"), reply.error, usage=reply.usage.model_dump())
        return reply


def _known(
    services: Services, state: JudgeState, runtime: Runtime[RunContext], dimension: str
) -> Verdict | None:
    """The finished verdict, if this question was asked before; noted as found in the run's usage."""
    settings = settings_of(services, state, runtime)
    response = services.ledger.response(state["response_id"])
    known = services.ledger.verdict(key_of(response, dimension, settings.judge))
    if known is not None:
        services.ledger.add_verdict(state.get("run_id"), known, cached=True)
    return known


def _question(
    services: Services, state: JudgeState, runtime: Runtime[RunContext], dimension: str
) -> tuple[ResponseRow, JudgeRequest, Settings]:
    settings = settings_of(services, state, runtime)
    response = services.ledger.response(state["response_id"])
    endpoint = services.judge_endpoint(settings)
    return response, _request(response, dimension, settings.judge, endpoint), settings


def key_of(response: ResponseRow, dimension: str, judge: JudgeSettings) -> str:
    """The verdict's key: the same question to the same model always has the same one."""
    return verdict_key(
        judge.model, pack_for(response.task_type).version, template_version(judge), response.key, dimension
    )


def template_version(judge: JudgeSettings) -> str:
    """Version of what is asked: template, evidence, and the settings that shape the answer."""
    from nodes.evidence import EVIDENCE_VERSION

    asked = (
        judge.style,
        "reasoning" if judge.reasoning else "level",
        f"t{judge.temperature:g}",
        f"k{judge.samples}",
    )
    return "/".join((TEMPLATE_VERSION, EVIDENCE_VERSION, *asked))


def _request(response: ResponseRow, dimension: str, judge: JudgeSettings, endpoint: Endpoint) -> JudgeRequest:
    pack = pack_for(response.task_type)
    messages = judge_messages(
        pack,
        dimension,
        response.prompt,
        response.text,
        response.context,
        evidence_for(pack, response)[dimension].told,
        style=judge.style,
        reasoning=judge.reasoning,
    )
    return JudgeRequest(
        response_key=response.key,
        dimension=dimension,
        role=pack.persona.role,
        goal=pack.persona.goal,
        backstory=pack.persona.backstory,
        messages=[ChatMessage.model_validate(message) for message in messages],
        endpoint=endpoint,
        style=judge.style,
        reasoning=judge.reasoning,
        samples=judge.samples,
        seed=derived_seed(response.key, dimension),
    )


def _verdict(reply: JudgeReply, response: ResponseRow, dimension: str, judge: JudgeSettings) -> Verdict:
    return Verdict(
        key=key_of(response, dimension, judge),
        response_key=response.key,
        dimension=dimension,
        status=reply.status,
        score=reply.score,
        confidence=reply.confidence,
        method=reply.method,
        strengths=reply.strengths,
        weaknesses=reply.weaknesses,
        rationale=reply.rationale,
        failure=reply.failure,
        error=reply.error,
        model=judge.model,
        rubric_version=pack_for(response.task_type).version,
        template_version=template_version(judge),
        usage=reply.usage,
    )
