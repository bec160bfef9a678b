"""Proof of improvement: paired differences with their intervals, the verdict ship or hold, and who wins."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rlhf.state.records import Feedback
from rlhf.training.statistics.intervals import Interval, mean_interval, values_needed

DIMENSION_MARGIN = 5.0
"""Points of 100 a single dimension may lose before the adapter is held back."""
MAX_LENGTH_RATIO = 1.15
"""Longer than this and a higher score may be length alone."""
MIN_PROMPTS = 6
"""Fewest prompts that can name a winner: with five, even five wins could be chance (p = 0.06)."""
MIN_TO_SHIP = 12
"""Fewest held-out prompts that can prove an improvement. With fewer no interval covers what it says once faults are
rare: if one answer in five got much worse, six prompts show none of them one time in four (benchmarks/gate.py)."""
SMALLEST_GAIN = 2.0
"""Points of 100 that are worth looking for with more prompts."""
MIN_COVERAGE = 0.8
"""Share of held-out prompts both models need a score on."""


@dataclass(frozen=True)
class Scored:
    """One judged response: scores are points of 100, `length` is in characters; an unscored one has no score."""

    prompt_key: str
    score: float | None
    length: int
    dimensions: Mapping[str, float]
    rating: int | None = None

    @classmethod
    def of(cls, prompt_key: str, feedback: Feedback | None) -> "Scored":
        """The feedback as one side of a comparison; None stands for a response that was not made."""
        if feedback is None:
            return cls(prompt_key, None, 0, {})
        scores = {name: part.score for name, part in feedback.dimensions.items() if part.score is not None}
        return cls(prompt_key, feedback.overall_score, len(feedback.response), scores, feedback.rating)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same prompts."""

    overall: Interval
    dimensions: Mapping[str, Interval]
    win_rate: float
    """Share of prompts on which `after` scored higher; ties count half."""
    p_value: float
    """Wilcoxon signed-rank, two-sided; 1.0 when nothing differs."""
    before: float
    after: float
    num_prompts: int
    """Prompts on which both have a score; near-duplicates count as one."""
    coverage: float
    length_ratio: float
    rating_delta: float | None = None
    """Mean change of the rating, stars; None without ratings."""
    num_needed: int | None = None
    """Prompts with which the gain seen, or the smallest worth looking for, would show; None if unknown."""


def compare(
    before: Sequence[Scored], after: Sequence[Scored], clusters: Mapping[str, int] | None = None
) -> Comparison | None:
    """Compare per prompt: a prompt's score is the mean over its scored responses.

    Prompts with the same number in `clusters` (by prompt key) are near-duplicates: together they count as one, for
    what holds on one holds on the others. None if there is no prompt that both have a score on.
    """
    first, second = _by_prompt(before), _by_prompt(after)
    num_prompts = len({row.prompt_key for row in (*before, *after)})
    shared = first.keys() & second.keys()
    if not shared:
        return None
    if clusters:
        first, second = (_by_cluster(rows, shared, clusters) for rows in (first, second))
    common = sorted(first.keys() & second.keys())
    pairs = [(_mean_score(first[key]), _mean_score(second[key])) for key in common]
    differences = [new - old for old, new in pairs]
    names = sorted({name for key in common for row in (*first[key], *second[key]) for name in row.dimensions})
    wins = [1.0 if d > 0 else 0.5 if d == 0 else 0.0 for d in differences]
    return Comparison(
        overall=mean_interval(differences),
        dimensions={
            name: mean_interval(changes)
            for name in names
            if (changes := _dimension_changes(first, second, common, name))
        },
        win_rate=fmean(wins),
        p_value=_wilcoxon(differences),
        before=fmean(old for old, _ in pairs),
        after=fmean(new for _, new in pairs),
        num_prompts=len(common),
        coverage=len(shared) / num_prompts,
        length_ratio=_length(second, common) / max(1.0, _length(first, common)),
        rating_delta=_rating_change(first, second, common),
        num_needed=values_needed(differences, max(abs(fmean(differences)), SMALLEST_GAIN)),
    )


def decide(
    comparison: Comparison | None, objections: Sequence[str] = ()
) -> tuple[Literal["ship", "hold"], list[str]]:
    """ship only when the improvement is proved and nothing else got worse; the reasons say what was found.

    `objections` are reasons to hold that the comparison knows nothing of, such as a judge that canaries fooled.
    """
    if comparison is None:
        return "hold", ["no held-out prompt was scored for both models", *objections]
    overall = comparison.overall
    interval = f"the 95 % interval [{overall.low:+.1f}, {overall.high:+.1f}]"
    reasons = []
    if overall.high < 0:
        reasons.append(f"the adapter is worse: {interval} lies below zero")
    elif doubt := _doubt(comparison, "held-out prompts", MIN_TO_SHIP):
        reasons.append(doubt)
    elif overall.low == overall.high == 0:
        reasons.append("no gain was found: both score alike on every held-out prompt")
    elif overall.low <= 0:
        reasons.append(
            f"no gain was found: {interval} does not lie above zero, and {comparison.num_prompts} held-out prompts "
            f"would most likely have shown {SMALLEST_GAIN:.0f} points"
        )
    reasons += objections
    for name, change in comparison.dimensions.items():
        if change.high < -DIMENSION_MARGIN or (change.high < 0 and change.delta < -DIMENSION_MARGIN):
            reasons.append(f"{name} fell by {-change.delta:.1f} points")
    if comparison.length_ratio > MAX_LENGTH_RATIO:
        reasons.append(f"responses grew to {comparison.length_ratio:.2f} times the length")
    if comparison.coverage < MIN_COVERAGE:
        reasons.append(f"only {comparison.coverage:.0%} of the held-out prompts were scored for both models")
    if reasons:
        return "hold", reasons
    gained = f"{overall.delta:+.1f} points on {comparison.num_prompts} held-out prompts"
    return "ship", [f"{gained}, 95 % interval [{overall.low:.1f}, {overall.high:.1f}]"]


def _doubt(comparison: Comparison, prompts: str, fewest: int) -> str:
    """Why so few prompts cannot tell the two apart, and how many more it takes; empty if they can."""
    overall, count = comparison.overall, comparison.num_prompts
    open_ends = overall.low <= 0 <= overall.high
    needed = max(fewest, (comparison.num_needed or 0) if open_ends else 0)
    if needed <= count:
        return ""
    why = (
        f"the 95 % interval [{overall.low:+.1f}, {overall.high:+.1f}] includes zero"
        if count >= fewest
        else f"{count} {prompts} prove nothing, {fewest} are the fewest"
    )
    more = int(float(f"{needed - count:.2g}"))  # two digits: the spread is an estimate
    return f"cannot tell, about {more:,} more prompt{'s' if more > 1 else ''} needed: {why}"


def winner(comparison: Comparison | None) -> tuple[Literal["before", "after", "tie"], list[str]]:
    """The side whose scores are proved to be higher, else "tie"; the reasons say what decided and what to mind."""
    if comparison is None:
        return "tie", ["no prompt was scored on both sides"]
    overall = comparison.overall
    interval = f"the interval [{overall.low:+.1f}, {overall.high:+.1f}]"
    side: Literal["before", "after", "tie"] = "tie"
    if doubt := _doubt(comparison, "common prompts", MIN_PROMPTS):
        reasons = [doubt]
    elif overall.low <= 0 <= overall.high:
        reasons = [f"{interval} includes zero"]
    else:
        side = "after" if overall.low > 0 else "before"
        reasons = [f"{interval} excludes zero"]
    if comparison.coverage < MIN_COVERAGE:
        reasons.append(f"only {comparison.coverage:.0%} of the prompts were scored on both sides")
    if not 1 / MAX_LENGTH_RATIO <= comparison.length_ratio <= MAX_LENGTH_RATIO:
        reasons.append(f"lengths differ (× {comparison.length_ratio:.2f}), which can sway judges")
    return side, reasons


def _by_prompt(rows: Sequence[Scored]) -> dict[str, list[Scored]]:
    grouped: dict[str, list[Scored]] = {}
    for row in rows:
        if row.score is not None:
            grouped.setdefault(row.prompt_key, []).append(row)
    return grouped


def _by_cluster(
    grouped: Mapping[str, list[Scored]], prompts: AbstractSet[str], clusters: Mapping[str, int]
) -> dict[str, list[Scored]]:
    """The rows of these prompts; near-duplicates stand under the first of them."""
    first: dict[int, str] = {}
    merged: dict[str, list[Scored]] = {}
    for key in sorted(prompts):
        merged.setdefault(first.setdefault(clusters[key], key), []).extend(grouped[key])
    return merged


def _mean_score(rows: Sequence[Scored]) -> float:
    return fmean(row.score for row in rows if row.score is not None)


def _dimension_changes(
    first: Mapping[str, list[Scored]], second: Mapping[str, list[Scored]], common: Sequence[str], name: str
) -> list[float]:
    changes = []
    for key in common:
        old = [row.dimensions[name] for row in first[key] if name in row.dimensions]
        new = [row.dimensions[name] for row in second[key] if name in row.dimensions]
        if old and new:
            changes.append(fmean(new) - fmean(old))
    return changes


def _rating_change(
    first: Mapping[str, list[Scored]], second: Mapping[str, list[Scored]], common: Sequence[str]
) -> float | None:
    changes = []
    for key in common:
        old = [row.rating for row in first[key] if row.rating is not None]
        new = [row.rating for row in second[key] if row.rating is not None]
        if old and new:
            changes.append(fmean(new) - fmean(old))
    return fmean(changes) if changes else None


def _length(grouped: Mapping[str, list[Scored]], common: Sequence[str]) -> float:
    return fmean(fmean(row.length for row in grouped[key]) for key in common)


def _wilcoxon(differences: Sequence[float]) -> float:
    from scipy.stats import wilcoxon

    if not any(differences):
        return 1.0
    return float(wilcoxon(differences).pvalue)
