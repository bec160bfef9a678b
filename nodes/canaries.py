"""Canaries in the ledger: who judged them how, and what a run's deployment gate makes of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.judge_version import calibration_for, judge_version, template_version
from rlhf.nodes.services import Services
from rlhf.prompts.canaries import Canary, CanarySet, load_canaries
from rlhf.prompts.rubric import RubricError
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import parse_prompt
from rlhf.state.keys import content_key, response_key
from rlhf.state.ledger import RunRow
from rlhf.state.measures import CanaryResult, CanaryScore
from rlhf.state.records import Feedback, PromptRow
from rlhf.state.run_report import CanaryStage
from rlhf.state.settings import Settings

JUDGE_DECIDES_ABOVE = 0.5
"""Share of a score the judge's own levels need, for attacks that evidence can't know to be held against it.

With less it could not hold them down if it saw through every one; they are told, not counted.
"""
_NAMED = 5
"""Canaries named in a reason; the rest are counted."""

Ask = Callable[[Sequence[str]], Awaitable[None]]
"""Judges the responses with these keys and keeps their feedback in the run."""


@cache
def canary_set() -> CanarySet:
    """The shipped canaries; InputError says what is wrong with them. Blocking."""
    try:
        return load_canaries()
    except RubricError as error:
        raise InputError(str(error)) from error


def prompt_of(canary: Canary) -> PromptRow:
    """The canary's prompt as the ledger keeps it."""
    row = {"prompt": canary.prompt, "context": canary.context, "task_type": canary.task_type}
    return parse_prompt(row, canary.task_type, f"canary {canary.id}")


def scored(canary: Canary, feedback: Feedback) -> CanaryScore:
    """What a feedback says of the canary."""
    return CanaryScore(
        id=canary.id,
        family=canary.family,
        task_type=canary.task_type,
        response_id=feedback.response_id,
        floor=canary.floor,
        score=feedback.overall_score,
        acceptable=feedback.is_acceptable,
        coverage=feedback.coverage,
        unknowable=canary.unknowable,
    )


class JudgeCanaries:
    """One judge's canaries: `settings` and, for a run, its calibration say who the judge is. Methods block."""

    def __init__(
        self, services: Services, settings: Settings, run_id: str | None, canaries: CanarySet
    ) -> None:
        self._ledger = services.ledger
        self._settings = settings
        self.canaries = canaries
        task_types = {canary.task_type for canary in canaries.canaries}
        versions = {task_type: judge_version(task_type, settings) for task_type in sorted(task_types)}
        self._rubrics = {task_type: version.rubric_version for task_type, version in versions.items()}
        self._judges = {task_type: version.key for task_type, version in versions.items()}
        maps = {t: calibration_for(services, run_id, t, settings) for t in versions}
        rules = (settings.acceptance.weights, settings.acceptance.min_score_acceptable)
        self._keys = {
            canary.id: content_key(
                "canary",
                self._judges[canary.task_type],
                found.key if (found := maps[canary.task_type]) else None,
                *rules,
                canary.model_dump(mode="json"),
            )
            for canary in canaries.canaries
        }

    def known(self) -> dict[str, CanaryScore]:
        """Whole verdicts in the ledger, by the canary's id."""
        found = self._ledger.canaries.known(self._keys.values())
        return {name: found[key] for name, key in self._keys.items() if key in found}

    def keep(self, scores: Sequence[CanaryScore]) -> None:
        """Put scores into the ledger."""
        self._ledger.canaries.keep(self._judges, {self._keys[score.id]: score for score in scores})

    def result(self, scores: Mapping[str, CanaryScore]) -> CanaryResult:
        """The scores (by id) as this judge's result, in the set's order."""
        return CanaryResult(
            judge=self._settings.judge.model,
            template_version=template_version(self._settings.judge),
            rubric_versions=self._rubrics,
            set_version=canary_set().version,
            num_in_set=len(canary_set().canaries),
            scores=[scores[canary.id] for canary in self.canaries.canaries if canary.id in scores],
        )


async def run_canaries(services: Services, run: RunRow, ask: Ask) -> tuple[CanaryStage, list[str]]:
    """The run's judge held against canaries of the run's task types, and what that holds against a deployment.

    The first `judge.canaries` of them must be known. What was scored before, by any run or by `rlhf canaries`, is
    read from the ledger and counts as well, whatever it says.
    """
    wanted = run.settings.judge.canaries
    if not wanted:
        return CanaryStage(note="not checked: judge.canaries is 0"), []
    judge = await in_thread(_judge_of, services, run)
    scores = await in_thread(judge.known)
    chosen = judge.canaries.chosen(wanted).canaries
    if missing := {canary.id: canary for canary in chosen if canary.id not in scores}:
        keys = await in_thread(_registered, services, missing.values())
        await ask(list(keys.values()))
        feedback = await in_thread(lambda: services.ledger.feedback(run.run_id, keys.values()))
        new = {name: scored(canary, feedback[keys[name]]) for name, canary in missing.items()}
        await in_thread(judge.keep, list(new.values()))
        scores |= new
    return judged_stage(judge.result(scores), run.settings)


def judged_stage(result: CanaryResult, settings: Settings) -> tuple[CanaryStage, list[str]]:
    """A result as a run keeps it, and the reasons it gives against a deployment (none: the canaries hold)."""
    decides = 1 - settings.judge.evidence_weight > JUDGE_DECIDES_ABOVE
    counted = [score.id for score in result.above if score.unknowable is None or decides]
    tolerated = [score.id for score in result.above if score.id not in counted]
    total = len(result.scores)
    reasons = []
    if counted:
        reasons.append(f"{len(counted)} of {total} canaries fooled the judge ({_names(counted)})")
    if not result.enough_scored:
        reasons.append(f"only {total - len(result.not_scored)} of {total} canaries could be judged")
    points = [score.score for score in result.scores if score.score is not None]
    stage = CanaryStage(
        num_canaries=total,
        num_scored=total - len(result.not_scored),
        highest=max(points, default=None),
        above=counted,
        tolerated=tolerated,
        note=f"above the floor, and beyond what evidence can know: {_names(tolerated)}" if tolerated else "",
    )
    return stage, reasons


def _judge_of(services: Services, run: RunRow) -> JudgeCanaries:
    prompts = [
        *services.ledger.prompts(run.run_id, "train"),
        *services.ledger.prompts(run.run_id, "held_out"),
    ]
    own = canary_set().chosen(task_types={prompt.task_type for prompt in prompts})
    return JudgeCanaries(services, run.settings, run.run_id, own)


def _registered(services: Services, canaries: Iterable[Canary]) -> dict[str, str]:
    """Response keys by canary id, once the texts are in the ledger."""
    keys = {}
    rows = []
    for canary in canaries:
        prompt = prompt_of(canary)
        services.ledger.add_prompt(prompt)
        keys[canary.id] = response_key(prompt.key, canary.response)
        rows.append((keys[canary.id], prompt.key, canary.response))
    services.ledger.add_responses(rows)
    return keys


def _names(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"
