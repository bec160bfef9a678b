"""A against B: paired differences of two sets of feedback, and a winner only where the interval excludes zero."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from rlhf.state.errors import InputError
from rlhf.state.records import Feedback, Record
from rlhf.training.statistics.comparison import Scored, compare, winner
from rlhf.training.statistics.intervals import Interval

TIE = "tie"


class Change(Record):
    """A mean paired difference, B − A, in points of 100, with its 95 % interval."""

    delta: float
    """The mean difference."""
    ci_low: float
    """Lower end of the interval."""
    ci_high: float
    """Upper end of the interval."""


class VersionComparison(Record):
    """Two versions on the same prompts. Figures are None where no prompt has a score on both sides."""

    first: str
    """Name of A."""
    second: str
    """Name of B."""
    winner: str
    """Name of the winner; "tie" unless the interval of `score_delta` excludes zero."""
    first_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Mean overall score of A, points of 100."""
    second_score: float | None = Field(default=None, ge=0.0, le=100.0)
    """Mean overall score of B, points of 100."""
    score_delta: float | None = None
    """Mean paired difference of the overall score, B − A, points of 100."""
    ci_low: float | None = None
    """Lower end of the 95 % interval of `score_delta`."""
    ci_high: float | None = None
    """Upper end of it."""
    rating_delta: float | None = None
    """Mean paired difference of the rating, B − A, stars."""
    win_rate: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share of prompts on which B scored higher; ties count half."""
    p_value: float | None = Field(default=None, ge=0.0, le=1.0)
    """Wilcoxon signed-rank test, two-sided."""
    length_ratio: float | None = None
    """Mean length of B's responses over A's."""
    num_prompts: int = 0
    """Prompts scored on both sides."""
    coverage: float = Field(default=0.0, ge=0.0, le=1.0)
    """`num_prompts` over all prompts of either side."""
    dimensions: dict[str, Change] = Field(default_factory=dict)
    """The same per dimension."""
    reasons: list[str] = Field(default_factory=list)
    """What decided, and what to mind."""


def compare_feedback(
    first: str, second: str, before: Sequence[Feedback], after: Sequence[Feedback]
) -> VersionComparison:
    """Compare `before` (version `first`, A) with `after` (version `second`, B), prompt by prompt.

    Prompts are paired by `prompt_id`, or by their text when any feedback lacks one.
    Raises InputError for names that are alike, for a side without feedback, and for sides without a common prompt.
    """
    check_names(first, second)
    _check(first, before)
    _check(second, after)
    by_id = all(entry.prompt_id for entry in (*before, *after))

    def rows(feedback: Sequence[Feedback]) -> list[Scored]:
        return [Scored.of(entry.prompt_id if by_id else entry.prompt, entry) for entry in feedback]

    old, new = rows(before), rows(after)
    if not {row.prompt_key for row in old} & {row.prompt_key for row in new}:
        raise InputError(
            f"{first} and {second} have no prompt in common: judge responses of both to the same prompts "
            "(same text, context and task type)."
        )
    found = compare(old, new)
    side, reasons = winner(found)
    decided: dict[str, Any] = {
        "first": first,
        "second": second,
        "winner": {"before": first, "after": second}.get(side, TIE),
        "reasons": reasons,
    }
    if found is None:
        return VersionComparison(**decided)
    return VersionComparison(
        **decided,
        **_interval("score_delta", found.overall),
        first_score=round(found.before, 4),
        second_score=round(found.after, 4),
        rating_delta=None if found.rating_delta is None else round(found.rating_delta, 4),
        win_rate=round(found.win_rate, 4),
        p_value=round(found.p_value, 6),
        length_ratio=round(found.length_ratio, 4),
        num_prompts=found.num_prompts,
        coverage=round(found.coverage, 4),
        dimensions={name: Change(**_interval("delta", change)) for name, change in found.dimensions.items()},
    )


def _interval(name: str, found: Interval) -> dict[str, Any]:
    return {name: round(found.delta, 4), "ci_low": round(found.low, 4), "ci_high": round(found.high, 4)}


def check_names(first: str, second: str) -> None:
    """InputError unless each version has a name of its own."""
    if first == second or TIE in (first, second):
        raise InputError(f"{first!r} and {second!r}: give each version a name of its own, and none {TIE!r}.")


def _check(name: str, feedback: Sequence[Feedback]) -> None:
    if not feedback:
        raise InputError(f"{name} has no feedback to compare.")
    wrong = next((each for each in feedback if not isinstance(each, Feedback)), None)
    if wrong is not None:
        raise InputError(f"{name}: feedback must be Feedback objects, not {type(wrong).__name__}.")
