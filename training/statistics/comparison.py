"""Proof of improvement: paired differences with bootstrap intervals, the verdict ship or hold, and who wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rlhf.state.records import Feedback

CONFIDENCE_LEVEL = 0.95
RESAMPLES = 9_999
DIMENSION_MARGIN = 5.0
"""Points of 100 a single dimension may lose before the adapter is held back."""
MAX_LENGTH_RATIO = 1.15
"""Longer than this and a higher score may be length alone."""
MIN_PROMPTS = 6
"""Fewest held-out prompts that can prove anything: with five, even five wins could be chance (p = 0.06)."""
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
class Interval:
    """A mean paired difference (after − before) in points of 100 with its 95 % interval."""

    delta: float
    low: float
    high: float


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
    """Prompts on which both have a score."""
    coverage: float
    length_ratio: float
    rating_delta: float | None = None
    """Mean change of the rating, stars; None without ratings."""


def compare(before: Sequence[Scored], after: Sequence[Scored], seed: int) -> Comparison | None:
    """Compare per prompt: a prompt's score is the mean over its scored responses.

    None if there is no prompt that both have a score on.
    """
    first, second = _by_prompt(before), _by_prompt(after)
    prompts = {row.prompt_key for row in (*before, *after)}
    common = sorted(first.keys() & second.keys())
    if not common:
        return None
    pairs = [(_mean_score(first[key]), _mean_score(second[key])) for key in common]
    differences = [new - old for old, new in pairs]
    names = sorted({name for key in common for row in (*first[key], *second[key]) for name in row.dimensions})
    wins = [1.0 if d > 0 else 0.5 if d == 0 else 0.0 for d in differences]
    return Comparison(
        overall=bootstrap(differences, seed),
        dimensions={
            name: bootstrap(changes, seed)
            for name in names
            if (changes := _dimension_changes(first, second, common, name))
        },
        win_rate=fmean(wins),
        p_value=_wilcoxon(differences),
        before=fmean(old for old, _ in pairs),
        after=fmean(new for _, new in pairs),
        num_prompts=len(common),
        coverage=len(common) / len(prompts),
        length_ratio=_length(second, common) / max(1.0, _length(first, common)),
        rating_delta=_rating_change(first, second, common),
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
    reasons = list(objections)
    if comparison.num_prompts < MIN_PROMPTS:
        reasons.append(f"{comparison.num_prompts} held-out prompts prove nothing: {MIN_PROMPTS} are needed")
    if overall.low <= 0:
        reasons.append(f"the interval [{overall.low:.1f}, {overall.high:.1f}] does not lie above zero")
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


def winner(comparison: Comparison | None) -> tuple[Literal["before", "after", "tie"], list[str]]:
    """The side whose scores are proved to be higher, else "tie"; the reasons say what decided and what to mind."""
    if comparison is None:
        return "tie", ["no prompt was scored on both sides"]
    overall = comparison.overall
    interval = f"the interval [{overall.low:+.1f}, {overall.high:+.1f}]"
    side: Literal["before", "after", "tie"] = "tie"
    if comparison.num_prompts < MIN_PROMPTS:
        reasons = [f"{comparison.num_prompts} common prompts prove nothing: {MIN_PROMPTS} are needed"]
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


def bootstrap(values: Sequence[float], seed: int) -> Interval:
    """Mean of `values` with its bias-corrected and accelerated bootstrap interval (Efron 1987).

    Values that do not differ give an interval of no width; a single value proves nothing: [-100, 100].
    """
    import numpy as np
    from scipy.stats import bootstrap as resample

    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, -100.0, 100.0)
    if max(values) - min(values) < 1e-9:
        return Interval(mean, mean, mean)
    result = resample(
        (np.asarray(values, dtype=float),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE_LEVEL,
        method="BCa" if len(set(values)) > 2 else "percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(mean, float(result.confidence_interval.low), float(result.confidence_interval.high))


def _by_prompt(rows: Sequence[Scored]) -> dict[str, list[Scored]]:
    grouped: dict[str, list[Scored]] = {}
    for row in rows:
        if row.score is not None:
            grouped.setdefault(row.prompt_key, []).append(row)
    return grouped


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
