"""Candidate responses from an endpoint, as chat models of LangChain's, with the judges' protocol and patience."""

import asyncio
import functools
from dataclasses import replace
from typing import Any

import httpx

from rlhf.nodes.concurrency import Background
from rlhf.nodes.endpoints.foreign import ask_langchain
from rlhf.nodes.endpoints.lane import Lane, Patience
from rlhf.nodes.endpoints.negotiation import Dialects
from rlhf.nodes.endpoints.protocol import CallFailed, Completion, new_client
from rlhf.nodes.endpoints.readiness import checked_ready_to_ask
from rlhf.nodes.endpoints.text import cleaned, content_text
from rlhf.nodes.generation.generated import Generated
from rlhf.state.conversation import Asked, Message, messages_of
from rlhf.state.endpoints import Endpoint


async def chat(endpoint: Endpoint, asked: Asked, seed: int, patience: Patience | None = None) -> Generated:
    """The endpoint's response to what is asked, a question or a conversation; `seed` is sent along.

    At most `endpoint.concurrency` calls are under way over the whole process; rate limits, errors and
    timeouts are retried as `lane` says and then returned as a problem. Can be awaited on any event loop:
    clients live on a background thread. Raises EndpointError when the endpoint refuses everybody or is
    down, SettingsError when its key, its address or its package is at fault.
    """
    await checked_ready_to_ask(endpoint, "policy")
    writers = _writers()
    return await writers.background.run(
        writers.write(endpoint, endpoint.key(), asked, seed, patience or Patience())
    )


@functools.cache
def _writers() -> "_Writers":
    return _Writers()


class _Writers:
    """The process's chat models with their clients and lanes; all but the constructor runs on one background loop."""

    def __init__(self) -> None:
        self.background = Background("chat", self._close)
        self._dialects = Dialects()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._models: dict[Endpoint, Any] = {}
        self._lanes: dict[tuple[str, int, str | None, Patience], Lane] = {}

    async def write(
        self, endpoint: Endpoint, key: str | None, asked: Asked, seed: int, patience: Patience
    ) -> Generated:
        way = (endpoint.identity, endpoint.concurrency, key, patience)
        if way not in self._lanes:
            self._lanes[way] = Lane(endpoint.concurrency, patience)
        if endpoint.facts.way == "openai" and endpoint not in self._models:
            # In a thread: it imports, and reads certificates.
            model = await asyncio.to_thread(self._model, endpoint)
            self._models.setdefault(endpoint, model)
        messages, calls = messages_of(asked), 0

        async def attempt() -> Generated:
            nonlocal calls
            generated = await self._attempt(endpoint, messages, seed)
            calls += generated.calls
            return generated

        return replace(await self._lanes[way].run(str(asked), attempt), calls=calls)

    def _model(self, endpoint: Endpoint) -> Any:
        from rlhf.nodes.generation.model import EndpointChat

        base_url = endpoint.base_url or ""
        client = self._clients.setdefault(base_url, new_client(base_url))
        return EndpointChat(endpoint, client, self._dialects)

    async def _attempt(self, endpoint: Endpoint, messages: list[Message], seed: int) -> Generated:
        try:
            if endpoint.facts.way == "langchain":
                return await self._foreign(endpoint, messages)
            message = await self._models[endpoint].ainvoke(messages, seed=seed)
        except CallFailed as failed:
            problem = failed.problem
            return Generated(error=problem.message, problem=problem, calls=failed.calls)
        usage, told = message.usage_metadata or {}, message.response_metadata
        return Generated(
            text=message.text,
            finish_reason=str(told["finish_reason"]),
            input_tokens=int(usage.get("input_tokens", 0)),
            output_tokens=int(usage.get("output_tokens", 0)),
            calls=told["calls"],
            replaced=told["replaced"],
        )

    async def _foreign(self, endpoint: Endpoint, messages: list[Message]) -> Generated:
        calls = 0

        async def ask(request: Any) -> Completion:
            nonlocal calls
            calls += 1
            return await ask_langchain(endpoint, request)

        completion = await self._dialects.complete(
            endpoint,
            lambda dialect: {
                "messages": messages,
                "max_tokens": endpoint.max_tokens,
                **({} if "temperature" in dialect.without else {"temperature": endpoint.temperature}),
            },
            ask,
        )
        text, replaced = cleaned(content_text(completion.choice["message"]))
        return Generated(
            text=text,
            finish_reason=str(completion.choice["finish_reason"]),
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            calls=calls,
            replaced=replaced,
        )

    async def _close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
