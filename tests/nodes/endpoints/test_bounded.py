"""A call is bounded as a whole: its time, the bytes of its answer, whatever drips, swells or never ends."""

import gzip
import itertools
import json
import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from rlhf.nodes.endpoints.bounded import read_body
from rlhf.nodes.endpoints.protocol import CallFailed, Rejected, new_client, send
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import FailureKind
from tests.scripted_endpoint import Reply, Request, Script, ScriptedEndpoint, default_script

ASKED = {"messages": [{"role": "user", "content": "Plan."}]}
EVENTS = {"Content-Type": "text/event-stream"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_client("http://127.0.0.1") as client:
        yield client


def at(server: ScriptedEndpoint, **changes: float) -> Endpoint:
    return Endpoint.model_validate(
        {"provider": "vllm", "model": "scripted", "base_url": server.base_url, "timeout": 60.0, **changes}
    )


def dripping(piece: bytes, headers: dict[str, str] | None = None) -> Script:
    """A byte now and then: each read succeeds long before any limit for reads."""
    return lambda request: Reply(headers=headers or {}, pieces=itertools.repeat(piece), pause=0.02)


def endless(piece: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Script:
    return lambda request: Reply(b"", status, headers or {}, pieces=itertools.repeat(piece))


def bomb(compress: Callable[[bytes], bytes], encoding: str, status: int = 200) -> Script:
    packed = compress(b" " * 64 * 2**20)
    return lambda request: Reply(packed, status, {"Content-Encoding": encoding})


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(dripping(b" "), id="a blank at a time"),
        pytest.param(dripping(b": keep-alive\n\n", EVENTS), id="a relay that only keeps the line open"),
        pytest.param(
            dripping(b'data: {"choices":[{"delta":{"content":"\\n"}}]}\n\n', EVENTS), id="line ends for ever"
        ),
    ],
)
async def test_a_byte_now_and_then_does_not_prolong_a_call(client: httpx.AsyncClient, script: Script) -> None:
    with ScriptedEndpoint(script) as server:
        with pytest.raises(CallFailed, match=r"did not answer within 0\.5 s") as caught:
            await send(client, at(server, timeout=0.5), ASKED)
        assert caught.value.problem.kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(endless(b"x" * 65536), id="no end"),
        pytest.param(endless(b'data: {"choices":[]}\n\n' * 999, headers=EVENTS), id="events without end"),
        pytest.param(bomb(gzip.compress, "gzip"), id="gzip bomb"),
        pytest.param(bomb(zlib.compress, "deflate"), id="deflate bomb"),
        pytest.param(bomb(raw_deflate, "deflate"), id="bare deflate bomb"),
    ],
)
async def test_an_answer_beyond_its_bytes_is_not_read_on(client: httpx.AsyncClient, script: Script) -> None:
    with ScriptedEndpoint(script) as server:
        with pytest.raises(CallFailed, match=r"more than 20,000 bytes: lower max_tokens, or raise") as caught:
            await send(client, at(server, max_answer_bytes=20_000), ASKED)
        assert (caught.value.problem.kind, caught.value.problem.final) == (FailureKind.TOO_LARGE, True)


@pytest.mark.parametrize("script", [endless(b"overloaded ", 500), bomb(gzip.compress, "gzip", 500)])
async def test_a_refusal_is_read_at_its_beginning_alone(client: httpx.AsyncClient, script: Script) -> None:
    with ScriptedEndpoint(script) as server:
        with pytest.raises(CallFailed, match="HTTP 500") as caught:
            await send(client, at(server), ASKED)
        assert caught.value.problem.kind is FailureKind.ENDPOINT_ERROR
        assert len(caught.value.problem.message) < 500


async def test_an_endless_complaint_about_the_form_still_teaches(client: httpx.AsyncClient) -> None:
    start = b"Unsupported parameter: logprobs. "
    with (
        ScriptedEndpoint(lambda request: Reply(start, 400, pieces=itertools.repeat(start))) as server,
        pytest.raises(Rejected) as caught,
    ):
        await send(client, at(server), ASKED)
    assert caught.value.complaint.says("logprobs")


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (gzip.compress, "gzip"),
        (gzip.compress, "x-gzip"),
        (zlib.compress, "deflate"),
        (raw_deflate, "deflate"),
    ],
)
async def test_compressed_answers_are_read_as_before(
    client: httpx.AsyncClient, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    def packed(request: Request) -> Reply:
        return Reply(
            pack(json.dumps(default_script(request).body).encode()), headers={"Content-Encoding": encoding}
        )

    with ScriptedEndpoint(packed) as server:
        completion = await send(client, at(server), ASKED)
    assert completion.choice["message"]["content"].startswith("Plan")
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (raw_deflate, "deflate")]
)
async def test_a_compressed_body_may_come_a_byte_at_a_time(
    pack: Callable[[bytes], bytes], encoding: str
) -> None:
    async def bytewise() -> AsyncIterator[bytes]:
        for byte in pack(b"Plan. " * 100):
            yield bytes([byte])

    answer = httpx.Response(200, headers={"Content-Encoding": encoding}, content=bytewise())
    assert await read_body(answer, 1000) == b"Plan. " * 100


@pytest.mark.parametrize(
    ("body", "encoding", "told"),
    [
        (b"\x1f\x8bnonsense", "gzip", "broken"),
        (b"anything", "br", "not asked for"),
        (b"x", "gzip, gzip", "not asked"),
    ],
)
async def test_what_cannot_be_unpacked_is_an_endpoints_fault(
    client: httpx.AsyncClient, body: bytes, encoding: str, told: str
) -> None:
    with (
        ScriptedEndpoint(lambda request: Reply(body, headers={"Content-Encoding": encoding})) as server,
        pytest.raises(CallFailed, match=told) as caught,
    ):
        await send(client, at(server), ASKED)
    assert caught.value.problem.kind is FailureKind.ENDPOINT_ERROR
    assert not caught.value.problem.final
