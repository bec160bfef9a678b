"""How a run grows with its responses: checkpoints per response, and the cost of a review page and of a pass.

Runs the pipeline against the scripted endpoint up to the gate before training, once without review and once
as recipes have it (uncertain responses and an audit of 10 %, all approved page by page). The limit is 2 KiB of
checkpoints per response. Then measures pages and passes of rounds that are judged already (benchmarks/paging.py):
from 1,000 to 10,000 responses they may cost a fifth more.
"""

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paging import approvals, table
from rlhf.nodes.services import Services
from rlhf.runs.drive import advance, register
from rlhf.state.files.prompts import parse_rows
from rlhf.state.recipe import parse_recipe
from rlhf.state.settings import Settings
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

RESPONSES = (100, 1000)
VARIATIONS = 5
LIMIT = 2048.0
"""Bytes per response."""
PAGED = (1_000, 10_000)
MOST_GROWTH = 0.2
"""Of the cost of a page or a pass, from the smallest to the largest of `PAGED`."""

_RECIPE = """
task_type = "budgeting"
[policy]
model = "vllm/scripted"
base_url = {base_url}
[judge]
model = "vllm/scripted"
base_url = {base_url}
[pipeline]
num_variations_per_prompt = {variations}
num_synthetic_examples = {responses}
held_out_fraction = 0.0
dataset_dir = {folder}
[review]
mode = {review}
[dataset]
selection = "margin"
min_margin = 5.0
[storage]
ledger_url = {ledger}
checkpoint_url = {checkpoints}
"""


@dataclass(frozen=True)
class Measured:
    """One run. Sizes in bytes, time in seconds."""

    responses: int
    review: str
    reviewed: int
    checkpoints: int
    ledger: int
    calls: int
    seconds: float

    @property
    def growth(self) -> float:
        """Bytes of checkpoints per response."""
        return self.checkpoints / self.responses


def measure(responses: int, review: str) -> Measured:
    """Run `responses` through generation and judging in a fresh folder."""
    with tempfile.TemporaryDirectory() as name, ScriptedEndpoint() as endpoint:
        folder = Path(name)
        services = Services(_settings(folder, endpoint.base_url, review, responses))
        started = time.perf_counter()
        try:
            reviewed = asyncio.run(_run(services, responses // VARIATIONS))
        finally:
            services.close()
        return Measured(
            responses,
            review,
            reviewed,
            _size(folder, "checkpoints.sqlite"),
            _size(folder, "ledger.sqlite"),
            endpoint.count(is_judge_call),
            time.perf_counter() - started,
        )


def _settings(folder: Path, base_url: str, review: str, responses: int) -> Settings:
    values = {
        "base_url": base_url,
        "folder": str(folder / "data"),
        "review": review,
        "ledger": f"sqlite:///{folder / 'ledger.sqlite'}",
        "checkpoints": f"sqlite:///{folder / 'checkpoints.sqlite'}",
    }
    quoted = {key: json.dumps(value) for key, value in values.items()}
    return parse_recipe(_RECIPE.format(**quoted, variations=VARIATIONS, responses=responses), "benchmark")


async def _run(services: Services, prompts: int) -> int:
    """Up to the gate before training; returns how many responses were reviewed on the way."""
    texts = (f"Split a ${1 + n}00,000 budget between Amazon and Walmart and explain." for n in range(prompts))
    rows = parse_rows([{"prompt": text} for text in texts], "budgeting", "benchmark")
    run_id = register(services, "benchmark", rows, "benchmark")
    outcome, reviewed = await advance(services, run_id, lambda progress: None), 0
    made = outcome.report.stages.generation.num_responses
    assert made == prompts * VARIATIONS, f"{made} responses were made, not {prompts * VARIATIONS}"
    while outcome.pending is not None and outcome.pending.is_review:
        reviewed += len(outcome.pending.requests)
        outcome = await advance(services, run_id, lambda progress: None, approvals(outcome.pending.requests))
    assert outcome.pending is not None, f"the run ended early: {outcome.report.note}"
    return reviewed


def _size(folder: Path, name: str) -> int:
    """Bytes of the database, with what is still in its log."""
    return sum(path.stat().st_size for path in folder.glob(f"{name}*"))


def main() -> int:
    """Print the tables; 1 if a run or the cost of a page or a pass grew beyond its limit."""
    print(
        f"{'responses':>9}  {'review':<9} {'reviewed':>8} {'checkpoint bytes':>17} {'per response':>13}",
        end="",
    )
    print(f" {'ledger per response':>20} {'judge calls':>12} {'seconds':>8} {'per response':>13}")
    worst = 0.0
    for review in ("off", "uncertain"):
        for responses in RESPONSES:
            m = measure(responses, review)
            worst = max(worst, m.growth)
            print(
                f"{m.responses:>9}  {m.review:<9} {m.reviewed:>8} {m.checkpoints:>17,} {m.growth:>13,.0f}"
                f" {m.ledger / m.responses:>20,.0f} {m.calls:>12,} {m.seconds:>8.1f}"
                f" {m.seconds / m.responses:>13.3f}",
                flush=True,
            )
    print(f"limit: {LIMIT:,.0f} bytes of checkpoints per response: {'kept' if worst <= LIMIT else 'BROKEN'}")
    print()
    grown = table(PAGED, lambda folder: _settings(folder, "http://127.0.0.1:9/v1", "uncertain", PAGED[-1]))
    kept = "kept" if grown <= MOST_GROWTH else "BROKEN"
    print(f"limit: {MOST_GROWTH:.0%} more per page or pass at {PAGED[-1]:,}: {grown:+.0%}, {kept}")
    return int(worst > LIMIT or grown > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
