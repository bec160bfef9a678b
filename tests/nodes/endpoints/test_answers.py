"""Every row of the table of scripted answers, met over HTTP by the real crews; and the policy's share of it."""

import asyncio
import re
import time
from collections import Counter
from typing import Any

import pytest

from rlhf.nodes.crews.pool import CrewPool
from rlhf.nodes.crews.requests import JudgeReply
from rlhf.nodes.generation.chat import chat
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import EndpointError
from tests.nodes.conftest import HASTE, Ask
from tests.nodes.endpoints.table import SPREAD, Row, answering, replying, rows, value_at
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint

SHAPES, AMBIGUOUS = rows("shapes"), rows("ambiguous")
FORMS, REFUSALS = rows("negotiation"), rows("refusals")

EXPECTED = 20 * sum(int(level) * share for level, share in SPREAD.items())


def named(table: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", table, ids=[row.id for row in table])


def test_the_table_has_no_row_twice_and_says_where_each_is_from() -> None:
    ids = Counter((row.file, row.id) for row in [*SHAPES, *AMBIGUOUS, *FORMS, *REFUSALS])
    assert max(ids.values()) == 1
    for row in [*SHAPES, *AMBIGUOUS, *FORMS, *REFUSALS]:
        assert re.fullmatch(r"own|protocol|[\w.-]+/[\w.-]+#\d+", row.values["source"]), row.id
        assert row.values["provider"]


@named(SHAPES)
async def test_an_unambiguous_shape_scores_as_the_plain_one_without_a_further_call(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, row: Row
) -> None:
    style = "compact" if row.compact else "full"
    endpoint.script = answering(row, logprobs=False)
    reply = await pool.judge(ask(model=row.id, style=style))
    assert (reply.status, reply.error, reply.score, reply.method) == ("scored", None, 80.0, "level")
    assert (endpoint.count(), reply.replaced) == (1, row.values.get("replaced", 0))
    reply.model_dump_json().encode()
    if row.values.get("plain"):
        return  # its level stands nowhere that tokens could be found
    endpoint.script = answering(row, logprobs=True)
    reply = await pool.judge(ask(model=row.id, style=style))
    assert reply.method == "logprobs"
    assert reply.score == pytest.approx(EXPECTED)
    assert endpoint.count() == 2


@named(AMBIGUOUS)
async def test_an_ambiguous_answer_is_a_failed_verdict_with_its_reason(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, row: Row
) -> None:
    endpoint.script = answering(row, logprobs=False)
    reply = await pool.judge(ask(model=row.id, style="compact" if row.compact else "full"))
    check_failed(reply, row.values)
    assert endpoint.count() == row.values.get("calls", 2)


@named([*FORMS, *REFUSALS])
async def test_a_server_is_negotiated_with_waited_for_or_given_up_for_its_reason(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, row: Row
) -> None:
    expected = row.values["expect"]
    moments: list[float] = []

    def script(request: Request) -> Reply:
        moments.append(time.monotonic())
        return replying(row)(request)

    endpoint.script = script
    asked = ask(model=row.id, **row.values.get("endpoint", {}))
    if "error" in expected:
        with pytest.raises(EndpointError, match=expected["error"]):
            await pool.judge(asked)
        assert endpoint.count() == expected["calls"]
        return
    reply = await pool.judge(asked)
    assert (endpoint.count(), reply.usage.calls) == (expected["calls"], expected["calls"])
    if "failed" in expected:
        check_failed(reply, expected)
        return
    assert (reply.status, reply.error, reply.score) == ("scored", None, expected["score"])
    if "waited" in expected:
        assert moments[1] - moments[0] >= expected["waited"]
    check_form(endpoint.calls[-1], expected)
    if "calls_later" in expected:
        # Several questions at once, twice: both workers of the pool have to have learnt.
        for _ in range(2):
            replies = await asyncio.gather(*(pool.judge(ask(number, model=row.id)) for number in range(4)))
        assert {each.score for each in replies} == {expected["score"]}
        assert sum(each.usage.calls for each in replies) == 4 * expected["calls_later"]


@named([row for row in [*FORMS, *REFUSALS] if "temperature" in str(row.values) or row.file == "refusals"])
async def test_the_policy_meets_the_same_servers_in_the_same_way(
    endpoint: ScriptedEndpoint, row: Row
) -> None:
    expected = row.values["expect"]
    endpoint.script = replying(row)
    policy = Endpoint(
        provider="vllm", model=f"policy {row.id}", base_url=endpoint.base_url, timeout=30.0, temperature=0.8
    )
    if "error" in expected:
        with pytest.raises(EndpointError, match=expected["error"]):
            await chat(policy, "Split $1M.", 1, HASTE)
        return
    generated = await chat(policy, "Split $1M.", 1, HASTE)
    if generated.problem is not None:
        assert (generated.problem.kind, generated.text) == (expected.get("failed"), "")
        assert re.search(expected.get("says", ""), generated.problem.message)
    else:
        assert "score" in expected
        assert '"level": 4' in generated.text
    assert generated.calls == endpoint.count()


def check_failed(reply: JudgeReply, expected: dict[str, Any]) -> None:
    assert (reply.status, reply.failure) == ("failed", expected["failed"])
    assert (reply.score, reply.confidence, reply.method) == (None, None, None)
    assert reply.error is not None
    assert re.search(expected["says"], reply.error)


def check_form(body: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in expected.get("sent", []):
        assert value_at(body, name) is not None, name
    for name in expected.get("not_sent", []):
        assert value_at(body, name) is None, name
    for name, value in expected.get("values", {}).items():
        assert value_at(body, name) == value
