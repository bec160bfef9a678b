"""Thresholds with a promise: from where on judges agree with people often enough, proved on a finite sample."""

from collections.abc import Sequence
from math import floor

from pydantic import Field

from rlhf.state.records import Record

CERTAINTY = 0.95
"""Chance that a promise holds, over the drawing of the labels."""
_STEPS = 20


class Step(Record):
    """What was measured on the labels at or above one threshold."""

    threshold: float
    """Lowest value among them: the threshold tried."""
    number: int
    """Labels at or above it."""
    agreement: float
    """Share of them on which judges and people agree, 0–1."""
    proved: float
    """Lower Clopper–Pearson bound of the agreement at CERTAINTY."""
    kept: float
    """`number` over all labels, those without a verdict included: what is left to the judges."""


class Certificate(Record):
    """The lowest threshold from which on the wanted agreement is proved, and the steps that led there."""

    wanted: float
    """Agreement to be proved, 0–1."""
    threshold: float | None
    """None if even the strictest threshold with enough labels is not proved."""
    agreement: float | None = None
    """Measured at the threshold; None without one."""
    proved: float | None = None
    """Lower bound of the agreement at the threshold; None without one."""
    kept: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of all labels at or above the threshold; 0 without one."""
    num_labels: int = 0
    """Labels at or above the threshold; 0 without one."""
    steps: list[Step] = Field(default_factory=list)
    """Strictest first; the last one is where proof ended, if it ended before the last label."""
    note: str = ""
    """Why there is no threshold; empty if there is one."""


def upper_bound(errors: int, number: int, certainty: float = CERTAINTY) -> float:
    """One-sided upper Clopper–Pearson bound (1934) of an error rate after `errors` in `number` independent trials."""
    if not 0 <= errors <= number or number < 1:
        raise ValueError(f"{errors} of {number} is no count of errors")
    from scipy.stats import beta

    return 1.0 if errors == number else float(beta.ppf(certainty, errors + 1, number - errors))


def certify(
    values: Sequence[float],
    agrees: Sequence[bool],
    wanted: float,
    num_failed: int = 0,
    certainty: float = CERTAINTY,
) -> Certificate:
    """The lowest threshold on `values` above which agreement of at least `wanted` is proved.

    Fixed-sequence testing as in Trust or Escalate (arXiv 2407.18370): thresholds are tried from the strictest
    down, in steps that depend on the values alone, and the first whose bound misses ends the search, so that
    with probability `certainty` no threshold passes whose true agreement is below `wanted` — if labels are
    independent and later cases come from where they came from. It begins where half of the allowed errors
    would still pass, because a first step on a handful of labels fails by bad luck alone. Equal values stand
    or fall together; `num_failed` labels without any verdict lower `kept`. ValueError if the lengths differ.
    """
    if not 0.0 < wanted < 1.0:
        raise ValueError(f"an agreement of {wanted} is not between 0 and 1")
    rows = sorted(zip(values, agrees, strict=True), reverse=True)
    number, steps = len(rows), list[Step]()
    enough = _enough(wanted, certainty)
    if number < enough:
        return Certificate(
            wanted=wanted, threshold=None, note=f"{number} labels; {enough} are needed at least"
        )
    passed: Step | None = None
    for end in _ends([value for value, _ in rows], enough):
        errors = sum(not agreed for _, agreed in rows[:end])
        step = Step(
            threshold=rows[end - 1][0],
            number=end,
            agreement=round(1 - errors / end, 4),
            proved=round(1 - upper_bound(errors, end, certainty), 4),
            kept=round(end / (number + num_failed), 4),
        )
        steps.append(step)
        if 1 - upper_bound(errors, end, certainty) < wanted:
            break
        passed = step
    if passed is None:
        strictest = f"the strictest {steps[0].number} labels prove {steps[0].proved:.1%} only"
        return Certificate(wanted=wanted, threshold=None, steps=steps, note=strictest)
    return Certificate(
        wanted=wanted,
        threshold=passed.threshold,
        agreement=passed.agreement,
        proved=passed.proved,
        kept=passed.kept,
        num_labels=passed.number,
        steps=steps,
    )


def _enough(wanted: float, certainty: float) -> int:
    """Fewest labels on which half of the allowed errors still prove the wanted agreement."""

    def proves(number: int) -> bool:
        return upper_bound(floor((1 - wanted) / 2 * number), number, certainty) <= 1 - wanted

    low, high = 1, 2
    while not proves(high):
        low, high = high, 2 * high
    while high - low > 1:  # not quite monotone, which matters to nobody
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high


def _ends(falling: Sequence[float], first: int) -> list[int]:
    """How many of the values the thresholds take in, one after the other: even steps, no tie torn apart."""
    number, ends = len(falling), list[int]()
    for step in range(_STEPS + 1):
        end = first + round((number - first) * step / _STEPS)
        while end < number and falling[end] == falling[end - 1]:
            end += 1
        if not ends or end > ends[-1]:
            ends.append(end)
    return ends
