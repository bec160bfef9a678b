"""Sampling plans: what is missing is found by key, in an order that an interruption cannot change."""

from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.generation.sampling import Plan
from rlhf.state.records import SampleRow
from tests.nodes.builders import prompt_rows

PROMPTS = prompt_rows(4)
PLAN = Plan("policy", 1, PROMPTS, 3)


def there(positions: set[tuple[int, int]]) -> list[SampleRow]:
    return [
        SampleRow(
            prompt_key=PROMPTS[position].key,
            policy="policy",
            round=1,
            variation=variation,
            response_key=None,
            error="the model returned an empty text",
        )
        for position, variation in sorted(positions)
    ]


def test_everything_is_missing_at_first_prompt_by_prompt() -> None:
    assert [(row.id, variation) for row, variation in PLAN.missing([])] == [
        (str(number), variation) for number in (1, 2, 3, 4) for variation in (0, 1, 2)
    ]


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2))))
def test_what_is_there_is_not_made_again_and_the_order_of_the_rest_stays(done: set[tuple[int, int]]) -> None:
    expected = [
        (row, variation) for row, variation in PLAN.missing([]) if (PROMPTS.index(row), variation) not in done
    ]
    assert PLAN.missing(there(done)) == expected


def test_a_plan_has_the_same_folder_whenever_it_is_carried_out() -> None:
    assert Plan("policy", 1, list(PROMPTS), 3).folder == PLAN.folder
    others = [
        Plan("baseline", 1, PROMPTS, 3),
        Plan("policy", 2, PROMPTS, 3),
        Plan("policy", 1, PROMPTS[:3], 3),
    ]
    assert len({PLAN.folder, *(other.folder for other in others)}) == 4
