"""One real judgement, made in this process, to find out what an endpoint takes and gives: for `rlhf doctor`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rlhf.nodes.crews.levels import Reading
from rlhf.nodes.crews.readings import read_choice
from rlhf.nodes.crews.shapes import Unreadable
from rlhf.nodes.endpoints.dialect import Dialect, body
from rlhf.nodes.endpoints.foreign import ask_langchain
from rlhf.nodes.endpoints.lane import Lane, Patience
from rlhf.nodes.endpoints.negotiation import Dialects
from rlhf.nodes.endpoints.problem import Problem
from rlhf.nodes.endpoints.protocol import CallFailed, Completion, new_client, send
from rlhf.nodes.panel import pack_for
from rlhf.prompts.messages import answer_schema, judge_messages
from rlhf.state.endpoints import Endpoint
from rlhf.state.settings import Settings

_PROMPT: Final = "Name the capital of France in one short sentence."
_RESPONSE: Final = "The capital of France is Paris."

_PATIENCE: Final = Patience(
    rate_limited_tries=3, endpoint_tries=2, timeout_tries=1, longest_wait=2.0, longest_retry_after=30.0
)

_STRUCTURES: Final = {
    "schema": "by JSON schema",
    "tool": "by a tool call",
    "json": "JSON, but no schema",
    "plain": "asked for in words alone",
}


@dataclass(frozen=True)
class Trial:
    """What came of it."""

    level: int | None
    """The level that was read; None where there is none, and then `fault` says why."""
    fault: str = ""
    supports: tuple[str, ...] = ()
    """What the endpoint takes and gives, each in a few words."""
    calls: int = 0
    """Calls it took to find that out."""


async def try_judge(settings: Settings, endpoint: Endpoint) -> Trial:
    """Judge one small response on one dimension; never raises for what an endpoint does.

    Raises EndpointError when the endpoint refuses everybody, SettingsError for faults of the configuration.
    """
    judge = settings.judge
    pack = pack_for(settings.task_type)
    dimension = next(iter(pack.dimensions))
    compact = judge.style == "compact"
    messages = judge_messages(
        pack, dimension, _PROMPT, _RESPONSE, {}, [], style=judge.style, reasoning=judge.reasoning
    )
    schema = None if compact else answer_schema(judge.reasoning)
    dialects, calls = Dialects(), 0

    def asked(dialect: Dialect) -> dict[str, Any]:
        return body(
            endpoint,
            messages,
            dialect,
            schema=schema,
            max_tokens=2 if compact else endpoint.max_tokens,
            temperature=endpoint.temperature,
            seed=7,
        )

    client = await asyncio.to_thread(new_client, endpoint.base_url or "")

    async def ask(request: Mapping[str, Any]) -> Completion:
        nonlocal calls
        calls += 1
        if endpoint.facts.way == "langchain":
            return await ask_langchain(endpoint, request)
        return await send(client, endpoint, request)

    async def attempt() -> _Outcome:
        try:
            return _Outcome(await dialects.complete(endpoint, asked, ask))
        except CallFailed as failed:
            return _Outcome(problem=failed.problem)

    try:
        outcome = await Lane(1, _PATIENCE).run("", attempt)
    finally:
        await client.aclose()
    if outcome.completion is None:
        return Trial(None, outcome.problem.message if outcome.problem else "no answer", calls=calls)
    dialect = dialects.of(endpoint)
    try:
        reading = read_choice(outcome.completion.choice, compact)
    except Unreadable as unreadable:
        return Trial(None, unreadable.told(endpoint.max_tokens), _supports(dialect, None, compact), calls)
    return Trial(reading.answer.level, "", _supports(dialect, reading, compact), calls)


@dataclass(frozen=True)
class _Outcome:
    completion: Completion | None = None
    problem: Problem | None = None


def _supports(dialect: Dialect, reading: Reading | None, compact: bool) -> tuple[str, ...]:
    """What was learnt, in the order in which it matters."""
    if reading is not None and reading.levels is not None:
        logprobs = f"log-probabilities yes ({dialect.logprobs} alternatives)"
    elif dialect.logprobs:
        logprobs = "log-probabilities asked for, none came"
    else:
        logprobs = "log-probabilities no: set judge.samples to average several judgements"
    structure = () if compact else (f"structured output {_STRUCTURES[dialect.structure]}",)
    seed = f"seed {'no' if 'seed' in dialect.without else 'taken'}"
    temperature = ("temperature fixed",) if "temperature" in dialect.without else ()
    return (*structure, logprobs, seed, *temperature)
