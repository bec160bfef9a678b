"""The protocol's small print: dialects, Retry-After, and errors that give nothing away."""

import json
from typing import Any

import httpx
import pytest

from rlhf.nodes.endpoints.complaint import Complaint, complaint_of, without_keys
from rlhf.nodes.endpoints.dialect import Dialect
from rlhf.nodes.endpoints.protocol import new_client, send
from rlhf.state.endpoints import Endpoint
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint, status


def told(sentence: str) -> Complaint:
    return complaint_of(400, {}, json.dumps({"error": {"message": sentence}}), None)


@pytest.mark.parametrize(
    ("dialect", "sentence", "simpler"),
    [
        (
            {},
            "Unsupported parameter: 'max_tokens', use 'max_completion_tokens'",
            {"tokens_key": "max_completion_tokens", "refused_tokens_keys": frozenset({"max_tokens"})},
        ),
        ({}, "You are not allowed to request logprobs", {"logprobs": 0}),
        ({}, "top_logprobs must be at most 5", {"logprobs": 5}),
        ({}, "top_logprobs must be between 0 and 8", {"logprobs": 8}),
        ({"logprobs": 5}, "top_logprobs must be 0", {"logprobs": 0}),
        ({}, "temperature does not support 0", {"without": frozenset({"temperature"})}),
        ({}, "unknown response_format json_schema", {"structure": "tool"}),
        ({}, 'Unknown name "seed": Cannot find field.', {"without": frozenset({"seed"})}),
        (
            {},
            "Unknown name \"additionalProperties\" at 'schema': Cannot find field.",
            {"schema_without": frozenset({"additionalProperties"})},
        ),
    ],
)
def test_a_complaint_drops_what_it_names(
    dialect: dict[str, Any], sentence: str, simpler: dict[str, Any]
) -> None:
    assert Dialect(**dialect).simpler(told(sentence)) == Dialect(**{**dialect, **simpler})


def test_a_complaint_that_names_nothing_drops_nothing_and_the_steps_down_are_few() -> None:
    assert Dialect().simpler(told("Bad request")) is None
    steps = [Dialect()]
    while (plainer := steps[-1].plainer()) is not None:
        steps.append(plainer)
    assert [step.structure for step in steps] == ["schema", "schema", "tool", "plain"]


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    endpoint = Endpoint(provider="vllm", model="m", base_url="https://me:hush@host:8443/v1/?token=hush")
    assert endpoint.shown == "vllm/m at https://host:8443/v1"


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
