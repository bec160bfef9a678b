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
from random import Random

import sqlalchemy as sa

from rlhf.nodes.accept import accepted
from rlhf.nodes.aggregate import aggregate_verdicts
from rlhf.nodes.build_dataset import RoundFeedback, pairs_of
from rlhf.nodes.judge_version import key_of, template_version
from rlhf.nodes.panel import evidence_for, pack_for
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.reweigh import Reweighed, derive
from rlhf.state.files.prompts import parse_rows
from rlhf.state.keys import response_key
from rlhf.state.ledger import Ledger
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.recipe import parse_recipe
from rlhf.state.records import Feedback, PromptRow, ResponseRow, SampleRow, Usage, Verdict
from rlhf.state.settings import Settings
from tests.scripted_endpoint import ScriptedEndpoint, plan

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

_SENTENCES = (
    "Each retailer has an amount and the amounts are in the currency of the brief.",
    "The split follows the audience of each retailer, but no figure supports it.",
    "The steps say what to do in which week; nobody is named as their owner.",
    "The brand is named once, and the tone is that of an internal note.",
)


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
    """The ledger of a run whose responses are all judged."""
    stores = ("Amazon", "CVS", "Walmart", "Target", "Kroger", "Costco")
    prompts = parse_rows(
        [
            {
                "prompt": f"Split ${1000 * (n + 3):,} between {stores[n % 6]}, {stores[(n + 1) % 6]} and "
                f"{stores[(n + 2) % 6]} for the launch of line {n}. Say how much each gets, when and why.",
                "context": {
                    "brand": "Lumora",
                    "budget": 1000 * (n + 3),
                    "retailers": [stores[(n + i) % 6] for i in range(3)],
                    "banned_terms": ["guaranteed", "cure"],
                },
            }
            for n in range(number // VARIATIONS)
        ],
        "budgeting",
        "benchmark",
    )
    ledger = Ledger(settings.storage.ledger_url)
    ledger.create_run(RUN, "plans", settings, "benchmark", prompts)
    ledger.set_run(RUN, round=1, status="finished")
    samples, texts, rows = [], {}, []
    for prompt in prompts:
        for variation in range(VARIATIONS):
            text = plan(prompt.text, variation)
            key = response_key(prompt.key, text)
            texts[key] = text
            samples.append(
                SampleRow(
                    prompt_key=prompt.key, policy="policy", round=1, variation=variation, response_key=key
                )
            )
            rows.append(_judged(prompt, key, text, settings))
    ledger.add_samples(RUN, samples, texts, calls=1)
    _write(settings, rows)
    by_prompt: dict[str, list[str]] = {}
    for sample in samples:
        by_prompt.setdefault(sample.prompt_key, []).append(str(sample.response_key))
    feedback = {entry.response_id: entry for _, entry in rows}
    pairs, _ = pairs_of(ledger.run(RUN), RoundFeedback(by_prompt, ledger.responses(texts), feedback, {}))
    ledger.set_pairs(RUN, 1, [(pair.chosen.key, pair.rejected.key, pair.margin) for pair in pairs])
    ledger.close()


def _judged(prompt: PromptRow, key: str, text: str, settings: Settings) -> tuple[list[Verdict], Feedback]:
    response = ResponseRow(
        key=key,
        prompt_key=prompt.key,
        prompt=prompt.text,
        context=prompt.context,
        task_type="budgeting",
        text=text,
    )
    pack, chance = pack_for("budgeting"), Random(key)
    level = chance.gauss(3.0, 1.0)
    verdicts = {
        name: Verdict(
            key=key_of(response, name, settings.judge),
            response_key=key,
            dimension=name,
            status="scored",
            score=min(100.0, max(0.0, 20 * (level + chance.gauss(0.0, 0.8)))),
            confidence=chance.uniform(0.4, 1.0),
            method="level",
            strengths=chance.sample(_SENTENCES, 2),
            weaknesses=chance.sample(_SENTENCES, 2),
            rationale=" ".join(chance.sample(_SENTENCES, 3)),
            model=settings.judge.model,
            rubric_version=pack.version,
            template_version=template_version(settings.judge),
            usage=Usage(calls=1, input_tokens=700, output_tokens=120),
        )
        for name in DIMENSIONS
    }
    feedback = aggregate_verdicts(response, verdicts, evidence_for(pack, response), pack, settings)
    return list(verdicts.values()), accepted(feedback, settings, key)


def _write(settings: Settings, rows: list[tuple[list[Verdict], Feedback]]) -> None:
    """Verdicts and feedback as the ledger keeps them, in one transaction instead of one each."""
    texts = {"prompt", "response", "prompt_id", "response_id", "task_type"}
    verdicts = [verdict for found, _ in rows for verdict in found]
    database = Database(settings.storage.ledger_url)
    with database.writing() as connection:
        named = ("key", "response_key", "dimension", "status", "score")
        connection.execute(
            sa.insert(t.verdicts),
            [{name: v[name] for name in named} | {"body": v.model_dump(mode="json")} for v in verdicts],
        )
        spent = {"run_id": RUN, "cached": False, "calls": 1, "input_tokens": 700, "output_tokens": 120}
        connection.execute(sa.insert(t.run_verdicts), [spent | {"verdict_key": v.key} for v in verdicts])
        columns = ("overall_score", "rating", "coverage", "needs_review")
        connection.execute(
            sa.insert(t.feedback),
            [
                {"run_id": RUN, "response_key": entry.response_id}
                | {name: entry[name] for name in columns}
                | {"body": entry.model_dump(mode="json", exclude=texts)}
                for _, entry in rows
            ],
        )
    database.close()


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
