"""The embedded judge for real: llama.cpp, the packaged model, a handful of compact verdicts."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rlhf.nodes.crews.embedded import KEY_VARIABLE, EmbeddedServer
from rlhf.nodes.crews.pool import CrewPool
from rlhf.state.endpoints import Endpoint
from tests.nodes.conftest import Ask

LOCAL = Endpoint(provider="local", model="SmolLM2-135M-Instruct", concurrency=2)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with EmbeddedServer(LOCAL, tmp_path_factory.mktemp("embedded") / "server.log") as server:
        yield server.start()


async def test_the_embedded_judge_weighs_all_levels(pool: CrewPool, ask: Ask, embedded: Endpoint) -> None:
    requests = [
        ask(1, name, style="compact", **embedded.model_dump())
        for name in ("accuracy", "clarity", "compliance")
    ]
    replies = await asyncio.gather(*map(pool.judge, requests))
    assert [(reply.status, reply.method) for reply in replies] == [("scored", "logprobs")] * 3
    assert all(reply.usage.output_tokens == 1 for reply in replies)
    again = await pool.judge(requests[0])
    assert again.score == pytest.approx(replies[0].score, abs=2.0), (
        "the cached prefix rounds differently, no more"
    )


def test_the_server_wants_its_key_and_listens_on_loopback_only(embedded: Endpoint) -> None:
    assert embedded.base_url is not None
    assert embedded.base_url.startswith("http://127.0.0.1:")
    question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    key = {"Authorization": f"Bearer {os.environ[KEY_VARIABLE]}"}
    statuses = [
        httpx.post(f"{embedded.base_url}/chat/completions", json=question, headers=headers).status_code
        for headers in ({}, {"Authorization": "Bearer guess"}, key)
    ]
    assert statuses == [401, 401, 200]


def test_start_is_idempotent_and_close_ends_the_child(tmp_path: Path) -> None:
    server = EmbeddedServer(LOCAL, tmp_path / "server.log")
    first = server.start()
    assert server.start() == first
    server.close()
    server.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{first.base_url}/models")
