"""Candidate responses through LangChain from a scripted endpoint: settings sent, faults returned, loops not blocked."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from rlhf.nodes.endpoints.lane import Patience
from rlhf.nodes.generation.chat import chat
from rlhf.nodes.generation.generated import Generated
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import EndpointError, SettingsError
from rlhf.state.records import FailureKind
from tests import scripted_endpoint as scripted
from tests.scripted_endpoint import Script, ScriptedEndpoint

HASTE = Patience(first_wait=0.001, longest_wait=0.004, longest_retry_after=5.0)


@pytest.fixture
def server() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as server:
        yield server


def policy(server: ScriptedEndpoint, **changes: Any) -> Endpoint:
    settings = {"provider": "vllm", "model": "scripted", "base_url": server.base_url, "temperature": 0.8}
    return Endpoint(**{**settings, "timeout": 30.0, **changes})


async def ask(
    endpoint: Endpoint, prompt: str = "Split $1M between CVS and Target.", seed: int = 1
) -> Generated:
    return await chat(endpoint, prompt, seed, HASTE)


async def test_a_response_comes_with_its_tokens_and_its_seed_decides(server: ScriptedEndpoint) -> None:
    one, same, other = [await ask(policy(server), seed=seed) for seed in (1, 1, 2)]
    assert one == same
    assert one.text != other.text
    assert "Step 1" in one.text
    assert (one.finish_reason, one.error) == ("stop", None)
    assert one.input_tokens > 0
    assert one.output_tokens > 0


@pytest.mark.parametrize("provider", ["vllm", "openai"])
async def test_the_settings_are_sent_under_the_names_a_server_knows(
    server: ScriptedEndpoint, provider: str
) -> None:
    await ask(policy(server, provider=provider, max_tokens=77), seed=5)
    body = server.calls[0]
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("scripted", 0.8, 5, 77)
    assert body["messages"] == [{"role": "user", "content": "Split $1M between CVS and Target."}]
    assert not body.get("stream")


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        (scripted.html, FailureKind.ENDPOINT_ERROR, 4),
        (scripted.empty, FailureKind.ENDPOINT_ERROR, 4),
        (scripted.cut_connection, FailureKind.ENDPOINT_ERROR, 4),
        (scripted.status(500), FailureKind.ENDPOINT_ERROR, 4),
        (scripted.status(400), FailureKind.ENDPOINT_ERROR, 2),
        (scripted.rate_limited(), FailureKind.RATE_LIMITED, 6),
    ],
)
async def test_a_fault_is_returned_after_its_tries(
    server: ScriptedEndpoint, fault: Script, kind: FailureKind, calls: int
) -> None:
    server.script = fault
    generated = await ask(policy(server))
    assert generated.problem is not None
    assert (generated.text, generated.problem.kind, server.count()) == ("", kind, calls)


async def test_silence_becomes_a_timeout(server: ScriptedEndpoint) -> None:
    server.script = scripted.never
    generated = await ask(policy(server, timeout=0.2))
    assert generated.problem is not None
    assert (generated.problem.kind, server.count()) == (FailureKind.TIMEOUT, 2)


async def test_a_passing_rate_limit_is_waited_for(server: ScriptedEndpoint) -> None:
    server.script = scripted.in_turn(scripted.rate_limited("0.01"), scripted.default_script)
    assert (await ask(policy(server))).error is None
    assert server.count() == 2


@pytest.mark.parametrize("status", [401, 404])
async def test_an_endpoint_that_refuses_everybody_is_named_without_its_key(
    server: ScriptedEndpoint, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_KEY", "very-secret")
    server.script = scripted.status(status, message="not for very-secret")
    with pytest.raises(EndpointError, match=f"127.0.0.1:{server.port}") as caught:
        await ask(policy(server, api_key_env="POLICY_KEY"))
    assert "very-secret" not in str(caught.value)
    assert server.requests[0].headers["authorization"] == "Bearer very-secret"


async def test_an_unset_key_is_told_before_anything_is_sent(server: ScriptedEndpoint) -> None:
    with pytest.raises(SettingsError, match="MISSING_KEY"):
        await ask(policy(server, api_key_env="MISSING_KEY"))
    assert server.count() == 0


async def test_concurrency_is_bounded(server: ScriptedEndpoint) -> None:
    endpoint = policy(server, concurrency=3)
    await asyncio.gather(*(ask(endpoint, seed=seed) for seed in range(20)))
    assert server.most_at_once <= 3


async def test_nothing_blocks_the_callers_loop(server: ScriptedEndpoint) -> None:
    with blockbuster_ctx():
        assert (await ask(policy(server))).error is None


def test_it_works_from_one_event_loop_after_another(server: ScriptedEndpoint) -> None:
    assert [asyncio.run(ask(policy(server))).error for _ in range(2)] == [None, None]
