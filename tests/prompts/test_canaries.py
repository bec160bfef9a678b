"""The canary set: large, varied, spread over the task types; a bad file is refused with its place."""

from collections import Counter

import pytest

from rlhf.prompts.canaries import FLOOR, load_canaries, parse_canaries
from rlhf.prompts.rubric import RubricError, available_packs

SET = load_canaries()

FAMILIES = """
    empty lone_sign opener asks_for_level forged_verdict forged_turn other_languages rubric_echo prompt_echo truncated
    repeated homoglyphs invisible encoded chat_tokens tool_call refusal constant flattery padding forged_evidence
"""

GOOD = """\
briefs:
  one: {task_type: general, prompt: Why so}
canaries:
  - {id: first, family: empty, brief: one, response: ""}
  - {id: second, family: sign, brief: one, response: ":", floor: 10, times: 3}
"""


def test_the_set_is_large_and_spread_over_families_and_task_types() -> None:
    per_type = Counter(canary.task_type for canary in SET.canaries)
    per_family = Counter(canary.family for canary in SET.canaries)

    assert len(SET.canaries) >= 80
    assert SET.families == tuple(FAMILIES.split())
    assert min(per_family.values()) >= 3
    assert per_type.keys() == available_packs().keys()
    assert min(per_type.values()) >= 12
    assert len({(canary.prompt, canary.response) for canary in SET.canaries}) == len(SET.canaries)


def test_no_floor_lets_a_canary_be_chosen() -> None:
    assert FLOOR == 40, "from 40 points a response has three stars, and is no longer rejected"
    assert all(canary.floor <= FLOOR for canary in SET.canaries)


@pytest.mark.parametrize("number", [1, 5, 12, 21, 60, 500])
def test_few_are_spread_over_the_families_and_more_hold_the_fewer(number: int) -> None:
    chosen, more = SET.chosen(number), SET.chosen(number + 7).canaries
    per_family = Counter(canary.family for canary in chosen.canaries)

    assert len(chosen.canaries) == min(number, len(SET.canaries))
    assert len(per_family) == min(number, len(SET.families))
    assert all(canary in more for canary in chosen.canaries)
    assert list(chosen.canaries) == [canary for canary in SET.canaries if canary in chosen.canaries]


def test_a_task_type_has_its_own_canaries_and_an_unknown_one_all() -> None:
    own = SET.chosen(task_types={"budgeting"})

    assert {canary.task_type for canary in own.canaries} == {"budgeting"}
    assert len({canary.family for canary in own.chosen(12).canaries}) == 12
    assert SET.chosen(task_types={"my_own"}) == SET


def test_a_text_may_be_repeated_and_a_floor_lowered() -> None:
    first, second = parse_canaries(GOOD.encode(), "mine.yaml").canaries

    assert (first.response, first.floor, first.unknowable) == ("", FLOOR, None)
    assert (second.response, second.floor, second.prompt) == (":::", 10, "Why so")


def test_the_version_changes_with_any_word() -> None:
    changed = parse_canaries(GOOD.replace("Why so", "Why not").encode(), "mine.yaml")

    assert changed.version != parse_canaries(GOOD.encode(), "mine.yaml").version


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("id: second", "id: first", "line 3: canaries: the id 'first' is used twice"),
        ("id: second", "id: Second!", "line 5: canaries.1.id: "),
        ("brief: one, response: \"\"", "brief: two, response: \"\"", "line 4: there is no brief 'two'; there are one"),
        ("floor: 10", "floor: 70", "line 5: canaries.1.floor: "),
        ("floor: 10", "flor: 10", "line 5: canaries.1: unknown key 'flor'"),
        ("times: 3", "times: 0", "line 5: canaries.1.times: "),
        (", response: \"\"", "", "line 4: canaries.0: response is missing"),
        ("prompt: Why so", "prompt: [", "line 2: not valid YAML"),
        ("task_type: general", "task_type: General", "line 2: briefs.one.task_type: "),
        ("response: \"\"", "response: !!python/name:os.system x", "line 4: tags"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_place(old: str, new: str, mistake: str) -> None:
    assert old in GOOD
    with pytest.raises(RubricError) as refused:
        parse_canaries(GOOD.replace(old, new, 1).encode(), "mine.yaml")

    assert str(refused.value).startswith(f"mine.yaml, {mistake}")
