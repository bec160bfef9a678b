"""Candidate responses from an endpoint, through LangChain's `init_chat_model`, with the judges' patience."""

import asyncio
import functools
import json
from dataclasses import dataclass, replace
from typing import Any

import httpx

from rlhf.nodes.concurrency import Background
from rlhf.nodes.endpoints.lane import Lane, Patience
from rlhf.nodes.endpoints.problem import Problem
from rlhf.nodes.endpoints.protocol import (
    new_client,
    problem_of_status,
    retry_after,
    shown_address,
    without_keys,
)
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import FailureKind


@dataclass(frozen=True)
class Generated:
    """One response, or the problem that is left after all retries; `text` is then empty."""

    text: str
    finish_reason: str = ""
    """stop, length, … as the endpoint says."""
    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 1
    """Calls it took, retries included."""
    problem: Problem | None = None

    @property
    def error(self) -> str | None:
        """Why there is no response, one line; None if there is one."""
        return self.problem.message if self.problem else None


async def chat(endpoint: Endpoint, prompt: str, seed: int, patience: Patience | None = None) -> Generated:
    """The endpoint's response to `prompt` as a single user message; `seed` is sent along.

    At most `endpoint.concurrency` calls are under way over the whole process; rate limits, errors and
    timeouts are retried as `lane` says and then returned as a problem. Can be awaited on any event loop:
    clients live on a background thread. Raises EndpointError when the endpoint refuses everybody or is
    down, SettingsError when its key's variable is unset.
    """
    writers = _writers()
    return await writers.background.run(
        writers.write(endpoint, endpoint.key(), prompt, seed, patience or Patience())
    )


@functools.cache
def _writers() -> "_Writers":
    return _Writers()


class _Writers:
    """The process's chat models with their clients and lanes; all but the constructor runs on one background loop."""

    def __init__(self) -> None:
        self.background = Background("chat", self._close)
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._models: dict[tuple[Endpoint, str | None], Any] = {}
        self._lanes: dict[tuple[str, str | None, int, Patience], Lane] = {}

    async def write(
        self, endpoint: Endpoint, key: str | None, prompt: str, seed: int, patience: Patience
    ) -> Generated:
        way = (endpoint.model, endpoint.base_url, endpoint.concurrency, patience)
        if way not in self._lanes:
            self._lanes[way] = Lane(endpoint.concurrency, patience)
        if (endpoint, key) not in self._models:
            # In a thread: it imports, and reads certificates.
            model = await asyncio.to_thread(self._model, endpoint, key)
            self._models.setdefault((endpoint, key), model)
        model = self._models[endpoint, key]
        calls = 0

        async def attempt() -> Generated:
            nonlocal calls
            calls += 1
            return await _attempt(model, endpoint, key, prompt, seed)

        return replace(await self._lanes[way].run(prompt, attempt), calls=calls)

    def _model(self, endpoint: Endpoint, key: str | None) -> Any:
        from langchain.chat_models import init_chat_model

        base_url = endpoint.base_url or ""
        client = self._clients.setdefault(base_url, new_client(base_url))
        # LangChain renames max_tokens to max_completion_tokens, which only OpenAI itself is sure to know.
        most = {"max_tokens": endpoint.max_tokens}
        limit: dict[str, Any] = most if endpoint.provider == "openai" else {"extra_body": most}
        return init_chat_model(
            endpoint.model,
            model_provider="openai",
            base_url=endpoint.base_url,
            api_key=key or "none",
            temperature=endpoint.temperature,
            timeout=endpoint.timeout,
            max_retries=0,
            disable_streaming=True,
            http_async_client=client,
            **limit,
        )

    async def _close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


async def _attempt(model: Any, endpoint: Endpoint, key: str | None, prompt: str, seed: int) -> Generated:
    import openai

    where = shown_address(endpoint)
    try:
        message = await model.ainvoke([{"role": "user", "content": prompt}], seed=seed)
    except openai.APITimeoutError:
        problem = Problem(
            kind=FailureKind.TIMEOUT, message=f"{where} did not answer within {endpoint.timeout:g} s."
        )
    except openai.APIStatusError as error:
        told = without_keys(" ".join(str(error.message).split()), key)[:200]
        problem = problem_of_status(endpoint, error.status_code, told, retry_after(error.response.headers))
    except openai.APIConnectionError:
        problem = Problem(
            kind=FailureKind.ENDPOINT_ERROR,
            message=f"{where} cannot be reached or broke the connection: is the server running?",
        )
    except (openai.OpenAIError, json.JSONDecodeError, ValueError, TypeError, AttributeError, KeyError):
        problem = Problem(
            kind=FailureKind.ENDPOINT_ERROR,
            message=f"{where} answered with something that is no chat completion.",
        )
    else:
        usage = message.usage_metadata or {}
        return Generated(
            text=message.text,
            finish_reason=str(message.response_metadata.get("finish_reason") or ""),
            input_tokens=int(usage.get("input_tokens", 0)),
            output_tokens=int(usage.get("output_tokens", 0)),
        )
    return Generated(text="", problem=problem)
