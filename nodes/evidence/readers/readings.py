"""Chooses among the sensible readings of a split: what is counted, of what base shares are, what a total covers.

A split is found wrong only where no reading fits the budget. The reading that fits is the one that all checks use.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

Verdict = Literal["fits", "off", "open"]
BesideKind = Literal["reserve", "fee", "other", "free"]

ROUNDING: Final = 0.001  # of the target: what rounding to whole thousands may leave
SHARE_ROUNDING: Final = 0.011  # of the target: what rounding to whole percentages may leave
MOST_BESIDE: Final = 6  # lines beside the retailers that may be counted or not: 64 readings


@dataclass(frozen=True, slots=True)
class Beside:
    """Money of the plan that goes to no retailer: a reserve, a fee, another purpose, or an amount of unclear use."""

    label: str
    kind: BesideKind
    value: float
    start: int
    end: int
    by_share: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How the split was read: the lines counted, their sum, and whether they fit.

    `verdict` is "open" where something cannot be read, or where not every retailer has an amount.
    """

    verdict: Verdict
    total: float
    counted: tuple[Beside, ...]
    base: float | None
    """What percentages are of, where the response gives some."""


NOTHING_READ: Final = Reading("open", 0.0, (), None)


def sums(beside: Sequence[Beside]) -> Iterator[tuple[Beside, ...]]:
    """The lines that may be counted beside the retailers, the likeliest first: all but the unclear, none, some."""
    known = [each for each in beside if each.kind != "free"]
    free = [each for each in beside if each.kind == "free"][:MOST_BESIDE]
    shown: set[tuple[int, ...]] = set()

    def once(chosen: Iterable[Beside]) -> Iterator[tuple[Beside, ...]]:
        picked = tuple(chosen)
        key = tuple(sorted(each.start for each in picked))
        if key not in shown:
            shown.add(key)
            yield picked

    yield from once(known)
    yield from once(())
    for kinds in (("reserve", "other"), ("fee", "other"), ("reserve",), ("other",), ("fee",)):
        yield from once(each for each in known if each.kind in kinds)
    few = known[:MOST_BESIDE]
    for size in range(len(few) - 1, 0, -1):
        for picked in combinations(few, size):
            yield from once(picked)
    for each in free:
        yield from once((*known, each))
        yield from once((each,))
    if len(free) > 1:
        yield from once((*known, *free))


def near(value: float, target: float, slack: float) -> bool:
    """Whether two sums are the same, `slack` in whole units aside."""
    return abs(value - target) <= slack + 1e-9 * abs(target)


def slack_of(target: float, by_share: bool, units: Mapping[float, int]) -> float:
    """What rounding may leave of `target`: `units` are the steps that amounts are written in, and how often."""
    if by_share:
        return SHARE_ROUNDING * target
    halves = math.fsum(unit * count / 2 for unit, count in units.items())
    return max(ROUNDING * target, min(0.004 * target, halves))


def step_of(written: str, value: float) -> float:
    """The step an amount is rounded to, by its decimals: "$0.33M" is 10,000, "$330K" nothing to speak of."""
    import re

    match = re.search(r"\d+[.,](\d{1,2})(?!\d)", written)
    if match is None or value < 1000:
        return 0.0
    number = float(match[0].replace(",", "."))
    scale = value / number if number else 0.0
    return scale / 10 ** len(match[1]) if scale >= 100 else 0.0
