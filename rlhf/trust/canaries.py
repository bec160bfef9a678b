"""Holding a judge against canaries outside a run: what `rlhf canaries` does."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rlhf.prompts.canaries import CanarySet
from rlhf.state.measures import CanaryResult

if TYPE_CHECKING:
    from rlhf.nodes.services import Services


async def check_judge(
    services: "Services", canaries: CanarySet, tell: Callable[[int, int], None] | None = None
) -> CanaryResult:
    """Judge the canaries as any response is judged, keep the scores in the ledger, and return them.

    Finished verdicts are not asked again. `tell` hears how many are done, of how many. Raises EndpointError
    when the endpoint serves no judgement at all.
    """
    import asyncio

    from rlhf.nodes.canaries import JudgeCanaries, prompt_of, scored
    from rlhf.runs.judge import judged

    judge = await asyncio.to_thread(JudgeCanaries, services, services.settings, None, canaries)
    items = [(prompt_of(canary), canary.response) for canary in canaries.canaries]
    scores = {}
    waiting = iter(canaries.canaries)
    async for feedback in judged(services, items):
        score = scored(next(waiting), feedback)
        scores[score.id] = score
        if tell is not None:
            tell(len(scores), len(items))
    await asyncio.to_thread(judge.keep, list(scores.values()))
    return judge.result(scores)
