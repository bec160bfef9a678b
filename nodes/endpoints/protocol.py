"""Speaks the OpenAI-compatible protocol over httpx: one call, and the completion or the refusal that it brings.

No client library: litellm and the openai package cost more time per call than the call itself.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx

from rlhf.nodes.endpoints.bounded import (
    ENCODINGS,
    REFUSAL_BYTES,
    TooLarge,
    Undecodable,
    read_beginning,
    read_body,
)
from rlhf.nodes.endpoints.complaint import Complaint, complaint_inside, complaint_of
from rlhf.nodes.endpoints.dialect import is_about_the_form
from rlhf.nodes.endpoints.problem import Problem
from rlhf.nodes.endpoints.refusals import GENERATION, is_the_inputs_fault, problem_of
from rlhf.nodes.endpoints.stream import assembled
from rlhf.nodes.endpoints.text import has_calls
from rlhf.state.endpoints import Endpoint, on_this_machine
from rlhf.state.errors import shown_key
from rlhf.state.records import FailureKind

_UNFINISHED: Final = {
    "content_filter": FailureKind.REFUSED,
    "safety": FailureKind.REFUSED,
    "prohibited_content": FailureKind.REFUSED,
    "blocklist": FailureKind.REFUSED,
    "recitation": FailureKind.REFUSED,
    "spii": FailureKind.REFUSED,
    "sensitive": FailureKind.REFUSED,
    "refusal": FailureKind.REFUSED,
    "guardrail_intervened": FailureKind.REFUSED,
    "content_filtered": FailureKind.REFUSED,
    "model_context_window_exceeded": FailureKind.TOO_LONG,
    "network_error": FailureKind.ENDPOINT_ERROR,
    "insufficient_system_resource": FailureKind.ENDPOINT_ERROR,
    "malformed_response": FailureKind.ENDPOINT_ERROR,
}
"""Reasons for which an answer ended without being one."""


class CallFailed(Exception):
    """A call that brought no completion."""

    def __init__(self, problem: Problem, calls: int = 1) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.calls = calls
        """Calls it took, forms of the request that were refused included."""


class Rejected(Exception):
    """The server does not like the form of the request, or its own answer to it: another form may do."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.text)
        self.complaint = complaint

    @property
    def is_about_one_answer(self) -> bool:
        """Whether the model's answer came out badly, which says nothing about the form."""
        return self.complaint.says(*GENERATION)


class Completion(NamedTuple):
    """One choice of a chat completion as it came, with its token counts."""

    choice: dict[str, Any]
    input_tokens: int
    output_tokens: int


def new_client(base_url: str) -> httpx.AsyncClient:
    """A client for one address. Loopback never goes through a proxy from the environment.

    Redirects are not followed: they would carry the key to whatever host they name.
    """
    return httpx.AsyncClient(
        trust_env=not on_this_machine(base_url),
        headers={"Accept-Encoding": ENCODINGS},
        timeout=None,  # httpx bounds each read by itself; `send` bounds the call as a whole
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        follow_redirects=False,
    )


def headers_for(endpoint: Endpoint, key: str | None) -> dict[str, str]:
    """The headers of a request: the key where the provider looks for it."""
    if not key:
        return {}
    name = endpoint.facts.key_header
    return {name: f"Bearer {key}" if name == "Authorization" else key}


async def send(client: httpx.AsyncClient, endpoint: Endpoint, request: Mapping[str, Any]) -> Completion:
    """Make one call, the body included within `endpoint.timeout` seconds and `endpoint.max_answer_bytes` bytes.

    Raises CallFailed, or Rejected when the server refuses the form of the request.
    """
    key = endpoint.key()
    where = endpoint.shown
    asked = client.stream(
        "POST", endpoint.url("/chat/completions"), json=request, headers=headers_for(endpoint, key)
    )
    try:
        async with asyncio.timeout(endpoint.timeout), asked as answer:
            if answer.is_success:
                content = await read_body(answer, endpoint.max_answer_bytes)
            else:
                content = await read_beginning(answer, min(REFUSAL_BYTES, endpoint.max_answer_bytes))
    except (TimeoutError, httpx.TimeoutException) as error:
        raise CallFailed(timed_out(endpoint)) from error
    except TooLarge as error:
        raise CallFailed(too_large(endpoint)) from error
    except Undecodable as error:
        raise CallFailed(_broken(f"{where} sent an answer that cannot be unpacked ({error}).")) from error
    except httpx.ProxyError as error:
        raise CallFailed(
            _broken(f"{where} cannot be reached through the proxy that the environment names.")
        ) from error
    except httpx.ConnectError as error:
        raise CallFailed(_broken(f"{where} cannot be reached: is the server running?")) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
        raise CallFailed(_broken(f"{where} cannot be called: check base_url and key.", final=True)) from error
    except httpx.HTTPError as error:
        raise CallFailed(_broken(f"{where} broke the connection ({type(error).__name__}).")) from error
    if answer.is_redirect:
        raise CallFailed(_redirected(endpoint, answer))
    text = _decoded(content, answer.charset_encoding)
    if not answer.is_success:
        raise refused(endpoint, complaint_of(answer.status_code, answer.headers, text, key))
    value = _parsed(text, answer)
    if complaint := complaint_inside(value, answer.headers, key):
        raise refused(endpoint, complaint)
    return _completion(endpoint, value, text)


def timed_out(endpoint: Endpoint) -> Problem:
    """A call that took longer than a whole call may."""
    message = f"{endpoint.shown} did not answer within {endpoint.timeout:g} s."
    return Problem(kind=FailureKind.TIMEOUT, message=message)


def too_large(endpoint: Endpoint) -> Problem:
    """An answer that is larger than any may be: one that never ends is not read to its end."""
    message = (
        f"{endpoint.shown} sent more than {endpoint.max_answer_bytes:,} bytes: lower max_tokens, or raise "
        "max_answer_bytes if such answers are meant."
    )
    return Problem(kind=FailureKind.TOO_LARGE, message=message, status=200, final=True)


def _decoded(content: bytes, charset: str | None) -> str:
    try:
        return content.decode(charset or "utf-8", "replace")
    except LookupError:  # a charset that nobody knows
        return content.decode("utf-8", "replace")


def refused(endpoint: Endpoint, complaint: Complaint) -> Exception:
    """Rejected where another form of the request may do, else CallFailed with what the refusal means."""
    if is_the_inputs_fault(complaint):
        return CallFailed(problem_of(endpoint, complaint))
    problem = problem_of(endpoint, complaint)
    bad_request = problem.status in (400, 422)
    passing = problem.kind in (FailureKind.RATE_LIMITED, FailureKind.TIMEOUT) or problem.status == 402
    about_form = complaint.status in (403, 404, 405, 415, 500, 501) and is_about_the_form(complaint)
    if not passing and (
        bad_request or about_form or (complaint.status >= 500 and complaint.says(*GENERATION))
    ):
        return Rejected(complaint)
    return CallFailed(problem)


def _parsed(text: str, answer: httpx.Response) -> Any:
    """The body as JSON, put together if it came as a stream; None if it is neither."""
    if "text/event-stream" in answer.headers.get("content-type", "") or text.lstrip().startswith(
        ("data:", "event:", ":")
    ):
        return assembled(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _completion(endpoint: Endpoint, value: Any, text: str) -> Completion:
    where = endpoint.shown
    choices = value.get("choices") if isinstance(value, dict) else None
    if isinstance(value, dict) and not choices:
        if "prompt_feedback" in text or "promptFeedback" in text or "block_reason" in text.lower():
            raise CallFailed(
                Problem(
                    kind=FailureKind.REFUSED, message=f"{where} refuses this input.", status=200, final=True
                )
            )
        raise CallFailed(_broken(f"{where} answered without any choices{_said(text)}."))
    choice = choices[0] if isinstance(choices, list) else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict) or not has_calls(message):
        raise CallFailed(_broken(f"{where} answered with something that is no chat completion{_said(text)}."))
    finished(endpoint, choice)
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(choice, _count(counts, "prompt_tokens"), _count(counts, "completion_tokens"))


def finished(endpoint: Endpoint, choice: Mapping[str, Any]) -> None:
    """Raise CallFailed for an answer that ended for a reason that leaves it none."""
    reason = str(choice.get("finish_reason") or "").lower()
    if kind := _UNFINISHED.get(reason):
        told = choice["message"].get("refusal") or f"finish_reason {reason}"
        final = kind is not FailureKind.ENDPOINT_ERROR
        message = f"{endpoint.shown} did not finish its answer: {str(told)[:200]}."
        raise CallFailed(Problem(kind=kind, message=message, status=200, final=final))


def _said(text: str) -> str:
    """The beginning of a body that is no completion, for people; nothing of a page."""
    start = " ".join(text.split())[:80]
    return (
        f": {start!r}"
        if start and not start.startswith("<")
        else " (a web page)"
        if start
        else " (nothing at all)"
    )


def _redirected(endpoint: Endpoint, answer: httpx.Response) -> Problem:
    try:
        there = urlsplit(urljoin(endpoint.url("/chat/completions"), answer.headers.get("location", "")))
        where = f"{there.scheme}://{there.netloc.rpartition('@')[2]}"
        shown = shown_key(f"{where}{there.path.removesuffix('/chat/completions')}")
    except ValueError:
        shown = "something that is no address"
    message = (
        f"{endpoint.shown} redirects to {shown} (HTTP {answer.status_code}), where the key is not sent: "
        "write the address that is really meant as base_url."
    )
    return Problem(kind=FailureKind.ENDPOINT_ERROR, message=message, status=answer.status_code, final=True)


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def _broken(message: str, final: bool = False) -> Problem:
    return Problem(kind=FailureKind.ENDPOINT_ERROR, message=message, final=final)
