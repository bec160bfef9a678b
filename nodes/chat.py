"""Candidate responses from an endpoint, through LangChain's `init_chat_model`, with the judges' patience."""

import asyncio
import functools
import json
from dataclasses import dataclass
from typing import Any

from nodes.background import Background
from nodes.crews.lane import Lane, Patience
from nodes.crews.protocol import new_client, problem_of_status, retry_after, shown_address, without_keys
from nodes.crews.requests import Problem
from state.endpoints import Endpoint
from state.records import FailureKind


@dataclass(frozen=True)
class Generated:
    """One response, or the problem that is left after all retries; `text` is then empty."""

    text: str
    finish_reason: str = ""
    """stop, length, … as the endpoint says."""
    input_tokens: int = 0
    output_tokens: int = 0
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
    return await _background().run(_chat(endpoint, endpoint.key(), prompt, seed, patience or Patience()))


@functools.cache
def _background() -> Background:
    return Background("chat")


async def _chat(endpoint: Endpoint, key: str | None, prompt: str, seed: int, patience: Patience) -> Generated:
    lane = _lane(endpoint.model, endpoint.base_url, endpoint.concurrency, patience)
    model = await asyncio.to_thread(_model, endpoint, key)  # imports, and reads certificates
    return await lane.run(prompt, lambda: _attempt(model, endpoint, key, prompt, seed))


@functools.cache
def _lane(model: str, base_url: str | None, concurrency: int, patience: Patience) -> Lane:
    return Lane(concurrency, patience)


@functools.lru_cache(maxsize=16)
def _model(endpoint: Endpoint, key: str | None) -> Any:
    from langchain.chat_models import init_chat_model

    # LangChain renames max_tokens to max_completion_tokens, which only OpenAI itself is sure to know.
    openai = endpoint.provider == "openai"
    limit: dict[str, Any] = (
        {"max_tokens": endpoint.max_tokens} if openai else {"extra_body": {"max_tokens": endpoint.max_tokens}}
    )
    return init_chat_model(
        endpoint.model,
        model_provider="openai",
        base_url=endpoint.base_url,
        api_key=key or "none",
        temperature=endpoint.temperature,
        timeout=endpoint.timeout,
        max_retries=0,
        disable_streaming=True,
        http_async_client=new_client(endpoint.base_url or ""),
        **limit,
    )


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
