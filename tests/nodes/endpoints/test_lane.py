"""Order, concurrency, rate limits, retries and the circuit breaker of one endpoint."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from rlhf.nodes.endpoints.lane import Lane, Patience
from rlhf.nodes.endpoints.problem import Problem
from rlhf.state.errors import EndpointError
from rlhf.state.records import FailureKind
from tests.nodes.conftest import HASTE


@dataclass(frozen=True)
class Outcome:
    problem: Problem | None = None


FINE = Outcome()


def bad(kind: FailureKind, **details: object) -> Outcome:
    return Outcome(Problem.model_validate({"kind": kind, "message": f"It is {kind}.", **details}))


class Server:
    """Answers by a list of outcomes, the last one for ever."""

    def __init__(self, outcomes: Sequence[Outcome] = (FINE,)) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[str] = []
        self.now = self.most = 0

    async def call(self, name: str = "") -> Outcome:
        self.calls.append(name)
        outcome = self.outcomes[min(len(self.calls), len(self.outcomes)) - 1]
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return outcome


async def test_no_more_calls_than_allowed_are_under_way() -> None:
    lane, server = Lane(3, HASTE), Server()
    await asyncio.gather(*(lane.run(str(number), server.call) for number in range(20)))
    assert (server.most, len(server.calls)) == (3, 20)


async def test_calls_of_one_response_go_back_to_back() -> None:
    lane, server = Lane(1, HASTE), Server()

    async def go(group: str, name: str) -> None:
        await lane.run(group, lambda: server.call(group + name))

    await asyncio.gather(*(go(group, name) for name in "123" for group in "abc"))
    assert server.calls == ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        (FailureKind.RATE_LIMITED, 6),
        (FailureKind.ENDPOINT_ERROR, 4),
        (FailureKind.TIMEOUT, 2),
        (FailureKind.UNPARSABLE, 1),
        (FailureKind.REFUSED, 1),
        (FailureKind.OUT_OF_RANGE, 1),
    ],
)
async def test_each_failure_has_its_number_of_tries(kind: FailureKind, tries: int) -> None:
    server = Server([bad(kind)])
    outcome = await Lane(2, HASTE).run("", server.call)
    assert outcome.problem is not None
    assert (outcome.problem.kind, len(server.calls)) == (kind, tries)


async def test_a_retry_may_succeed() -> None:
    server = Server([bad(FailureKind.ENDPOINT_ERROR), bad(FailureKind.TIMEOUT), FINE])
    patience = Patience(first_wait=0.001, longest_wait=0.002, timeout_tries=3)
    assert await Lane(2, patience).run("", server.call) is FINE


async def test_a_final_problem_is_not_tried_again() -> None:
    server = Server([bad(FailureKind.ENDPOINT_ERROR, final=True)])
    await Lane(2, HASTE).run("", server.call)
    assert len(server.calls) == 1


async def test_a_rate_limit_slows_everybody_down_and_nobody_is_lost() -> None:
    lane = Lane(8, HASTE)
    server = Server([bad(FailureKind.RATE_LIMITED, retry_after=0.02)] * 3 + [FINE])
    outcomes = await asyncio.gather(*(lane.run(str(number), server.call) for number in range(20)))
    assert outcomes == [FINE] * 20
    assert len(server.calls) == 23


async def test_an_unbearable_retry_after_ends_the_tries() -> None:
    server = Server([bad(FailureKind.RATE_LIMITED, retry_after=86_400.0)])
    outcome = await Lane(2, HASTE).run("", server.call)
    assert outcome.problem is not None
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_endpoint_that_refuses_everybody_fails_all_at_once(status: int) -> None:
    lane, server = Lane(1, HASTE), Server([bad(FailureKind.ENDPOINT_ERROR, status=status, final=True)])
    results = await asyncio.gather(*(lane.run(str(n), server.call) for n in range(9)), return_exceptions=True)
    assert all(isinstance(result, EndpointError) for result in results)
    assert len(server.calls) == 1


async def test_the_breaker_ends_a_run_whose_endpoint_is_down_and_lets_a_later_one_try() -> None:
    lane, server = Lane(4, HASTE), Server([bad(FailureKind.ENDPOINT_ERROR)])
    results = await asyncio.gather(
        *(lane.run(str(n), server.call) for n in range(100)), return_exceptions=True
    )
    errors = [result for result in results if isinstance(result, EndpointError)]
    assert errors
    assert "20 failed calls in a row" in str(errors[0])
    assert len(server.calls) < 30
    server.outcomes = [FINE]
    assert await lane.run("later", server.call) is FINE


async def test_a_success_in_between_keeps_the_breaker_closed() -> None:
    server = Server(([bad(FailureKind.ENDPOINT_ERROR)] * 3 + [FINE]) * 50)
    lane = Lane(1, HASTE)
    for number in range(30):
        assert await lane.run(str(number), server.call) is FINE


async def test_a_cancelled_call_gives_its_place_back() -> None:
    lane, server = Lane(1, HASTE), Server()
    stuck = asyncio.create_task(lane.run("stuck", lambda: asyncio.sleep(3600, FINE)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(lane.run("waiting", server.call))
    behind = asyncio.create_task(lane.run("behind", server.call))
    await asyncio.sleep(0)
    waiting.cancel()
    stuck.cancel()
    assert await behind is FINE
    assert len(server.calls) == 1


async def test_a_burst_of_rate_limits_is_one_event_and_forgotten_after_a_few_round_trips() -> None:
    """Thirty-two calls refused at once: 25 go on at once, and soon 32 again (before, one after the other)."""
    burst = [bad(FailureKind.RATE_LIMITED, retry_after=0.01)] * 32
    lane, server = Lane(32, HASTE), Server([*burst, FINE])
    await asyncio.gather(*(lane.run(str(number), server.call) for number in range(32)))
    server.most = 0
    await asyncio.gather(*(lane.run(f"then {number}", server.call) for number in range(33)))
    assert server.most >= 25
    await asyncio.gather(*(lane.run(f"and {number}", server.call) for number in range(32 * 4)))
    server.most = 0
    await asyncio.gather(*(lane.run(f"last {number}", server.call) for number in range(40)))
    assert server.most == 32


@pytest.mark.parametrize("kind", [FailureKind.REFUSED, FailureKind.TOO_LONG])
async def test_a_fault_of_the_input_never_brings_the_endpoint_down(kind: FailureKind) -> None:
    lane, server = Lane(4, HASTE), Server([bad(kind, status=400, final=True)])
    outcomes = await asyncio.gather(*(lane.run(str(number), server.call) for number in range(60)))
    assert [outcome.problem is not None for outcome in outcomes] == [True] * 60
    assert len(server.calls) == 60
