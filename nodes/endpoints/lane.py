"""The way to one endpoint: order, concurrency, rate limits, retries and the circuit breaker, in one place.

A lane belongs to one event loop.

Retries (defaults of `Patience`): rate limits up to 6 tries, errors of the endpoint and lost connections 4,
timeouts 2, everything else 1. Waits double from `first_wait` to `longest_wait`, half of them random; a
Retry-After of up to `longest_retry_after` is waited for in full, a longer one ends the tries.
"""

import asyncio
import random
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from rlhf.nodes.endpoints.limit import Limit
from rlhf.nodes.endpoints.problem import Problem
from rlhf.state.errors import EndpointError
from rlhf.state.records import FailureKind

FATAL: Final = frozenset({301, 302, 303, 307, 308, 401, 402, 403, 404})
"""Statuses after which nothing at an address can succeed: moved, wrong key, no money, unknown address or model."""


_ENDPOINTS_FAULT: Final = frozenset(
    {FailureKind.RATE_LIMITED, FailureKind.ENDPOINT_ERROR, FailureKind.TIMEOUT}
)


@dataclass(frozen=True)
class Patience:
    """How long an endpoint is borne with. Waits in seconds."""

    rate_limited_tries: int = 6
    endpoint_tries: int = 4
    timeout_tries: int = 2
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = 300.0
    breaker: int = 20
    """Failed calls in a row, with no success in between, after which the endpoint counts as down."""

    def tries(self, kind: FailureKind) -> int:
        """How often a call that fails this way is made altogether."""
        return {
            FailureKind.RATE_LIMITED: self.rate_limited_tries,
            FailureKind.ENDPOINT_ERROR: self.endpoint_tries,
            FailureKind.TIMEOUT: self.timeout_tries,
        }.get(kind, 1)

    def wait(self, failures: int) -> float:
        """Seconds before the next try after `failures` of them, half fixed and half random."""
        wait = min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 30))
        return wait * (0.5 + random.random() / 2)


class Outcome(Protocol):
    """What a try brings; `problem` is None if it succeeded."""

    @property
    def problem(self) -> Problem | None: ...


T = TypeVar("T", bound=Outcome)


class Lane:
    """Lets calls pass: at most `concurrency` at once, those of one group back to back, first come first served."""

    def __init__(self, concurrency: int, patience: Patience) -> None:
        self._patience = patience
        self._limit = Limit(concurrency)
        self._groups: Counter[str] = Counter()  # calls under way
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._opens = 0.0  # monotonic time before which nobody passes
        self._timer: asyncio.TimerHandle | None = None
        self._failures = 0  # in a row
        self._down: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, group: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make a call with as many tries as its failures deserve; the last outcome is returned, good or bad.

        A fault of the input (refused, too_long) is returned at once and counts as an answer. Raises EndpointError
        when the endpoint refuses everybody (FATAL) or has been down for `breaker` calls in a row: for this call and
        for all that wait in the lane.
        """
        down = self._down
        failures = 0
        while True:
            async with self._turn(group):
                started = time.monotonic()
                outcome = await attempt()
                problem = outcome.problem
                if problem is None or problem.kind not in _ENDPOINTS_FAULT:
                    self._answered()
                    return outcome
                failures += 1
                wait, last = self._next(problem, failures)
                self._refused(problem, wait, last, started)
            if not last and not down.done():
                await asyncio.wait([down], timeout=wait)
            if down.done():
                raise EndpointError(str(down.exception()))
            if last:
                return outcome

    @asynccontextmanager
    async def _turn(self, group: str) -> AsyncIterator[None]:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(place)
        if self._groups[group]:  # its siblings are being served: come right after them
            self._waiting.move_to_end(group, last=False)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._leave(group)
            raise
        try:
            yield
        finally:
            self._leave(group)

    def _leave(self, group: str) -> None:
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]
        self._admit()

    def _admit(self) -> None:
        """Let the next ones pass while there is room; come back later if the lane is paused."""
        while self._waiting and self._groups.total() < int(self._limit):
            pause = self._opens - time.monotonic()
            if pause > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(pause, self._reopen)
                return
            group, places = next(iter(self._waiting.items()))
            place = places.popleft()
            if not places:
                del self._waiting[group]
            if not place.done():
                self._groups[group] += 1
                place.set_result(None)

    def _reopen(self) -> None:
        self._timer = None
        self._admit()

    def _next(self, problem: Problem, failures: int) -> tuple[float, bool]:
        """Seconds until the next try, and whether there is none."""
        last = problem.final or failures >= self._patience.tries(problem.kind)
        if problem.retry_after is None:
            return self._patience.wait(failures), last
        return problem.retry_after, last or problem.retry_after > self._patience.longest_retry_after

    def _answered(self) -> None:
        self._failures = 0
        self._limit.answered()

    def _refused(self, problem: Problem, wait: float, last: bool, started: float) -> None:
        if problem.status in FATAL and problem.kind is FailureKind.ENDPOINT_ERROR:
            self._bring_down(EndpointError(problem.message))
            return
        if problem.kind is FailureKind.RATE_LIMITED:
            self._limit.refused(started)
            if wait <= self._patience.longest_retry_after:
                self._opens = max(self._opens, time.monotonic() + wait)
            if not last:
                return  # being slowed down is not being down
        self._failures += 1
        if self._failures >= self._patience.breaker:
            message = f"{problem.message} Given up after {self._failures} failed calls in a row."
            self._bring_down(EndpointError(message))

    def _bring_down(self, error: EndpointError) -> None:
        """Fail everyone in the lane, then begin anew: a later run may find the endpoint mended."""
        down, self._down = self._down, asyncio.get_running_loop().create_future()
        self._failures = 0
        down.set_exception(error)
        down.exception()  # retrieved: nobody may be left to ask
        waiting, self._waiting = self._waiting, OrderedDict()
        for places in waiting.values():
            for place in places:
                if not place.done():
                    place.set_exception(EndpointError(str(error)))
