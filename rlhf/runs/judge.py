"""Judging finished responses outside a run: what `rlhf judge` and the Python API share."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from rlhf.progress import Follow, Progress
from rlhf.state.conversation import messages_of
from rlhf.state.graph_state import JudgeInput
from rlhf.state.records import Feedback, PromptRow

if TYPE_CHECKING:
    from rlhf.nodes.services import Services

Item = tuple[PromptRow, str]
"""A prompt and the response to it."""

_AT_ONCE = 16
"""Responses under way at once; what reaches the endpoint at once is the recipe's judge.concurrency."""


async def judged(
    services: "Services", items: Sequence[Item], at_once: int = _AT_ONCE
) -> AsyncIterator[Feedback]:
    """Feedback on each (prompt, response), in the order given; known verdicts are not asked again.

    A judge that fails is a failed dimension; EndpointError when the endpoint serves no judgement at all.
    """
    waiting: dict[int, Feedback] = {}
    turn = 0
    async for place, feedback in judged_as_they_come(services, items, at_once):
        waiting[place] = feedback
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


async def judged_as_they_come(
    services: "Services", items: Sequence[tuple[PromptRow, str]], at_once: int = _AT_ONCE
) -> AsyncIterator[tuple[int, Feedback]]:
    """As `judged`, but each with its place among the items, as soon as it is there."""
    from rlhf.graph.judge import build_judge
    from rlhf.nodes.tracing.context import traced

    graph = build_judge(services).compile(name="judge")
    room = asyncio.Semaphore(at_once)

    async def one(place: int, prompt: PromptRow, response: str) -> tuple[int, Feedback]:
        async with room:
            with traced(services.settings, lambda: {"task_type": prompt.task_type}):
                asked: JudgeInput = {
                    "prompt": prompt.text,
                    "messages": messages_of(prompt.asked) if prompt.turns else None,
                    "response": response,
                    "context": prompt.context,
                    "task_type": prompt.task_type,
                }
                answer = await graph.ainvoke(asked, {"run_name": f"judge {prompt.task_type}"})
        return place, Feedback.model_validate(answer)

    tasks = [asyncio.create_task(one(place, *item)) for place, item in enumerate(items)]
    try:
        for task in asyncio.as_completed(tasks):
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def judge_all(
    services: "Services",
    items: Sequence[Item],
    follow: Follow,
    *,
    stage: str = "feedback",
    detail: str = "",
    at_once: int = _AT_ONCE,
) -> list[Feedback]:
    """`judged` to the end, in the order given; `follow` hears of each response that is done."""
    found: list[Feedback] = []
    async for feedback in judged(services, items, at_once):
        found.append(feedback)
        follow(Progress(stage, len(found), len(items), detail))
    return found
