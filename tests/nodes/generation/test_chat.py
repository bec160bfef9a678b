"""Candidate responses through LangChain from a scripted endpoint: settings sent, faults returned, loops not blocked."""

import asyncio
import itertools
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
from tests.scripted_endpoint import Reply, Script, ScriptedEndpoint

HASTE = Patience(first_wait=0.001, longest_wait=0.004, longest_retry_after=5.0)


def policy(server: ScriptedEndpoint, **changes: Any) -> Endpoint:
    settings = {"provider": "vllm", "model": "scripted", "base_url": server.base_url, "temperature": 0.8}
    return Endpoint(**{**settings, "timeout": 30.0, **changes})


async def ask(
    endpoint: Endpoint, prompt: str = "Split $1M between CVS and Target.", seed: int = 1
) -> Generated:
    return await chat(endpoint, prompt, seed, HASTE)


async def test_a_response_comes_with_its_tokens_and_its_seed_decides(endpoint: ScriptedEndpoint) -> None:
    one, same, other = [await ask(policy(endpoint), seed=seed) for seed in (1, 1, 2)]
    assert one == same
    assert one.text != other.text
    assert "Step 1" in one.text
    assert (one.finish_reason, one.error) == ("stop", None)
    assert one.input_tokens > 0
    assert one.output_tokens > 0


@pytest.mark.parametrize("provider", ["vllm", "openai"])
async def test_the_settings_are_sent_under_the_names_a_server_knows(
    endpoint: ScriptedEndpoint, provider: str
) -> None:
    await ask(policy(endpoint, provider=provider, max_tokens=77), seed=5)
    body = endpoint.calls[0]
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
    endpoint: ScriptedEndpoint, fault: Script, kind: FailureKind, calls: int
) -> None:
    endpoint.script = fault
    generated = await ask(policy(endpoint))
    assert generated.problem is not None
    assert (generated.text, generated.problem.kind, endpoint.count()) == ("", kind, calls)


async def test_silence_becomes_a_timeout(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = scripted.never
    generated = await ask(policy(endpoint, timeout=0.2))
    assert generated.problem is not None
    assert (generated.problem.kind, endpoint.count()) == (FailureKind.TIMEOUT, 2)


async def test_an_answer_that_drips_or_never_ends_is_a_failure_of_its_kind(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda request: Reply(pieces=itertools.repeat(b" "), pause=0.02)
    dripping = await ask(policy(endpoint, timeout=0.5))
    endpoint.script = lambda request: Reply(pieces=itertools.repeat(b"x" * 65536))
    endless = await ask(policy(endpoint, max_answer_bytes=20_000))
    assert dripping.problem is not None
    assert endless.problem is not None
    assert (dripping.problem.kind, endless.problem.kind) == (FailureKind.TIMEOUT, FailureKind.TOO_LARGE)
    assert "raise max_answer_bytes" in str(endless.error)


async def test_a_passing_rate_limit_is_waited_for(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = scripted.in_turn(scripted.rate_limited("0.01"), scripted.default_script)
    assert (await ask(policy(endpoint))).error is None
    assert endpoint.count() == 2


@pytest.mark.parametrize("status", [401, 404])
async def test_an_endpoint_that_refuses_everybody_is_named_without_its_key(
    endpoint: ScriptedEndpoint, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_KEY", "very-secret")
    endpoint.script = scripted.status(status, message="not for very-secret")
    with pytest.raises(EndpointError, match=f"127.0.0.1:{endpoint.port}") as caught:
        await ask(policy(endpoint, api_key_env="POLICY_KEY"))
    assert "very-secret" not in str(caught.value)
    assert endpoint.requests[0].headers["authorization"] == "Bearer very-secret"


async def test_an_unset_key_is_told_before_anything_is_sent(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(SettingsError, match="MISSING_KEY"):
        await ask(policy(endpoint, api_key_env="MISSING_KEY"))
    assert endpoint.count() == 0


async def test_concurrency_is_bounded(endpoint: ScriptedEndpoint) -> None:
    narrow = policy(endpoint, concurrency=3)
    await asyncio.gather(*(ask(narrow, seed=seed) for seed in range(20)))
    assert endpoint.most_at_once <= 3


async def test_nothing_blocks_the_callers_loop(endpoint: ScriptedEndpoint) -> None:
    with blockbuster_ctx():
        assert (await ask(policy(endpoint))).error is None


def test_it_works_from_one_event_loop_after_another(endpoint: ScriptedEndpoint) -> None:
    assert [asyncio.run(ask(policy(endpoint))).error for _ in range(2)] == [None, None]
