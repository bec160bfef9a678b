"""Proof of improvement: intervals, the comparison per prompt, and when an adapter ships."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.training.statistics.comparison import (
    MIN_PROMPTS,
    MIN_TO_SHIP,
    Comparison,
    Scored,
    compare,
    decide,
    winner,
)
from rlhf.training.statistics.intervals import Interval


def judged(scores: dict[str, list[float | None]], *, length: int = 100, **dimensions: float) -> list[Scored]:
    return [
        Scored(key, score, length, dimensions if score is not None else {})
        for key, values in scores.items()
        for score in values
    ]


GOOD = Comparison(
    overall=Interval(8.0, 3.0, 12.0),
    dimensions={"accuracy": Interval(9.0, 4.0, 15.0), "clarity": Interval(-2.0, -6.0, 2.0)},
    win_rate=0.8,
    p_value=0.01,
    before=50.0,
    after=58.0,
    num_prompts=14,
    coverage=1.0,
    length_ratio=1.0,
)


def test_a_clear_gain_on_every_prompt_ships() -> None:
    before = judged({f"p{n}": [40.0 + n, 50.0 + n] for n in range(12)}, clarity=50.0)
    after = judged({f"p{n}": [52.0 + n, 60.0 + n + n % 3] for n in range(12)}, clarity=60.0)
    comparison = compare(before, after)
    assert comparison is not None
    assert comparison.overall.low > 10
    assert comparison.win_rate == 1.0
    assert comparison.p_value < 0.01
    assert comparison.dimensions["clarity"] == Interval(10.0, 10.0, 10.0)
    verdict, [reason] = decide(comparison)
    assert verdict == "ship"
    assert "on 12 held-out prompts, 95 % interval [1" in reason


def test_a_model_against_itself_is_held() -> None:
    rows = judged({f"p{n}": [40.0 + n] for n in range(MIN_TO_SHIP)})
    comparison = compare(rows, rows)
    assert comparison is not None
    assert comparison.win_rate == 0.5
    assert comparison.p_value == 1.0
    assert decide(comparison) == ("hold", ["no gain was found: both score alike on every held-out prompt"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"overall": Interval(2.0, -0.1, 4.0), "num_needed": 30},
            "cannot tell, about 16 more prompts needed: the 95 % interval [-0.1, +4.0] includes zero",
        ),
        (
            {"overall": Interval(0.1, -0.3, 0.5), "num_needed": 9},
            "no gain was found: the 95 % interval [-0.3, +0.5] does not lie above zero, and 14 held-out prompts",
        ),
        ({"overall": Interval(-4.0, -6.0, -2.0), "num_needed": 9}, "the adapter is worse"),
        ({"dimensions": {"compliance": Interval(-9.0, -12.0, -6.0)}}, "compliance fell by 9.0 points"),
        ({"length_ratio": 1.2}, "1.20 times the length"),
        ({"coverage": 0.7}, "only 70%"),
    ],
)
def test_each_reason_to_hold_is_given(change: dict[str, object], reason: str) -> None:
    assert decide(GOOD)[0] == "ship"
    verdict, [told] = decide(replace(GOOD, **change))  # type: ignore[arg-type]
    assert verdict == "hold"
    assert reason in told


def test_unscored_prompts_lower_coverage_and_never_the_score() -> None:
    before = judged({"a": [50.0, None], "b": [60.0], "c": [None], "d": [70.0]})
    after = judged({"a": [60.0], "b": [70.0], "c": [90.0], "d": [None]})
    comparison = compare(before, after)
    assert comparison is not None
    assert (comparison.before, comparison.after) == (55.0, 65.0)
    assert comparison.num_prompts == 2
    assert comparison.coverage == 0.5


def test_nothing_in_common_is_held() -> None:
    assert compare(judged({"a": [50.0]}), judged({"b": [50.0]})) is None
    assert decide(None)[0] == "hold"


def test_a_handful_of_prompts_is_held_however_much_they_gained() -> None:
    before = judged({key: [50.0] for key in "abcde"})
    after = judged({key: [80.0] for key in "abcde"})
    for decided, fewest in ((decide, MIN_TO_SHIP), (winner, MIN_PROMPTS)):
        _, [reason] = decided(compare(before, after))
        assert reason.startswith(f"cannot tell, about {fewest - 5} more prompt")


def test_prompts_that_are_nearly_alike_count_as_one() -> None:
    before = judged({f"p{n:02}": [50.0 + n] for n in range(30)})
    after = judged({f"p{n:02}": [55.0 + n + n % 3] for n in range(30)})
    clusters = {f"p{n:02}": n // 3 for n in range(30)}
    apart, together = compare(before, after), compare(before, after, clusters)
    assert apart is not None
    assert together is not None
    assert (apart.num_prompts, together.num_prompts) == (30, 10)
    assert together.overall.delta == pytest.approx(apart.overall.delta) == pytest.approx(6.0)
    assert together.coverage == 1.0
    assert (decide(apart)[0], decide(together)[0]) == ("ship", "hold"), "ten kinds of prompts are too few"


changes = st.lists(st.floats(-100, 100).map(lambda value: round(value, 2)), min_size=1, max_size=30)


@given(values=changes.filter(lambda found: len(found) > 3))
def test_exchanging_the_models_turns_the_result_around(values: list[float]) -> None:
    rows = {f"p{i:02}": value for i, value in enumerate(values)}
    zero = judged({key: [100.0] for key in rows})
    other = judged({key: [100.0 + value] for key, value in rows.items()})
    there, back = compare(zero, other), compare(other, zero)
    assert there is not None
    assert back is not None
    assert there.overall.delta == pytest.approx(-back.overall.delta)
    assert there.win_rate == pytest.approx(1 - back.win_rate)
    assert not (decide(there)[0] == "ship" and decide(back)[0] == "ship")
