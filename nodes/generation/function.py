"""Candidate responses from a caller's own function: what it raises or leaves out is a failed response, never a stop."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.endpoints.complaint import without_keys
from rlhf.nodes.generation.generated import Generated
from rlhf.nodes.services import Respond
from rlhf.state.conversation import Asked
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import checked_text


def answering(respond: Respond, concurrency: int) -> Callable[[Asked, int], Awaitable[Generated]]:
    """`respond` as a writer of responses: at most `concurrency` calls at once, plain functions in threads."""
    room = asyncio.Semaphore(concurrency)

    async def write(asked: Asked, seed: int) -> Generated:
        async with room:
            return await _answered(respond, asked)

    return write


async def _answered(respond: Respond, asked: Asked) -> Generated:
    try:
        value = await called(respond, asked)
        return Generated(text=checked_text("the function", "response", value, may_be_empty=True))
    except InputError as error:
        return Generated(error=str(error))
    except Exception as error:  # whatever a caller's model raises is this response's failure, with its reason
        told = " ".join(str(error).split())[:200]
        return Generated(error=without_keys(f"{type(error).__name__}{': ' + told if told else ''}", None))


async def called(function: Callable[..., object], *arguments: object) -> object:
    """What a caller's function brings, plain or asynchronous, without blocking the loop.

    A plain one runs in a thread, where it may use this library's plain methods. If it tries to end the
    program a RuntimeError says so: on a loop, SystemExit would end everybody's work without a word.
    """
    call = _Call(function, arguments)
    try:
        value = await in_thread(call)
        return await value if inspect.isawaitable(value) else value
    except asyncio.CancelledError:
        call.give_up()
        raise
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the function tried to end the program ({type(error).__name__})") from error


class _Call:
    """A call whose coroutine is closed if nobody will await it any more: its thread outlives a cancelled await."""

    def __init__(self, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self._lock = threading.Lock()
        self._given_up = False
        self._value: object = None

    def __call__(self) -> object:
        value = self._function(*self._arguments)
        with self._lock:
            self._value = value
            if self._given_up:
                self._close()
        return value

    def give_up(self) -> None:
        """Nobody waits: close what there is, or what the thread still brings."""
        with self._lock:
            self._given_up = True
            self._close()

    def _close(self) -> None:
        # An awaited coroutine that was cancelled has ended: closing it again does nothing.
        if inspect.iscoroutine(self._value):
            self._value.close()
