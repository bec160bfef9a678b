"""Models of other protocols: Anthropic's own, spoken by the real langchain-anthropic against a scripted server."""

from collections.abc import Iterator
from typing import Any

import pytest

from rlhf.nodes.crews.pool import CrewPool
from rlhf.nodes.crews.requests import JudgeRequest
from rlhf.nodes.endpoints.foreign import check_installed
from rlhf.nodes.generation.chat import chat
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import EndpointError, SettingsError
from rlhf.state.providers import LANGCHAIN, PROVIDERS
from rlhf.state.records import FailureKind
from tests.nodes.conftest import HASTE, Ask
from tests.scripted_endpoint import Reply, Request, Script, ScriptedEndpoint

VERDICT = {"rationale": "Sound.", "strengths": ["Short."], "weaknesses": [], "level": 4}


@pytest.fixture
def claude() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "an-anthropic-key")


def message(*content: dict[str, Any], stop: str = "end_turn", status: int = 200) -> Script:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 30, "output_tokens": 12},
    }
    return lambda request: Reply(body, status)


def verdict(**changes: Any) -> Script:
    return message(
        {"type": "thinking", "thinking": "Level 2?", "signature": "x"},
        {"type": "tool_use", "id": "toolu_1", "name": "verdict", "input": VERDICT | changes},
        stop="tool_use",
    )


def error(status: int, kind: str, text: str, headers: dict[str, str] | None = None) -> Script:
    body = {"type": "error", "error": {"type": kind, "message": text}}
    return lambda request: Reply(body, status, headers or {})


def asked(ask: Ask, claude: ScriptedEndpoint, **changes: Any) -> JudgeRequest:
    address = f"http://127.0.0.1:{claude.port}"
    settings = {"provider": "anthropic", "model": "claude-x", "base_url": address}
    return ask(**{**settings, "api_key_env": "ANTHROPIC_API_KEY", **changes})


async def test_a_verdict_comes_by_tool_call_through_the_same_crews(
    pool: CrewPool, claude: ScriptedEndpoint, ask: Ask
) -> None:
    claude.script = verdict()
    reply = await pool.judge(asked(ask, claude))
    assert (reply.status, reply.error, reply.score, reply.rationale) == ("scored", None, 80.0, "Sound.")
    assert (reply.usage.calls, reply.usage.input_tokens, reply.usage.output_tokens) == (1, 30, 12)
    [request] = claude.requests
    assert request.path == "/v1/messages"
    told = request.headers.get("x-api-key") or request.headers.get("authorization")
    assert told is not None
    assert told.removeprefix("Bearer ") == "an-anthropic-key"
    assert request.body["tool_choice"] == {"type": "tool", "name": "verdict"}
    assert (request.body["max_tokens"], request.body["temperature"]) == (512, 0.0)
    assert request.body["system"]


@pytest.mark.parametrize(
    ("script", "kind", "calls", "says"),
    [
        (error(529, "overloaded_error", "Overloaded"), FailureKind.ENDPOINT_ERROR, 4, "Overloaded"),
        (error(429, "rate_limit_error", "Number of requests"), FailureKind.RATE_LIMITED, 6, "Number of"),
        (error(500, "api_error", "Internal"), FailureKind.ENDPOINT_ERROR, 4, "Internal"),
        (
            error(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
            FailureKind.TOO_LONG,
            1,
            "250000",
        ),
        (message(stop="refusal"), FailureKind.REFUSED, 1, "refusal"),
        (verdict(level=9), FailureKind.OUT_OF_RANGE, 2, "not one of 0 to 5"),
        (
            message({"type": "text", "text": "Four of five."}),
            FailureKind.UNPARSABLE,
            2,
            "keys asked for",
        ),
        (
            message({"type": "text", "text": '{"level":'}, stop="max_tokens"),
            FailureKind.UNPARSABLE,
            2,
            "raise judge.max_tokens",
        ),
    ],
)
async def test_failures_are_the_same_kinds(
    pool: CrewPool,
    claude: ScriptedEndpoint,
    ask: Ask,
    script: Script,
    kind: FailureKind,
    calls: int,
    says: str,
) -> None:
    claude.script = script
    reply = await pool.judge(asked(ask, claude, model=f"claude {kind} {says}"))
    assert (reply.status, reply.failure, claude.count()) == ("failed", kind, calls)
    assert reply.error is not None
    assert says in reply.error
    assert "an-anthropic-key" not in reply.error


async def test_a_rate_limit_is_waited_for_and_a_temperature_that_is_not_taken_left_out(
    pool: CrewPool, claude: ScriptedEndpoint, ask: Ask
) -> None:
    refused = error(400, "invalid_request_error", "`temperature` is not supported with this model.")
    slow = error(429, "rate_limit_error", "slow", {"retry-after": "0.01"})

    def script(request: Request) -> Reply:
        if request.number == 1:
            return slow(request)
        return (refused if "temperature" in request.body else verdict())(request)

    claude.script = script
    for _ in range(2):
        assert (await pool.judge(asked(ask, claude, model="claude-hot", concurrency=1))).score == 80.0
    hot = ["temperature" in call for call in claude.calls]
    assert hot[:3] == [True, True, False], "waited for, sent again, then sent without it"
    # The second is sent without it too, be it by a worker that has to find that out for itself.
    assert hot.count(False) == 2
    assert not hot[-1]


async def test_a_wrong_key_ends_the_run_with_the_variables_name(
    pool: CrewPool, claude: ScriptedEndpoint, ask: Ask
) -> None:
    claude.script = error(401, "authentication_error", "invalid x-api-key")
    with pytest.raises(EndpointError, match=r"invalid x-api-key; check ANTHROPIC_API_KEY"):
        await pool.judge(asked(ask, claude))


async def test_a_redirect_is_never_followed(pool: CrewPool, claude: ScriptedEndpoint, ask: Ask) -> None:
    with ScriptedEndpoint(verdict()) as thief:
        there = {"Location": f"http://localhost:{thief.port}/v1/messages"}
        claude.script = lambda request: Reply(b"", 307, there)
        with pytest.raises(EndpointError):
            await pool.judge(asked(ask, claude, model="claude-moved"))
        assert thief.count() == 0


async def test_the_policy_is_asked_the_same_way(claude: ScriptedEndpoint) -> None:
    claude.script = message(
        {"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "A plan."}
    )
    policy = Endpoint(
        provider="anthropic",
        model="claude-x",
        base_url=f"http://127.0.0.1:{claude.port}",
        api_key_env="ANTHROPIC_API_KEY",
        temperature=0.8,
        max_tokens=77,
        extra_body={"top_p": 0.9},
    )
    generated = await chat(policy, "Split $1M.", 5, HASTE)
    assert (generated.text, generated.error, generated.finish_reason) == ("A plan.", None, "end_turn")
    assert (generated.input_tokens, generated.output_tokens, generated.calls) == (30, 12, 1)
    assert (claude.calls[0]["max_tokens"], claude.calls[0]["top_p"]) == (77, 0.9)


def test_a_package_that_is_not_installed_is_named_with_the_line_to_paste() -> None:
    with pytest.raises(SettingsError, match=r"pip install 'rlhf-graph\[bedrock\]'"):
        check_installed(Endpoint(provider="bedrock", model="anthropic.claude-x"))


def test_every_other_name_is_one_that_langchain_knows() -> None:
    from langchain.chat_models.base import _BUILTIN_PROVIDERS

    ours = {provider.langchain for provider in PROVIDERS.values() if provider.langchain}
    assert ours | LANGCHAIN.keys() <= _BUILTIN_PROVIDERS.keys()
    for name, module in LANGCHAIN.items():
        assert _BUILTIN_PROVIDERS[name][0].startswith(module)
