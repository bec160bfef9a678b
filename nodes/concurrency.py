"""Threads and loops: blocking work beside the loop, a loop in a thread of its own, many awaits that fail as one."""

import asyncio
import atexit
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Closing(ABC):
    """Something that is closed after use, by hand or at the end of a with-block."""

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Background:
    """Runs coroutines for callers on any thread and loop, until `close` or the end of the process."""

    def __init__(self, name: str, farewell: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """`farewell` is run on the loop last of all, for what has to be closed there."""
        self._farewell = farewell
        # Not asyncio.new_event_loop: a server may have set a policy whose loops differ.
        self._loop = asyncio.SelectorEventLoop() if os.name == "posix" else asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self.closed = False
        atexit.register(self.close)

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await `work` on the background loop, in the caller's context; cancelling the await cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run `work` on the background loop, in the caller's context, and block until it is done.

        An interrupt (Ctrl-C) cancels it. Not to be called on the background loop itself.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def cancel_all(self) -> None:
        """Cancel what is under way and wait until it has ended. Blocks."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()

    def close(self) -> None:
        """Cancel what is under way and end the thread. Blocks for a moment; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        atexit.unregister(self.close)
        self.cancel_all()
        if self._farewell is not None:
            asyncio.run_coroutine_threadsafe(self._farewell(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run blocking work beside the event loop: files and SQLite may not block a server's loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all of `work` side by side; when one fails the others are cancelled and its error is raised plainly."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
