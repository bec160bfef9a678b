"""The hand-written cases: enough of them, and on the half that may be looked at nothing is missed or made up."""

from collections import Counter
from typing import get_args

from rlhf.nodes.evidence import FindingKind
from tests.nodes.evidence.casebook import ALWAYS, cases, overall, score


def test_there_are_enough_cases_with_true_ones_and_near_misses() -> None:
    written = cases()
    wanted = Counter(kind for case in written for kind in case.find)

    assert len(written) >= 120
    assert len({case.id for case in written}) == len(written)
    assert wanted.keys() | {"allocation"} >= ALWAYS
    assert set(wanted) <= set(get_args(FindingKind))
    assert sum(not case.find for case in written) >= 60, "near misses"
    assert 0.4 <= sum(case.held_back for case in written) / len(written) <= 0.6


def test_the_half_that_may_be_looked_at_is_read_as_people_do() -> None:
    scores, mistakes = score(case for case in cases() if not case.held_back)

    assert not mistakes
    assert overall(scores).precision == overall(scores).recall == 1
