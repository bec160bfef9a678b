"""A burst of refusals is one event: cut once, not to one, and recovered within a few round trips."""

import time

from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.endpoints.limit import Limit


def answered_round_trips(limit: Limit, target: int) -> int:
    """Round trips of full use until `target` calls are allowed again."""
    trips = 0
    while int(limit) < target:
        trips += 1
        for _ in range(int(limit)):
            limit.answered()
        assert trips < 100
    return trips


def test_a_burst_cuts_once_and_the_way_back_is_short() -> None:
    limit = Limit(32)
    started = time.monotonic()
    assert sum(limit.refused(started) for _ in range(32)) == 1
    assert int(limit) == 25
    assert answered_round_trips(limit, 32) <= 6


def test_further_episodes_cut_further_but_never_to_one() -> None:
    limit = Limit(32)
    for _ in range(40):
        assert limit.refused(time.monotonic())
    assert int(limit) == 2
    assert int(Limit(1)) == 1


def test_after_a_long_episode_the_ceiling_is_probed_slowly() -> None:
    limit = Limit(100)
    for _ in range(5):
        limit.refused(time.monotonic())
    low = int(limit)
    assert low == 32
    assert answered_round_trips(limit, 36) <= 1, "quick up to near where it was cut"
    before = int(limit)
    for _ in range(before):
        limit.answered()
    assert int(limit) - before <= 2, "one a round trip beyond"


@given(st.integers(1, 512), st.lists(st.booleans(), max_size=300))
def test_it_stays_within_its_bounds(most: int, events: list[bool]) -> None:
    limit = Limit(most)
    for refused in events:
        if refused:
            limit.refused(time.monotonic())
        else:
            limit.answered()
        assert min(2, most) <= int(limit) <= most
