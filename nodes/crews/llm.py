"""The model as CrewAI sees it: a lean `BaseLLM` over our own protocol code. Imported in worker processes only."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from crewai import BaseLLM
from pydantic import PrivateAttr

from rlhf.nodes.crews.crewai_internals import not_retried
from rlhf.nodes.crews.levels import Reading
from rlhf.nodes.crews.readings import Readings, read_choice, read_combined
from rlhf.nodes.crews.requests import JudgeRequest, ModelCall
from rlhf.nodes.crews.shapes import Unreadable
from rlhf.nodes.endpoints.dialect import Dialect, body
from rlhf.nodes.endpoints.foreign import ask_langchain
from rlhf.nodes.endpoints.negotiation import Dialects
from rlhf.nodes.endpoints.protocol import CallFailed, Completion, Rejected, new_client, send
from rlhf.nodes.endpoints.text import answer_text, cleaned
from rlhf.prompts.combined import combined_schema
from rlhf.prompts.messages import VerdictAnswer, answer_schema
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import FailureKind, Usage

Messages = Sequence[Mapping[str, str]]

_SAMPLING_TEMPERATURE: Final = 0.7
"""Least temperature when several samples are asked for: equal samples would tell nothing."""

_ONE_DIGIT: Final = "root ::= [0-5]"


class EndpointLLM(BaseLLM):  # type: ignore[misc]  # crewai is not followed by the type checker
    """One endpoint. Serves one request at a time: `prepare` sets what is asked, `spent` counts it."""

    _endpoint: Endpoint = PrivateAttr()
    _client: httpx.AsyncClient = PrivateAttr()
    _dialects: Dialects = PrivateAttr()
    _request: JudgeRequest | None = PrivateAttr(default=None)
    _sample: int = PrivateAttr(default=0)
    _spent: Usage = PrivateAttr(default=Usage())
    _calls: list[ModelCall] = PrivateAttr(default_factory=list)

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient, dialects: Dialects) -> None:
        super().__init__(model=endpoint.model, temperature=endpoint.temperature, provider="openai")
        self._endpoint, self._client, self._dialects = endpoint, client, dialects

    @property
    def spent(self) -> Usage:
        """Calls and tokens since the last `prepare`."""
        return self._spent

    @property
    def calls(self) -> list[ModelCall]:
        """The calls since the last `prepare`, if its request is traced."""
        return self._calls

    def prepare(self, request: JudgeRequest) -> None:
        """Set the request that the next calls belong to and count from zero."""
        self._request, self._sample, self._spent, self._calls = request, 0, Usage(), []

    def supports_function_calling(self) -> bool:
        """False: the tool call is a dialect of ours, not something CrewAI should drive."""
        return False

    def get_context_window_size(self) -> int:
        """Tokens; CrewAI must never summarise what a judge reads, so the server alone sets the limit."""
        return 1_000_000

    @not_retried
    async def acall(
        self,
        messages: str | Messages,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: type[VerdictAnswer] | None = None,
    ) -> str | Readings:
        """The judgement asked for if `response_model` is given, else the model's plain text. Raises CallFailed.

        What cannot be read is asked for once more, with the parser's complaint, and then stays Unreadable.
        """
        return await self._ask(self._client, messages, response_model)

    @not_retried
    def call(
        self,
        messages: str | Messages,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: type[VerdictAnswer] | None = None,
    ) -> str | Readings:
        """`acall` for a thread without an event loop."""

        async def once() -> str | Readings:
            async with new_client(self._endpoint.base_url or "") as client:
                return await self._ask(client, messages, response_model)

        return asyncio.run(once())

    async def _ask(
        self, client: httpx.AsyncClient, messages: str | Messages, response_model: type[VerdictAnswer] | None
    ) -> str | Readings:
        asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
        request = self._request
        if response_model is None or request is None:
            completion = await self._complete(client, asked, None)
            return str(completion.choice["message"].get("content") or "")
        completion = await self._complete(client, asked, _schema(request, request.dimensions))
        readings = _read(completion, request, request.dimensions)
        bad = [name for name, each in readings.items() if isinstance(each, Unreadable)]
        # The embedded model writes one digit whatever it is told: a repair would bring nothing new.
        hopeless = request.style == "compact" and self._endpoint.provider == "local"
        if not bad or hopeless or _refused(readings[bad[0]]):
            return readings
        said = cleaned(answer_text(completion.choice["message"]))[0][:4000] or "(nothing)"
        repair = [
            *asked,
            {"role": "assistant", "content": said},
            {"role": "user", "content": _complaint(request, readings, bad)},
        ]
        try:
            completion = await self._complete(client, repair, _schema(request, bad))
        except CallFailed:
            if len(bad) == len(readings):
                raise
            return readings  # the good entries are paid for: only the bad ones are lost
        return readings | _read(completion, request, bad)

    async def _complete(
        self, client: httpx.AsyncClient, messages: Messages, schema: dict[str, Any] | None
    ) -> Completion:
        """One completion in the richest dialect the server takes."""

        async def ask(request: Mapping[str, Any]) -> Completion:
            self._spent += Usage(calls=1)
            return await self._told(client, request)

        completion = await self._dialects.complete(
            self._endpoint, lambda dialect: self._body(messages, dialect, schema), ask
        )
        self._spent += Usage(input_tokens=completion.input_tokens, output_tokens=completion.output_tokens)
        return completion

    async def _told(self, client: httpx.AsyncClient, request: Mapping[str, Any]) -> Completion:
        """Make the call, and keep what was said if the request is traced."""
        if self._request is None or not self._request.traced:
            return await self._send(client, request)
        told: dict[str, Any] = {}
        started = time.time()
        try:
            completion = await self._send(client, request)
            told = {
                "answer": cleaned(answer_text(completion.choice["message"]))[0],
                "input_tokens": completion.input_tokens,
                "output_tokens": completion.output_tokens,
            }
            return completion
        except (CallFailed, Rejected) as error:
            told = {"error": str(error)}
            raise
        finally:
            call = {"started": started, "ended": time.time(), "messages": request["messages"], **told}
            temperature = request.get("temperature", self._endpoint.temperature)
            self._calls.append(ModelCall(**call, temperature=temperature))

    async def _send(self, client: httpx.AsyncClient, request: Mapping[str, Any]) -> Completion:
        if self._endpoint.facts.way == "langchain":
            return await ask_langchain(self._endpoint, request)
        return await send(client, self._endpoint, request)

    def _body(self, messages: Messages, dialect: Dialect, schema: dict[str, Any] | None) -> dict[str, Any]:
        request = self._request
        compact = request is not None and request.style == "compact"
        several = request is not None and request.samples > 1
        embedded = self._endpoint.provider == "local"
        result = body(
            self._endpoint,
            messages,
            dialect,
            schema=schema,
            # Two tokens: with one, "10" would be read as 1.
            max_tokens=(1 if embedded else 2) if compact else self._endpoint.max_tokens,
            temperature=max(self._endpoint.temperature, _SAMPLING_TEMPERATURE if several else 0.0),
            seed=(request.seed if request else 0) + self._sample,
        )
        if compact and embedded and "logprobs" in result:
            # Beside all the words a tiny model would rather say, the six digits are seldom among 20 tokens.
            result |= {"grammar": _ONE_DIGIT, "cache_prompt": True, "top_logprobs": 100}
        return result

    def next_sample(self) -> None:
        """Give the next call another seed."""
        self._sample += 1


def _schema(request: JudgeRequest, dimensions: Sequence[str]) -> dict[str, Any] | None:
    """What the answer must look like; None for a compact one, which is no JSON."""
    if request.combined:
        return combined_schema(dimensions, request.reasoning)
    return None if request.style == "compact" else answer_schema(request.reasoning)


def _read(completion: Completion, request: JudgeRequest, dimensions: Sequence[str]) -> Readings:
    try:
        if request.combined:
            return read_combined(completion.choice, dimensions)
        return dict.fromkeys(dimensions, read_choice(completion.choice, request.style == "compact"))
    except Unreadable as unreadable:
        return dict.fromkeys(dimensions, unreadable)


def _refused(reading: Reading | Unreadable) -> bool:
    return isinstance(reading, Unreadable) and reading.kind is FailureKind.REFUSED


def _complaint(request: JudgeRequest, readings: Readings, bad: Sequence[str]) -> str:
    """What the judge is told of the answer it gave; entries that can be used are not asked for again."""
    if all(each is readings[bad[0]] for each in readings.values()):  # the answer as a whole is none
        return f"That is not usable: {readings[bad[0]]}. Answer again, in exactly the form asked for."
    told = "; ".join(f"{name}: {readings[name]}" for name in bad)
    return (
        f"That is not usable: {told}. Answer again with one JSON object that holds {', '.join(bad)} and "
        "nothing else, each in exactly the form asked for."
    )
