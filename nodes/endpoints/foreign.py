"""Models of other protocols, through LangChain's `init_chat_model` and its structured output.

A request and its completion have the form that the OpenAI-compatible protocol gives them, so that readings, failures
and usage are the same ones. Extra keys of the endpoint (`extra_body`) are arguments of the model's class here.
"""

import asyncio
import functools
import importlib.util
import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from rlhf.nodes.endpoints.complaint import complaint_of, without_keys
from rlhf.nodes.endpoints.problem import TOOL_NAME, Problem
from rlhf.nodes.endpoints.protocol import (
    CallFailed,
    Completion,
    finished,
    refused,
    timed_out,
    too_large,
)
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import SettingsError
from rlhf.state.records import FailureKind

MAKING: Final = 300.0
"""Seconds that a package may take to be imported and to make its model."""

_KEPT: Final = 32
"""Models kept ready; each holds a client."""


def check_installed(endpoint: Endpoint) -> None:
    """Raise SettingsError, with the line to paste, where the package of an endpoint's provider is not installed."""
    facts = endpoint.facts
    if facts.way == "langchain" and importlib.util.find_spec(facts.package) is None:
        wanted = f"'rlhf-graph[{facts.extra}]'" if facts.extra else facts.package.replace("_", "-")
        raise SettingsError(f"{endpoint.shown} needs a package that is not installed: pip install {wanted}")


async def ask_langchain(endpoint: Endpoint, request: Mapping[str, Any]) -> Completion:
    """Make one call. Raises CallFailed, or Rejected when the provider refuses the form of the request."""
    key = endpoint.key()
    schema, temperature, max_tokens = _asked(request)
    try:
        async with asyncio.timeout(MAKING):
            # In a thread: it imports, and reads certificates.
            model = await asyncio.to_thread(_model, endpoint, key, temperature, max_tokens)
        if schema is not None:
            model = model.with_structured_output(schema, include_raw=True)
        async with asyncio.timeout(endpoint.timeout):
            answer = await model.ainvoke(request["messages"])
    except TimeoutError as error:
        raise CallFailed(timed_out(endpoint)) from error
    except Exception as error:  # every package has its own kinds of errors; what they hold decides
        raise _failed(endpoint, error, key) from error
    return _completion(endpoint, answer["raw"] if schema is not None else answer)


def _asked(request: Mapping[str, Any]) -> tuple[dict[str, Any] | None, float | None, int | None]:
    """The schema, temperature and longest answer of a request in the OpenAI-compatible form."""
    schema: dict[str, Any] | None = None
    if tools := request.get("tools"):
        schema = tools[0]["function"]["parameters"]
    elif form := request.get("response_format"):
        schema = form.get("json_schema", {}).get("schema")
    if schema is not None:  # the packages want a name and a purpose
        schema = {**schema, "title": TOOL_NAME, "description": "Records the verdict."}
    tokens = request.get("max_tokens") or request.get("max_completion_tokens")
    return schema, request.get("temperature"), tokens


_making = threading.Lock()


def _model(endpoint: Endpoint, key: str | None, temperature: float | None, max_tokens: int | None) -> Any:
    with _making:
        return _kept(endpoint, key, temperature, max_tokens)


@functools.lru_cache(maxsize=_KEPT)
def _kept(endpoint: Endpoint, key: str | None, temperature: float | None, max_tokens: int | None) -> Any:
    from langchain.chat_models import init_chat_model

    check_installed(endpoint)
    facts = endpoint.facts
    wanted = {
        "temperature": temperature,
        "max_tokens": max_tokens,
        "timeout": endpoint.timeout,
        "max_retries": 0,
        facts.key_argument: key,
        facts.address_argument: endpoint.base_url,
    }
    given: dict[str, Any] = {
        name: value
        for name, value in wanted.items()
        if name and value is not None and name not in facts.dropped
    }
    model = init_chat_model(endpoint.model, model_provider=facts.langchain, **(given | endpoint.extra_body))
    _follow_no_redirects(model)
    return model


def _follow_no_redirects(model: Any) -> None:
    """A redirect would carry the key to whatever host it names."""
    for name in ("_async_client", "async_client", "root_async_client"):
        client: Any = getattr(getattr(model, name, None), "_client", None)
        if client is not None and hasattr(client, "follow_redirects"):
            client.follow_redirects = False


def _failed(endpoint: Endpoint, error: Exception, key: str | None) -> Exception:
    """What a package's exception amounts to."""
    if isinstance(error, SettingsError | CallFailed):
        return error
    status, headers, content = _told(error)
    if status is not None:
        return refused(endpoint, complaint_of(status, headers, content, key))
    names = " ".join(kind.__name__.lower() for kind in type(error).__mro__)
    if "timeout" in names:
        problem = timed_out(endpoint)
    elif "connect" in names:
        problem = Problem(
            kind=FailureKind.ENDPOINT_ERROR,
            message=f"{endpoint.shown} cannot be reached or broke the connection: is the server running?",
        )
    else:
        words = without_keys(" ".join(str(error).split()), key)[:200]
        message = f"{endpoint.shown} could not be asked ({type(error).__name__}): {words}"
        problem = Problem(
            kind=FailureKind.ENDPOINT_ERROR, message=message, final=isinstance(error, ImportError)
        )
    return CallFailed(problem)


def _told(error: Exception) -> tuple[int | None, Mapping[str, str], str]:
    """Status, headers and body of the refusal that an exception of anthropic, openai, google or boto3 carries."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):  # boto3
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status, {}, json.dumps({"error": response.get("Error") or {}})
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if not isinstance(status, int) or not 300 <= status <= 599:
        cause = error.__cause__
        return _told(cause) if isinstance(cause, Exception) else (None, {}, "")
    headers = getattr(response, "headers", None)
    text = getattr(response, "text", None)
    content = text if isinstance(text, str) and text else str(error)
    return status, headers if isinstance(headers, Mapping) else {}, content


def _completion(endpoint: Endpoint, message: Any) -> Completion:
    """LangChain's message as a choice of a chat completion."""
    told = dict(message.response_metadata or {})
    reason = next(
        (told[name] for name in ("finish_reason", "stop_reason", "stopReason") if told.get(name)), "stop"
    )
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    choice: dict[str, Any] = {
        "finish_reason": str(reason).lower(),
        "message": {
            "role": "assistant",
            "content": message.content,
            "tool_calls": [
                {"function": {"name": call.get("name"), "arguments": call.get("args")}} for call in calls
            ],
        },
    }
    # The packages read an answer whole, whatever its size; what is handed on is bounded like any other.
    if len(str(message.content)) > endpoint.max_answer_bytes:
        raise CallFailed(too_large(endpoint))
    finished(endpoint, choice)
    usage = message.usage_metadata or {}
    return Completion(choice, int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0))
