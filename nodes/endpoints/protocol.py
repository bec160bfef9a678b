"""Speaks the OpenAI-compatible protocol over httpx: one call, its typed failures, and the dialect a server wants.

No client library: litellm and the openai package cost more time per call than the call itself.
"""

import asyncio
import email.utils
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx

from rlhf.nodes.endpoints.problem import TOOL_NAME, Problem
from rlhf.state.endpoints import Endpoint, on_this_machine
from rlhf.state.records import FailureKind


class CallFailed(Exception):
    """A call that brought no completion."""

    def __init__(self, problem: Problem, calls: int = 1) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.calls = calls


class Rejected(Exception):
    """HTTP 400 or 422: the server does not like the request itself; the text is its complaint."""


class Completion(NamedTuple):
    """One choice of a chat completion as it came, with its token counts."""

    choice: dict[str, Any]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Dialect:
    """Which of the protocol's optional parts a server takes; learnt from its complaints, kept per endpoint."""

    structure: Literal["schema", "tool", "plain"] = "schema"
    logprobs: Literal[20, 5, 0] = 20
    """Alternatives asked for at each token; some servers allow five only, some none."""
    temperature: bool = True
    seed: bool = True
    tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def simpler(self, complaint: str) -> "Dialect | None":
        """The next dialect to try after a refusal: without what the complaint names, else one step plainer.

        None when there is nothing left to leave out: then the request itself is at fault.
        """
        told = complaint.lower()
        if "max_completion_tokens" in told and self.tokens_key == "max_tokens":
            return replace(self, tokens_key="max_completion_tokens")
        if "logprob" in told and self.logprobs:
            return replace(self, logprobs=5 if self.logprobs == 20 and re.search(r"top_|\d", told) else 0)
        if "temperature" in told and self.temperature:
            return replace(self, temperature=False)
        if "seed" in told and self.seed:
            return replace(self, seed=False)
        plainer: dict[str, Literal["tool", "plain"]] = {"schema": "tool", "tool": "plain"}
        if self.structure != "plain" and re.search(r"response_format|schema|tool|function|grammar", told):
            return replace(self, structure=plainer[self.structure])
        if re.search(r"context (length|window|size)|too (long|large|many tokens)|exceed", told):
            return None
        if self.logprobs:
            return replace(self, logprobs=0)
        if self.structure != "plain":
            return replace(self, structure=plainer[self.structure])
        return None


def body(
    endpoint: Endpoint,
    messages: Sequence[Mapping[str, str]],
    dialect: Dialect,
    *,
    schema: Mapping[str, Any] | None,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """The JSON of a chat-completion request in `dialect`; `schema` constrains the answer if given."""
    result: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": each["role"], "content": each["content"]} for each in messages],
        dialect.tokens_key: max_tokens,
    }
    if dialect.temperature:
        result["temperature"] = temperature
    if dialect.seed:
        result["seed"] = seed
    if dialect.logprobs:
        result |= {"logprobs": True, "top_logprobs": dialect.logprobs}
    if schema is not None and dialect.structure == "schema":
        described = {"name": TOOL_NAME, "strict": True, "schema": schema}
        result["response_format"] = {"type": "json_schema", "json_schema": described}
    elif schema is not None and dialect.structure == "tool":
        function = {"name": TOOL_NAME, "description": "Records the verdict.", "parameters": schema}
        result["tools"] = [{"type": "function", "function": function}]
        result["tool_choice"] = {"type": "function", "function": {"name": TOOL_NAME}}
    return result


def new_client(base_url: str) -> httpx.AsyncClient:
    """A client for one address. Loopback never goes through a proxy from the environment."""
    return httpx.AsyncClient(
        trust_env=not on_this_machine(base_url),
        timeout=None,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
    )


async def send(client: httpx.AsyncClient, endpoint: Endpoint, request: Mapping[str, Any]) -> Completion:
    """Make one call. Raises CallFailed, or Rejected when the server refuses the form of the request."""
    key = endpoint.key()
    where = shown_address(endpoint)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with asyncio.timeout(endpoint.timeout):
            answer = await client.post(f"{address(endpoint)}/chat/completions", json=request, headers=headers)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise CallFailed(
            Problem(
                kind=FailureKind.TIMEOUT, message=f"{where} did not answer within {endpoint.timeout:g} s."
            )
        ) from error
    except httpx.ConnectError as error:
        raise CallFailed(_broken(f"{where} cannot be reached: is the server running?")) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise CallFailed(_broken(f"{where} cannot be called: check base_url and key.", final=True)) from error
    except httpx.HTTPError as error:
        raise CallFailed(_broken(f"{where} broke the connection ({type(error).__name__}).")) from error
    if answer.status_code != 200:
        told = _complaint(answer, key)
        if answer.status_code in (400, 422):
            raise Rejected(told)
        wait = retry_after(answer.headers)
        raise CallFailed(problem_of_status(endpoint, answer.status_code, told, wait))
    return _completion(answer, where)


def address(endpoint: Endpoint) -> str:
    """The endpoint's base address without a slash at its end."""
    return (endpoint.base_url or "").rstrip("/")


def shown_address(endpoint: Endpoint) -> str:
    """The endpoint as errors name it: no user, password or query, which may be secret."""
    parts = urlsplit(endpoint.base_url or "")
    host = parts.hostname or "?"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{endpoint.provider}/{endpoint.model} at {parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait from Retry-After (seconds or a date) or retry-after-ms; None if absent or nonsense."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            return float(text) * unit
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            continue
        return max(0.0, moment.timestamp() - time.time())
    return None


def problem_of_status(endpoint: Endpoint, status: int, told: str, wait: float | None) -> Problem:
    """What an HTTP status other than 200 means; `told` is the server's complaint, `wait` its Retry-After."""
    where = shown_address(endpoint)
    kind = FailureKind.ENDPOINT_ERROR
    if status == 429:
        kind = FailureKind.RATE_LIMITED
        message = f"{where} limits the rate of calls (HTTP 429){': ' + told if told else ''}."
    elif status in (408, 504):
        kind = FailureKind.TIMEOUT
        message = f"{where} timed out (HTTP {status})."
    elif status in (401, 403):
        way = (
            f"check {endpoint.api_key_env}"
            if endpoint.api_key_env
            else "name the key's variable in api_key_env"
        )
        message = f"{where} refuses access (HTTP {status}): {way}."
    elif status == 404:
        message = f"{where} is not found (HTTP 404): check model and base_url."
    else:
        message = f"{where} answered HTTP {status}{': ' + told if told else ''}."
    final = (status < 500 and status not in (408, 409, 425, 429)) or "exceeded your current quota" in told
    return Problem(kind=kind, message=message, status=status, retry_after=wait, final=final)


def _complaint(answer: httpx.Response, key: str | None) -> str:
    """The server's own words, one short line, keys blotted out; empty for HTML."""
    text = answer.text[:4000]
    try:
        error = json.loads(answer.text).get("error", "")
        text = str(error.get("message", "")) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, RecursionError):
        text = "" if text.lstrip().startswith("<") else text
    return without_keys(" ".join(text.split()), key)[:200]


def without_keys(text: str, key: str | None) -> str:
    """`text` with the key, and anything that looks like one, blotted out."""
    if key:
        text = text.replace(key, "[key]")
    return re.sub(r"\b(?:(?:sk|pk|key)[-_]|Bearer )[\w*.\-]{6,}", "[key]", text)


def _completion(answer: httpx.Response, where: str) -> Completion:
    try:
        value = answer.json()
        choice = value["choices"][0]
        usage = value.get("usage") or {}
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise TypeError("no message in the first choice")
        return Completion(choice, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise CallFailed(_broken(f"{where} answered with something that is no chat completion.")) from error


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def _broken(message: str, final: bool = False) -> Problem:
    return Problem(kind=FailureKind.ENDPOINT_ERROR, message=message, final=final)
