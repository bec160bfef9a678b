"""What the economy mode costs and saves: both judge modes on the same labelled pairs, at the endpoint of a recipe.

Per mode: agreement with people (share of pairs ranked as people did, equal scores counting half, ties among people
left out, with Wilson's 95 % interval), halo (mean correlation between two dimensions over the responses: the higher,
the more one impression colours all levels), failed verdicts, calls and tokens per response. Scores are the judge's
own, before any evidence is blended in. A compact recipe is measured in the full style, which combined needs.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlhf.nodes.judge_version import key_of
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.judge import judged
from rlhf.state.files.lines import json_lines
from rlhf.state.files.prompts import parse_prompt
from rlhf.state.recipe import load_recipe
from rlhf.state.records import PromptRow, Usage
from rlhf.state.scores import weighted_mean
from rlhf.state.settings import Settings

Mode = Literal["separate", "combined"]
MAX_TOKENS = 700
"""Longest answer of either mode; the embedded model, which seldom finds an end, is better given 150."""
_Z = 1.959964
"""Of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Pair:
    """Two responses to one prompt and which of them people prefer."""

    prompt: PromptRow
    responses: tuple[str, str]
    label: Literal["a", "b", "tie"]


@dataclass(frozen=True)
class Judged:
    """A response as one mode judged it: points of 100 per dimension that was scored."""

    scores: Mapping[str, float]
    overall: float | None
    usage: Usage


@dataclass(frozen=True)
class Measured:
    """One mode. Shares are 0–1; None where nothing could be measured."""

    mode: Mode
    num_pairs: int
    accuracy: float | None
    low: float | None
    high: float | None
    num_responses: int
    num_failed: int
    """Failed verdicts, of five per response."""
    num_complete: int
    """Responses with all five scores: what the correlations are over."""
    pearson: float | None
    spearman: float | None
    calls: float
    """Per response, as are the tokens."""
    input_tokens: float
    output_tokens: float


def read_pairs(path: Path, limit: int, seed: int, task_type: str) -> list[Pair]:
    """`limit` pairs of a labels file (JSON lines: prompt, response_a, response_b, label), drawn at random."""
    rows = [json.loads(line) for line in json_lines(path.read_text(encoding="utf-8"))]
    drawn = random.Random(seed).sample(rows, min(limit, len(rows)))
    return [
        Pair(
            parse_prompt(
                {"prompt": row["prompt"], "context": row.get("context") or {}}, task_type, str(path)
            ),
            (row["response_a"], row["response_b"]),
            row["label"],
        )
        for row in drawn
    ]


def both_modes(settings: Settings, pairs: Sequence[Pair], max_tokens: int = MAX_TOKENS) -> list[Measured]:
    """Judge every response in either mode, with ledgers that are thrown away."""
    judge = {"style": "full", "max_tokens": max_tokens}
    settings = settings.replace({"judge": judge}, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        return [_measured(mode, settings, pairs, f"{folder}/{mode}") for mode in ("separate", "combined")]


def _measured(mode: Mode, settings: Settings, pairs: Sequence[Pair], folder: str) -> Measured:
    Path(folder).mkdir()
    storage = {name: f"sqlite:///{folder}/{name}.sqlite" for name in ("ledger_url", "checkpoint_url")}
    services = Services(settings.replace({"judge": {"mode": mode}, "storage": storage}, "benchmark"))
    try:
        items = [(pair.prompt, response) for pair in pairs for response in pair.responses]
        found = asyncio.run(_judged(services, items))
    finally:
        services.close()
    wins = [
        won
        for pair, first, second in zip(pairs, found[::2], found[1::2], strict=True)
        if (won := _won(pair, first, second)) is not None
    ]
    low, high = wilson(sum(wins), len(wins)) if wins else (None, None)
    complete = [[each.scores[name] for name in DIMENSIONS] for each in found if len(each.scores) == 5]
    usage = sum((each.usage for each in found), Usage())
    return Measured(
        mode=mode,
        num_pairs=len(wins),
        accuracy=sum(wins) / len(wins) if wins else None,
        low=low,
        high=high,
        num_responses=len(found),
        num_failed=sum(5 - len(each.scores) for each in found),
        num_complete=len(complete),
        pearson=mean_correlation(complete),
        spearman=mean_correlation(_ranked(complete)),
        calls=usage.calls / len(found),
        input_tokens=usage.input_tokens / len(found),
        output_tokens=usage.output_tokens / len(found),
    )


async def _judged(services: Services, items: Sequence[tuple[PromptRow, str]]) -> list[Judged]:
    results = []
    async for feedback in judged(services, items):
        response = services.ledger.response(feedback.response_id)
        keys = [key_of(response, name, services.settings.judge) for name in DIMENSIONS]
        verdicts = services.ledger.verdicts(keys)
        scores = {each.dimension: each.score for each in verdicts if each.score is not None}
        weights = pack_for(response.task_type).weights
        overall = weighted_mean(scores, weights)
        results.append(Judged(scores, overall, sum((each.usage for each in verdicts), Usage())))
        print(f"\r{services.settings.judge.mode}: {len(results)} of {len(items)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return results


def _won(pair: Pair, first: Judged, second: Judged) -> float | None:
    """1 where the judge ranks as people did, 0.5 for equal scores; None where either has no preference to compare."""
    if pair.label == "tie" or first.overall is None or second.overall is None:
        return None
    better, worse = (first, second) if pair.label == "a" else (second, first)
    assert better.overall is not None
    assert worse.overall is not None
    return 0.5 + 0.5 * ((better.overall > worse.overall) - (better.overall < worse.overall))


def wilson(won: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `won` in `count`."""
    share, spread = won / count, _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_correlation(rows: Sequence[Sequence[float]]) -> float | None:
    """Mean Pearson correlation over all pairs of columns; columns that never vary are left out."""
    if len(rows) < 3:
        return None
    columns = np.asarray(rows, dtype=float).T
    varying = [column for column in columns if np.ptp(column) > 1e-9]
    found = [float(np.corrcoef(first, second)[0, 1]) for first, second in combinations(varying, 2)]
    return sum(found) / len(found) if found else None


def _ranked(rows: Sequence[Sequence[float]]) -> Any:
    from scipy.stats import rankdata

    return rankdata(np.asarray(rows, dtype=float), axis=0) if rows else []


def show(results: Sequence[Measured]) -> None:
    """Print the table and what combined saves."""
    print(f"{'':<10} {'pairs':>5} {'agrees with people':>22} {'pearson':>8} {'spearman':>8}", end="")
    print(f" {'over':>5} {'failed':>9} {'calls':>6} {'in':>7} {'out':>6}   per response")
    for m in results:
        agrees = "-" if m.accuracy is None else f"{m.accuracy:.3f} [{m.low:.3f}, {m.high:.3f}]"
        failed = f"{m.num_failed}/{5 * m.num_responses}"
        print(
            f"{m.mode:<10} {m.num_pairs:>5} {agrees:>22} {_figure(m.pearson):>8} {_figure(m.spearman):>8}",
            end="",
        )
        print(
            f" {m.num_complete:>5} {failed:>9} {m.calls:>6.1f} {m.input_tokens:>7.0f} {m.output_tokens:>6.0f}"
        )
    before, after = results
    saved = [
        f"{1 - new / old:.0%} of the {what} tokens"
        for what, old, new in (
            ("input", before.input_tokens, after.input_tokens),
            ("output", before.output_tokens, after.output_tokens),
        )
        if old
    ]
    print(f"combined saves {' and '.join(saved) or 'nothing that was counted'}")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="local", help="recipe whose judge is measured")
    parser.add_argument("--labels", type=Path, required=True, help="JSON lines of labelled pairs")
    parser.add_argument("--limit", type=int, default=20, help="pairs drawn at random")
    parser.add_argument("--max-tokens", type=int, default=MAX_TOKENS, help="longest answer")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--task-type", default="general", help="rubric pack to judge by")
    options = parser.parse_args(arguments)
    pairs = read_pairs(options.labels, options.limit, options.seed, options.task_type)
    show(both_modes(load_recipe(options.recipe), pairs, options.max_tokens))
    return 0


if __name__ == "__main__":
    sys.exit(main())
