"""Answers that no protocol has: each is a failed call in one plain line."""

import json
from typing import Any

import httpx
import pytest

from rlhf.nodes.endpoints.protocol import CallFailed, send
from rlhf.state.endpoints import Endpoint

ENDPOINT = Endpoint(provider="vllm", model="m", base_url="http://127.0.0.1:1/v1")


async def failure(answer: httpx.Response) -> str:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client:
        with pytest.raises(CallFailed) as failed:
            await send(client, ENDPOINT, {"model": "m", "messages": []})
    return failed.value.problem.message


async def test_a_redirect_to_no_address_is_named() -> None:
    told = await failure(httpx.Response(302, headers={"location": "//["}, stream=httpx.ByteStream(b"")))
    assert "redirects to something that is no address (HTTP 302)" in told


@pytest.mark.parametrize(
    "part",
    [
        {"choices": [None]},
        {"choices": 4},
        {"choices": [{"delta": "4"}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": [], "function": {}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"name": 4}}]}}]},
        {"choices": [{"logprobs": {"content": 4}}]},
    ],
)
async def test_a_stream_of_other_types_is_no_completion(part: Any) -> None:
    stream = f"data: {json.dumps(part)}\n\ndata: [DONE]\n\n"
    told = await failure(httpx.Response(200, stream=httpx.ByteStream(stream.encode())))
    assert "is no chat completion" in told


@pytest.mark.parametrize("calls", [4, [None], [{"function": "verdict"}]])
async def test_calls_of_other_types_are_no_completion(calls: Any) -> None:
    body = json.dumps({"choices": [{"message": {"tool_calls": calls}}]})
    told = await failure(httpx.Response(200, stream=httpx.ByteStream(body.encode())))
    assert "is no chat completion" in told
