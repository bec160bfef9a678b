"""Holding a judge against canaries outside a run: what `rlhf canaries` does."""

from typing import TYPE_CHECKING

from rlhf.progress import Follow
from rlhf.prompts.canaries import CanarySet
from rlhf.state.measures import CanaryResult

if TYPE_CHECKING:
    from rlhf.nodes.services import Services


async def check_judge(services: "Services", canaries: CanarySet, follow: Follow) -> CanaryResult:
    """Judge the canaries as any response is judged, keep the scores in the ledger, and return them.

    Finished verdicts are not asked again. Raises EndpointError when the endpoint serves no judgement at all.
    """
    import asyncio

    from rlhf.nodes.canaries import JudgeCanaries, prompt_of, scored
    from rlhf.runs.judge import judge_all

    judge = await asyncio.to_thread(JudgeCanaries, services, services.settings, None, canaries)
    items = [(prompt_of(canary), canary.response) for canary in canaries.canaries]
    found = await judge_all(services, items, follow, stage="canaries")
    scores = [scored(canary, feedback) for canary, feedback in zip(canaries.canaries, found, strict=True)]
    await asyncio.to_thread(judge.keep, scores)
    return judge.result({score.id: score for score in scores})
