"""Work done side by side fails as one plain error."""

import asyncio

import pytest

from rlhf.nodes.concurrency import together
from rlhf.state.errors import EndpointError


async def test_all_of_the_work_is_done() -> None:
    done = []

    async def one(number: int) -> None:
        done.append(number)

    await together(one(number) for number in range(5))
    assert sorted(done) == [0, 1, 2, 3, 4]


async def test_the_first_failure_is_raised_as_itself_and_stops_the_rest() -> None:
    stopped = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    async def fails() -> None:
        raise EndpointError("down")

    with pytest.raises(EndpointError, match="down"):
        await together([waits(), fails()])
    assert stopped.is_set()
