"""How often a 95 % interval of the mean paired difference holds the truth, on as few prompts as a gate has.

Seven kinds of differences between two models, shaped like those of judged runs: scores are weighted levels, caps
pull whole answers down or let them up, many prompts end in a tie. From each, thousands of sets of 6 to 40 prompts
are drawn and every method gives its interval. Printed per method and number of prompts: coverage over all kinds, the
worst kind, how often the interval lies above the truth (what ships a model that is no better: 2.5 % is nominal), and
the median width in points. `gate` is the function that the gate calls.

    python -m benchmarks.gate [--sets 2000] [--details]
"""

import argparse
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.training.statistics.intervals import mean_interval

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Floats]
"""(generator, sets, prompts) → differences, sets × prompts."""
Bounds = tuple[Floats, Floats]
Method = Callable[[Floats, np.random.Generator], Bounds]

SIZES = (6, 8, 10, 12, 16, 20, 30, 40)
RESAMPLES = 1_999
CHUNK = 50
"""Sets that share their resamples' indices: independent enough, and a matrix product instead of a loop."""
WEIGHTS = np.array([0.30, 0.20, 0.25, 0.15, 0.10])
assert len(WEIGHTS) == len(DIMENSIONS)


def even(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """Averages of several full verdicts: nearly normal."""
    return rng.normal(5.0, 10.0, (sets, prompts))


def levels(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """One compact verdict a side: each dimension moves by a level (20 points) up, down or not at all."""
    moves = rng.choice([-20.0, 0.0, 20.0], (sets, prompts, len(WEIGHTS)), p=[0.15, 0.55, 0.30])
    return np.asarray(moves @ WEIGHTS)


def ties(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """The same answer on every other prompt; elsewhere some points either way, in whole levels of one dimension."""
    moves = rng.choice([-6.0, -4.0, 4.0, 5.0, 6.0, 12.0], (sets, prompts))
    return np.where(rng.random((sets, prompts)) < 0.5, 0.0, moves)


def lifted_caps(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """Little changes, but one answer in five no longer breaks a rule that capped it: skewed to the right."""
    lifted = rng.random((sets, prompts)) < 0.2
    return np.where(lifted, rng.normal(30.0, 8.0, (sets, prompts)), rng.normal(0.0, 4.0, (sets, prompts)))


def new_faults(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """A small gain nearly everywhere, and one answer in five falls under a cap: skewed to the left."""
    fallen = rng.random((sets, prompts)) < 0.2
    return np.where(fallen, rng.normal(-30.0, 8.0, (sets, prompts)), rng.normal(4.0, 4.0, (sets, prompts)))


def heavy(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """A few prompts change a lot in either direction: Student's t with three degrees of freedom."""
    return np.asarray(3.0 + 6.0 * rng.standard_t(3, (sets, prompts)))


def ceiling(rng: np.random.Generator, sets: int, prompts: int) -> Floats:
    """Both sides near the top of the scale: differences bounded and lumpy, a few weak prompts gain much."""
    talent = rng.beta(5.0, 1.2, (sets, prompts)) * 100.0
    before = np.clip(np.round(talent + rng.normal(0.0, 8.0, (sets, prompts))), 0.0, 100.0)
    gain = 0.3 * (100.0 - talent)
    after = np.clip(np.round(talent + gain + rng.normal(0.0, 8.0, (sets, prompts))), 0.0, 100.0)
    return after - before


KINDS: Mapping[str, Draw] = {
    draw.__name__: draw for draw in (even, levels, ties, lifted_caps, new_faults, heavy, ceiling)
}


def student(sets: Floats, rng: np.random.Generator) -> Bounds:
    n = sets.shape[1]
    half = stats.t.ppf(0.975, n - 1) * sets.std(axis=1, ddof=1) / np.sqrt(n)
    mean = sets.mean(axis=1)
    return mean - half, mean + half


def gate(sets: Floats, rng: np.random.Generator) -> Bounds:
    """The wider end of Student's t and Hall's transformation, as the gate has it."""
    found = [mean_interval(values.tolist()) for values in sets]
    return np.array([each.low for each in found]), np.array([each.high for each in found])


def hall(sets: Floats, rng: np.random.Generator) -> Bounds:
    """Student's t quantiles through the inverse of Hall's cubic alone (Hall 1992)."""
    n = sets.shape[1]
    mean, s = sets.mean(axis=1), sets.std(axis=1, ddof=1)
    skewness = ((sets - mean[:, None]) ** 3).mean(axis=1) / np.where(s > 0, s, 1.0) ** 3
    skewness = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness)

    def quantile(q: float) -> Floats:
        cube = 1 + skewness * (q / n**0.5 - skewness / (6 * n))
        return np.asarray(n**0.5 * 3 / skewness * (np.cbrt(cube) - 1))

    q = float(stats.t.ppf(0.975, n - 1))
    return mean - s / n**0.5 * quantile(q), mean - s / n**0.5 * quantile(-q)


def _resampled(sets: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Means and standard deviations of every set's resamples: sets × RESAMPLES each."""
    n = sets.shape[1]
    counts = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).T.astype(float)
    means = sets @ counts / n
    centre = sets.mean(axis=1, keepdims=True)
    second = (sets - centre) ** 2 @ counts / n - (means - centre) ** 2
    return means, np.sqrt(np.maximum(second, 0.0) * n / (n - 1))


def _at(values: Floats, lower: Floats, upper: Floats) -> Bounds:
    ordered = np.sort(values, axis=1)
    places = ordered.shape[1] - 1

    def take(share: Floats) -> Floats:
        where = np.clip(share * places, 0, places)
        below = np.floor(where).astype(int)
        above = np.minimum(below + 1, places)
        rows = np.arange(len(ordered))
        between = (where - below) * (ordered[rows, above] - ordered[rows, below])
        return np.asarray(ordered[rows, below] + between)

    return take(lower), take(upper)


def _bca(sets: Floats, rng: np.random.Generator, alpha: float) -> Bounds:
    means, _ = _resampled(sets, rng)
    centre = sets.mean(axis=1, keepdims=True)
    share = (means < centre - 1e-9).mean(axis=1) + 0.5 * (np.abs(means - centre) <= 1e-9).mean(axis=1)
    z0 = stats.norm.ppf(np.clip(share, 1e-6, 1 - 1e-6))
    centred = sets - centre
    spread = (centred**2).sum(axis=1) ** 1.5
    accelerated = np.divide((centred**3).sum(axis=1), 6 * spread, out=np.zeros_like(spread), where=spread > 0)
    z = stats.norm.ppf(alpha)

    def adjusted(z: float) -> Floats:
        return np.asarray(stats.norm.cdf(z0 + (z0 + z) / (1 - accelerated * (z0 + z))))

    return _at(means, adjusted(z), adjusted(-z))


def percentile(sets: Floats, rng: np.random.Generator) -> Bounds:
    means, _ = _resampled(sets, rng)
    each = np.ones(len(sets))
    return _at(means, 0.025 * each, 0.975 * each)


def bca(sets: Floats, rng: np.random.Generator) -> Bounds:
    return _bca(sets, rng, 0.025)


def expanded_bca(sets: Floats, rng: np.random.Generator) -> Bounds:
    """BCa at the level that makes a percentile interval as wide as Student's (Hesterberg 2015, section 5.3)."""
    n = sets.shape[1]
    return _bca(sets, rng, float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))))


def bootstrap_t(sets: Floats, rng: np.random.Generator) -> Bounds:
    n = sets.shape[1]
    means, spreads = _resampled(sets, rng)
    centre, s = sets.mean(axis=1), sets.std(axis=1, ddof=1)
    gap = means - centre[:, None]
    far = np.where(np.abs(gap) > 1e-9, np.sign(gap) * 1e6, 0.0)
    t = np.where(spreads > 1e-9, gap / np.where(spreads > 1e-9, spreads / np.sqrt(n), 1.0), far)
    each = np.ones(len(sets))
    low, high = _at(t, 0.025 * each, 0.975 * each)
    return (
        np.maximum(centre - high * s / np.sqrt(n), -100.0),
        np.minimum(centre - low * s / np.sqrt(n), 100.0),
    )


def sign_flips(sets: Floats, rng: np.random.Generator) -> Bounds:
    """Means that a paired permutation test does not reject, by bisection: assumes differences are symmetric."""
    n = sets.shape[1]
    signs = rng.choice([-1.0, 1.0], (n, 999))
    sizes = sets.mean(axis=1)

    def kept(mean: Floats) -> NDArray[np.bool_]:
        centred = sets - mean[:, None]
        seen = np.abs(centred.mean(axis=1))
        more = (np.abs(centred @ signs / n) >= seen[:, None] - 1e-9).sum(axis=1)
        return np.asarray((more + 1) / 1000 > 0.05)

    def edge(far: Floats) -> Floats:
        inside, outside = sizes.copy(), far
        for _ in range(25):
            middle = (inside + outside) / 2
            fine = kept(middle)
            inside, outside = np.where(fine, middle, inside), np.where(fine, outside, middle)
        return np.asarray(inside)

    return edge(sizes - 300.0), edge(sizes + 300.0)


METHODS: Mapping[str, Method] = {
    method.__name__: method
    for method in (percentile, bca, expanded_bca, bootstrap_t, sign_flips, student, hall, gate)
}


def measure(draw: Draw, method: Method, prompts: int, sets: int) -> tuple[float, float, float]:
    """Coverage, share of intervals above the truth, median width."""
    rng = np.random.default_rng([prompts, 11])
    truth = float(draw(np.random.default_rng(1), 1, 1_000_000).mean())
    drawn = draw(rng, sets, prompts)
    parts = [method(drawn[i : i + CHUNK], rng) for i in range(0, sets, CHUNK)]
    low, high = (np.concatenate(side) for side in zip(*parts, strict=True))
    held = (low <= truth) & (truth <= high)
    return float(held.mean()), float((low > truth).mean()), float(np.median(high - low))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2_000)
    parser.add_argument("--details", action="store_true", help="a line for each kind as well")
    args = parser.parse_args()
    for prompts in SIZES:
        print(f"{prompts} prompts", flush=True)
        for name, method in METHODS.items():
            found = {kind: measure(draw, method, prompts, args.sets) for kind, draw in KINDS.items()}
            coverage, above, width = (np.array(values) for values in zip(*found.values(), strict=True))
            worst = min(found, key=lambda kind: found[kind][0])
            print(
                f"  {name:<13} covers {coverage.mean():6.1%}, worst {coverage.min():6.1%} ({worst}), "
                f"above {above.mean():5.1%}, worst {above.max():5.1%}, width {width.mean():5.1f}",
                flush=True,
            )
            for kind, (held, over, wide) in found.items() if args.details else ():
                print(f"      {kind:<12} covers {held:6.1%}, above {over:5.1%}, width {wide:5.1f}")


if __name__ == "__main__":
    main()
