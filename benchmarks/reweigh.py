"""How long it takes to derive a run anew under other weights: 10,000 stored responses, and no call.

Writes a ledger as a run leaves it (real evidence on made-up plans, scripted verdicts), then reweighs that run in
this process and once more through the command line. The limit is five seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.judged_run import judged_run
from rlhf.nodes.build_dataset import RoundFeedback, pairs_of
from rlhf.runs.reweigh import Reweighed, derive
from rlhf.state.ledger import Ledger
from rlhf.state.recipe import parse_recipe
from rlhf.state.settings import Settings
from tests.scripted_endpoint import ScriptedEndpoint

LIMIT = 5.0
"""Seconds."""
VARIATIONS = 5
RUN = "stored"
WEIGHTS = {"accuracy": 0.4, "brand_alignment": 0.1, "compliance": 0.2, "clarity": 0.1, "actionability": 0.2}

_RECIPE = """
task_type = "budgeting"
[policy]
model = "vllm/scripted"
base_url = {base_url}
[judge]
model = "vllm/scripted"
base_url = {base_url}
[pipeline]
num_variations_per_prompt = 5
num_synthetic_examples = 1000000
held_out_fraction = 0.0
dataset_dir = {datasets}
[dataset]
selection = "margin"
min_margin = 8.0
[storage]
ledger_url = {ledger}
checkpoint_url = {checkpoints}
"""


def main() -> int:
    """Build, reweigh twice, print; 1 if the limit is missed or a call was made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=10_000)
    number = parser.parse_args().responses
    with tempfile.TemporaryDirectory() as folder, ScriptedEndpoint() as endpoint:
        settings = _settings(Path(folder), endpoint.base_url)
        start = time.perf_counter()
        _build(settings, number)
        size = Path(folder, "ledger.sqlite").stat().st_size / 2**20
        print(f"{number:,} responses stored in {time.perf_counter() - start:.0f} s, ledger {size:.0f} MiB")
        ledger = Ledger(settings.storage.ledger_url)
        start = time.perf_counter()
        result = derive(ledger, RUN, {"acceptance": {"weights": WEIGHTS, "min_score_acceptable": 65.0}})
        seconds = time.perf_counter() - start
        calls = ledger.usage(result.run_id).calls + endpoint.count()
        ledger.close()
        print(f"in this process: {seconds:.2f} s, {calls} calls")
        print(_told(result))
        whole = _through_the_command_line(Path(folder), settings)
        calls += endpoint.count()
        print(f"rlhf reweigh, start to end: {whole:.2f} s, {endpoint.count()} calls")
    kept = max(seconds, whole) < LIMIT and calls == 0
    print(f"limit of {LIMIT:.0f} s and no call: {'kept' if kept else 'missed'}")
    return 0 if kept else 1


def _settings(folder: Path, base_url: str) -> Settings:
    values = {
        "base_url": base_url,
        "datasets": str(folder / "data"),
        "ledger": f"sqlite:///{folder / 'ledger.sqlite'}",
        "checkpoints": f"sqlite:///{folder / 'checkpoints.sqlite'}",
    }
    text = _RECIPE.format(**{name: json.dumps(value) for name, value in values.items()})
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return parse_recipe(text, "benchmark")


def _build(settings: Settings, number: int) -> None:
    """The ledger of a run whose responses are all judged and paired."""
    feedback = {entry.response_id: entry for entry in judged_run(settings, RUN, number, VARIATIONS)}
    by_prompt: dict[str, list[str]] = {}
    for key, entry in feedback.items():
        by_prompt.setdefault(entry.prompt_id, []).append(key)
    ledger = Ledger(settings.storage.ledger_url)
    ledger.set_run(RUN, status="finished")
    pairs, _ = pairs_of(ledger.run(RUN), RoundFeedback(by_prompt, ledger.responses(feedback), feedback, {}))
    ledger.set_pairs(RUN, 1, [(pair.chosen.key, pair.rejected.key, pair.margin) for pair in pairs])
    ledger.close()


def _told(result: Reweighed) -> str:
    return (
        f"  mean score {result.mean_score_before} → {result.mean_score_after}, ratings up {result.ratings_up}, "
        f"down {result.ratings_down}\n"
        f"  newly accepted {len(result.newly_accepted)}, rejected {len(result.newly_rejected)}, review "
        f"{result.review_before} → {result.review_after}\n"
        f"  pairs: {result.pairs_kept} kept, {len(result.pairs_new)} new, {len(result.pairs_gone)} gone"
    )


def _through_the_command_line(folder: Path, settings: Settings) -> float:
    weights = json.dumps(WEIGHTS)
    start = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "rlhf",
            "reweigh",
            RUN,
            "--weights",
            weights,
            "--min-margin",
            "20",
            "--recipe",
            "recipe.toml",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
