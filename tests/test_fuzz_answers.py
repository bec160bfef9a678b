"""Whatever a provider answers is a completion that can be read, or a failure said in one plain line."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st

from rlhf.nodes.crews.levels import scored
from rlhf.nodes.crews.readings import read_choice, read_combined
from rlhf.nodes.crews.requests import JudgeReply
from rlhf.nodes.crews.shapes import Unreadable
from rlhf.nodes.endpoints.protocol import CallFailed, Rejected, send
from rlhf.state.endpoints import Endpoint
from tests.fuzzing import as_json, assert_plain, mutated, refusal, scratched, shares, tried

VERDICT = {"level": 4, "strengths": ["exact"], "weaknesses": [], "rationale": "It adds up."}
TOKENS = [{"token": "4", "logprob": -0.1, "top_logprobs": [{"token": "4", "logprob": -0.1}]}]


def completion(message: Mapping[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": TOKENS}}
    return {
        "object": "chat.completion",
        "choices": [choice],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    }


def events(*deltas: Mapping[str, Any]) -> list[Any]:
    return [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]


COMPLETIONS = [
    completion({"role": "assistant", "content": json.dumps(VERDICT)}),
    completion({"content": [{"type": "text", "text": json.dumps({"accuracy": VERDICT})}]}),
    completion({"tool_calls": [{"function": {"name": "verdict", "arguments": json.dumps(VERDICT)}}]}),
    completion({"content": "<think>Hm.</think>```json\n" + json.dumps(VERDICT) + "\n```"}),
    {"error": {"message": "Rate limit reached, try again in 2s", "code": "429", "metadata": {"raw": "{}"}}},
    {"object": "error", "message": "no such model", "detail": [{"loc": ["body", "seed"], "msg": "unknown"}]},
]
STREAM = [
    *events(
        {"role": "assistant", "content": ""}, {"content": "4"}, {"tool_calls": [{"index": 0, "function": {}}]}
    ),
    {
        "choices": [{"finish_reason": "stop", "logprobs": {"content": TOKENS}}],
        "usage": {"completion_tokens": 3},
    },
]


@shares(30_000)
@pytest.mark.parametrize("form", ["json", "stream", "text"])
def test_a_providers_answer_is_a_completion_or_a_failure(form: str, examples: int) -> None:
    endpoint = Endpoint(provider="vllm", model="m", base_url="http://127.0.0.1:1/v1")
    bodies: dict[str, st.SearchStrategy[str]] = {
        "json": mutated(st.sampled_from(COMPLETIONS)).map(as_json),
        "stream": mutated(st.just(STREAM)).map(as_stream),
        "text": scratched(st.sampled_from([as_json(each) for each in COMPLETIONS] + [as_stream(STREAM)])),
    }
    statuses = st.sampled_from([200, 200, 200, 200, 302, 400, 422, 429, 500, 503])
    headers = st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-reset", "location"]), ascii_texts(), max_size=2
    )

    with asyncio.Runner() as runner:

        def holds(answer: tuple[int, dict[str, str], str]) -> None:
            runner.run(asked(endpoint, *answer))

        tried(examples // 3, st.tuples(statuses, headers, bodies[form]), holds)


def as_stream(value: Any) -> str:
    parts = value if isinstance(value, list) else [value]
    return "".join(f"data: {as_json(part)}\n\n" for part in parts) + "data: [DONE]\n\n"


def ascii_texts() -> st.SearchStrategy[str]:
    plain = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)
    return plain | st.sampled_from(
        ["2", "-1", "1e999", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400, "//[", "1m2s"]
    )


async def asked(endpoint: Endpoint, status: int, headers: dict[str, str], body: str) -> None:
    """Ask once, get this, and read from it all that is read of answers."""
    answer = httpx.MockTransport(
        lambda _: httpx.Response(
            status, headers=headers, stream=httpx.ByteStream(body.encode("utf-8", "surrogatepass"))
        )
    )
    async with httpx.AsyncClient(transport=answer) as client:
        try:
            came = await send(client, endpoint, {"model": "m", "messages": []})
        except CallFailed as failed:
            return assert_plain(failed.problem.message)
        except Rejected as rejected:
            return assert_plain(rejected.complaint.text)
    assert_plain(refusal(Unreadable, lambda: in_range(scored([read_choice(came.choice, compact=False)]))))
    assert_plain(refusal(Unreadable, lambda: in_range(scored([read_choice(came.choice, compact=True)]))))
    assert_plain(refusal(Unreadable, lambda: read_combined(came.choice, ["accuracy", "clarity"])))


def in_range(reply: JudgeReply) -> None:
    assert reply.score is not None
    assert 0 <= reply.score <= 100
