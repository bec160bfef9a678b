"""Candidate responses from a caller's own function: what it raises or leaves out is a failed response, never a stop."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.endpoints.complaint import without_keys
from rlhf.nodes.generation.generated import Generated
from rlhf.nodes.services import Respond
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import checked_text


def answering(respond: Respond, concurrency: int) -> Callable[[str, int], Awaitable[Generated]]:
    """`respond` as a writer of responses: at most `concurrency` calls at once, plain functions in threads."""
    room = asyncio.Semaphore(concurrency)

    async def write(prompt: str, seed: int) -> Generated:
        async with room:
            return await _answered(respond, prompt)

    return write


async def _answered(respond: Respond, prompt: str) -> Generated:
    try:
        value = await called(respond, prompt)
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
    try:
        value = await in_thread(function, *arguments)
        return await value if inspect.isawaitable(value) else value
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the function tried to end the program ({type(error).__name__})") from error
