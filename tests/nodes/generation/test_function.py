"""A caller's own function as a writer of responses: what is cancelled leaves nothing half begun behind."""

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from rlhf.nodes.generation.function import called


def test_a_call_that_is_cancelled_leaves_no_coroutine_that_nobody_awaits() -> None:
    began, go_on = threading.Event(), threading.Event()
    brought: list[Coroutine[Any, Any, str]] = []

    async def answer() -> str:
        return "never reached"

    def function() -> Coroutine[Any, Any, str]:
        began.set()
        assert go_on.wait(30)
        brought.append(answer())
        return brought[0]

    async def cancelled() -> None:
        work = asyncio.create_task(called(function))
        await asyncio.to_thread(began.wait, 30)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        go_on.set()

    asyncio.run(cancelled())  # the end of the loop waits for its threads
    assert [inspect.getcoroutinestate(each) for each in brought] == [inspect.CORO_CLOSED]


def test_a_call_that_is_cancelled_just_when_its_coroutine_is_there_closes_it() -> None:
    brought: list[Coroutine[Any, Any, None]] = []

    async def main() -> None:
        async def answer() -> None:
            raise AssertionError("cancelled before it began")

        def function() -> Coroutine[Any, Any, None]:
            # Before the loop can take what this thread brings, it is told to cancel.
            loop.call_soon_threadsafe(work.cancel)
            brought.append(answer())
            return brought[0]

        loop = asyncio.get_running_loop()
        work = asyncio.create_task(called(function))
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(main())
    assert [inspect.getcoroutinestate(each) for each in brought] == [inspect.CORO_CLOSED]
