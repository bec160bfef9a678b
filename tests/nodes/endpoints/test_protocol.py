"""The protocol's small print: dialects, Retry-After, and errors that give nothing away."""

import email.utils
import time

import httpx
import pytest

from rlhf.nodes.endpoints.protocol import (
    Dialect,
    new_client,
    retry_after,
    send,
    shown_address,
    without_keys,
)
from rlhf.state.endpoints import Endpoint
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint, status


def test_a_complaint_drops_what_it_names_and_otherwise_one_step() -> None:
    full = Dialect()
    assert full.simpler("Unsupported parameter: 'max_tokens', use 'max_completion_tokens'") == Dialect(
        tokens_key="max_completion_tokens"
    )
    assert full.simpler("You are not allowed to request logprobs") == Dialect(logprobs=0)
    assert full.simpler("top_logprobs must be at most 5") == Dialect(logprobs=5)
    assert Dialect(logprobs=5).simpler("top_logprobs must be 0") == Dialect(logprobs=0)
    assert full.simpler("maximum context length exceeded") is None
    assert full.simpler("temperature does not support 0") == Dialect(temperature=False)
    assert full.simpler("unknown response_format json_schema") == Dialect(structure="tool")
    steps = [full]
    while (simpler := steps[-1].simpler("bad request")) is not None:
        steps.append(simpler)
    assert [step.structure for step in steps] == ["schema", "schema", "tool", "plain"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-4"}, None),
        ({}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    wait = retry_after({"retry-after": email.utils.formatdate(time.time() + 3600, usegmt=True)})
    assert wait is not None
    assert 3000 < wait <= 3600


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    endpoint = Endpoint(provider="vllm", model="m", base_url="https://me:hush@host:8443/v1/?token=hush")
    assert shown_address(endpoint) == "vllm/m at https://host:8443/v1"


def test_keys_are_blotted_out() -> None:
    told = without_keys("Incorrect API key provided: sk-abc***xyz; my-own-secret", "my-own-secret")
    assert told == "Incorrect API key provided: [key]; [key]"


async def test_the_key_goes_into_the_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "a-secret-key")

    def echo(request: Request) -> Reply:
        return status(500, message=f"failed for {request.headers['authorization']}")(request)

    with ScriptedEndpoint(echo) as server:
        endpoint = Endpoint(provider="vllm", model="m", base_url=server.base_url, api_key_env="SOME_KEY")
        async with new_client(server.base_url) as client:
            with pytest.raises(Exception, match="HTTP 500") as caught:
                await send(client, endpoint, {"messages": []})
        assert server.requests[0].headers["authorization"] == "Bearer a-secret-key"
        assert "a-secret-key" not in str(caught.value)


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    client = new_client("http://127.0.0.1:1234/v1")
    assert not client.trust_env
    assert isinstance(new_client("https://api.example.org/v1"), httpx.AsyncClient)
