"""Whether scores have drifted: how far a batch's distribution is from that of the batches before it."""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, log, nextafter
from statistics import fmean

from rlhf.state.measures import Drift

MIN_SCORES = 10
"""Fewest scores of a batch that say something about a distribution."""
MIN_REFERENCE = 30
"""Fewest earlier scores to compare with."""
MAX_BINS = 10


def drift(reference: Sequence[Sequence[float]], scores: Sequence[float]) -> tuple[Drift | None, str]:
    """Scores of a batch (points of 100) against the pooled scores of earlier batches.

    With too little to compare there is no figure but a sentence that says what is missing.
    """
    earlier = [score for batch in reference for score in batch]
    if len(scores) < MIN_SCORES:
        return None, f"the batch has {len(scores)} scores, {MIN_SCORES} are needed"
    if len(earlier) < MIN_REFERENCE:
        return None, f"there are {len(earlier)} earlier scores to compare with, {MIN_REFERENCE} are needed"
    statistic, p_value = two_sample(earlier, scores)
    found = Drift(
        psi=round(population_stability_index(earlier, scores), 4),
        statistic=round(statistic, 4),
        p_value=round(p_value, 6),
        score_delta=round(fmean(scores) - fmean(earlier), 4),
        num_scores=len(scores),
        num_reference=len(earlier),
        num_batches=len(reference),
    )
    return found, ""


def population_stability_index(reference: Sequence[float], scores: Sequence[float]) -> float:
    """Sum over bins of (q - p) ln(q / p), with p the reference's share of a bin and q the scores' (Siddiqi 2006).

    Bins are the reference's quantiles: ten at most, two at least, and fewer for small samples, where more would
    find drift in chance. Half a value is added to every bin, so that an empty one is finite. 0 for equal shares;
    grows without bound.
    """
    edges = _edges(reference, max(2, min(MAX_BINS, len(reference) // 10, len(scores) // 10)))
    expected, found = _shares(reference, edges), _shares(scores, edges)
    return sum((q - p) * log(q / p) for p, q in zip(expected, found, strict=True))


def two_sample(reference: Sequence[float], scores: Sequence[float]) -> tuple[float, float]:
    """Kolmogorov–Smirnov distance (0–1) and two-sided p-value; with many ties the p-value errs upwards."""
    from scipy.stats import ks_2samp

    result = ks_2samp(reference, scores, method="asymp")
    return float(result.statistic), min(1.0, max(0.0, float(result.pvalue)))


def _edges(reference: Sequence[float], bins: int) -> list[float]:
    """Inner borders of `bins` bins: the values that part the sorted reference evenly.

    A value so frequent that it is two borders has a bin of its own: what lies above it is no longer it.
    """
    ordered = sorted(reference)
    borders = [ordered[len(ordered) * place // bins] for place in range(1, bins)]
    # With two bins there is one border only; the extremes tell whether it is such a value too.
    frequent = {a for a, b in pairwise([ordered[0], *borders, ordered[-1]]) if a == b}
    return sorted({*borders, *frequent, *(nextafter(value, inf) for value in frequent)})


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    borders = [-inf, *edges, inf]
    counts = [sum(low <= value < high for value in values) for low, high in pairwise(borders)]
    return [(count + 0.5) / (len(values) + 0.5 * len(counts)) for count in counts]
