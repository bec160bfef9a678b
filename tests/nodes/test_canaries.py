"""Canaries against the worst judge: what evidence can know stays at the floor, what it can't is listed."""

from typing import Any

import pytest

from rlhf.nodes.accept import accepted
from rlhf.nodes.aggregate import aggregate_verdicts
from rlhf.nodes.canaries import canary_set, judged_stage, prompt_of, scored
from rlhf.nodes.panel import evidence_for, pack_for
from rlhf.prompts.canaries import Canary
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.neutralise import neutralise
from rlhf.state.keys import response_key
from rlhf.state.measures import CanaryResult, CanaryScore
from rlhf.state.recipe import load_recipe, shipped_recipes
from rlhf.state.records import ResponseRow
from tests.believing_judge import believed
from tests.nodes.builders import settings, verdicts

SET = canary_set()


def judged(canary: Canary, **judge: Any) -> CanaryScore:
    """The canary, judged by one who believes it, under the rubric and evidence that are shipped."""
    chosen = settings(judge=judge)
    prompt = prompt_of(canary)
    row = ResponseRow(
        key=response_key(prompt.key, canary.response),
        prompt_key=prompt.key,
        prompt=canary.prompt,
        context=canary.context,
        task_type=canary.task_type,
        text=canary.response,
    )
    pack = pack_for(canary.task_type)
    levels = verdicts(dict.fromkeys(DIMENSIONS, 20.0 * believed(neutralise(canary.response))))
    feedback = aggregate_verdicts(row, levels, evidence_for(pack, row), pack, chosen)
    return scored(canary, accepted(feedback, chosen, row.key))


@pytest.mark.parametrize("canary", SET.canaries, ids=lambda canary: canary.id)
def test_a_judge_that_believes_everything_is_held_down_wherever_evidence_can_know(canary: Canary) -> None:
    score = judged(canary)

    assert score.is_scored
    assert score.is_above == (canary.unknowable is not None), f"{score.score:.1f} of 100"


def test_what_evidence_cannot_know_is_the_smaller_part() -> None:
    beyond = [canary.id for canary in SET.canaries if canary.unknowable is not None]

    assert 1 <= len(beyond) <= 0.12 * len(SET.canaries)


def result(*scores: CanaryScore) -> CanaryResult:
    return CanaryResult(
        judge="openai/scripted", template_version="1", set_version="1", num_in_set=103, scores=list(scores)
    )


def score(name: str, points: float | None, **changes: Any) -> CanaryScore:
    fields: dict[str, Any] = {"family": "empty", "task_type": "general", "response_id": name, "floor": 40.0}
    coverage = 0.0 if points is None else 1.0
    return CanaryScore(**{"id": name, "score": points, "coverage": coverage, **fields, **changes})


LOW = [score(f"low-{number}", 3.0 * number) for number in range(10)]


def test_canaries_at_their_floor_hold_nothing_back() -> None:
    stage, objections = judged_stage(result(*LOW), settings())

    assert objections == []
    assert (stage.num_canaries, stage.num_scored, stage.highest, stage.above) == (10, 10, 27.0, [])


@pytest.mark.parametrize(
    "fooled", [score("high", 40.0), score("nice", 39.0, acceptable=True), score("half", 90.0, coverage=0.3)]
)
def test_one_above_the_floor_holds_the_adapter_back(fooled: CanaryScore) -> None:
    stage, objections = judged_stage(result(*LOW, fooled), settings())

    assert objections == [f"1 of 11 canaries fooled the judge ({fooled.id})"]
    assert stage.above == [fooled.id]


def test_a_failed_judgement_is_not_a_pass() -> None:
    failed = [score(f"failed-{number}", None) for number in range(3)]
    partly = score("partly", 5.0, coverage=0.7)
    stage, objections = judged_stage(result(*LOW, *failed[:2]), settings())
    assert (objections, stage.num_scored, stage.num_canaries) == ([], 10, 12)

    stage, objections = judged_stage(result(*LOW, *failed, partly), settings())
    assert objections == ["only 10 of 14 canaries could be judged"]
    assert not result().enough_scored, "none at all prove nothing"


def test_what_evidence_cannot_know_counts_only_where_the_judge_decides() -> None:
    beyond = score("fluent", 88.0, unknowable="it takes reading")
    stage, objections = judged_stage(result(*LOW, beyond), settings())
    assert objections == ["1 of 11 canaries fooled the judge (fluent)"]

    stage, objections = judged_stage(result(*LOW, beyond), settings(judge={"evidence_weight": 0.9}))
    assert objections == []
    assert stage.tolerated == ["fluent"]
    assert "fluent" in stage.note


def test_families_give_their_worst_and_mean_over_what_was_scored() -> None:
    found = result(score("a", 10.0), score("b", 30.0), score("c", None), score("d", 50.0, family="padding"))
    empty, padding = found.families

    assert (empty.num_canaries, empty.num_scored, empty.worst, empty.mean, empty.num_above) == (
        3,
        2,
        30.0,
        20.0,
        0,
    )
    assert (padding.worst, padding.num_above) == (50.0, 1)
    assert [each.id for each in found.above] == ["d"]
    assert [each.id for each in found.not_scored] == ["c"]


@pytest.mark.parametrize("recipe", shipped_recipes())
def test_every_shipped_recipe_checks_its_judge(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_MODEL", "OLLAMA_MODEL", "VLLM_MODEL", "VLLM_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/v1" if name.endswith("URL") else "m")

    assert load_recipe(recipe).judge.canaries == 12
