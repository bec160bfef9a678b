"""Many awaits at once, where the first failure stops the rest and is raised as itself."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all of `work` side by side; when one fails the others are cancelled and its error is raised plainly."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
