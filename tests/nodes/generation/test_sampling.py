"""Sampling plans: what is missing is found by key, in an order that an interruption cannot change."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.generation.sampling import Function, Plan, sample
from rlhf.nodes.prepare import register_run
from rlhf.nodes.services import Services
from rlhf.state.recipe import load_recipe
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


async def test_a_response_longer_than_is_kept_is_a_failed_one_with_the_way_out(tmp_path: Path) -> None:
    storage = {
        "ledger_url": f"sqlite:///{tmp_path / 'ledger.sqlite'}",
        "checkpoint_url": "sqlite:///c.sqlite",
    }
    settings = load_recipe("local").replace(
        {"policy": {"model": "function", "max_response_chars": 100}, "storage": storage}, "the test"
    )
    services = Services(settings)
    try:
        register_run(services.ledger, settings, "run", "a", PROMPTS[:2], "python")
        source = Function(lambda prompt: "long " * (21 if prompt == PROMPTS[0].text else 20), 2)
        plan = Plan("policy", 1, PROMPTS[:2], 1)
        made = await sample(services, services.run("run"), plan, source, lambda line: None, "generation")
    finally:
        services.close()
    assert [row.response_key is None for row in made] == [True, False]
    assert made[0].error == (
        "the response has 105 characters: lower policy.max_tokens, or raise policy.max_response_chars (100)"
    )
