"""A run whose responses are all judged, written straight into a ledger: no endpoint, no hours of waiting."""

from random import Random

import sqlalchemy as sa

from rlhf.nodes.accept import accepted
from rlhf.nodes.aggregate import aggregate_verdicts
from rlhf.nodes.judge_version import key_of, template_version
from rlhf.nodes.panel import evidence_for, pack_for
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.files.prompts import parse_rows
from rlhf.state.keys import response_key
from rlhf.state.ledger import Ledger
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.records import Feedback, PromptRow, ResponseRow, SampleRow, Usage, Verdict
from rlhf.state.settings import Settings
from tests.scripted_endpoint import plan

_SENTENCES = (
    "Each retailer has an amount and the amounts are in the currency of the brief.",
    "The split follows the audience of each retailer, but no figure supports it.",
    "The steps say what to do in which week; nobody is named as their owner.",
    "The brand is named once, and the tone is that of an internal note.",
)


def judged_run(settings: Settings, run_id: str, number: int, variations: int) -> list[Feedback]:
    """Write the run with `number` responses, `variations` per prompt; returns their feedback in order."""
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
            for n in range(number // variations)
        ],
        "budgeting",
        "benchmark",
    )
    ledger = Ledger(settings.storage.ledger_url)
    ledger.create_run(run_id, "plans", settings, "benchmark", prompts)
    ledger.set_run(run_id, round=1)
    samples, texts, rows = [], {}, []
    for prompt in prompts:
        for variation in range(variations):
            text = plan(prompt.text, variation)
            key = response_key(prompt.key, text)
            texts[key] = text
            samples.append(
                SampleRow(
                    prompt_key=prompt.key, policy="policy", round=1, variation=variation, response_key=key
                )
            )
            rows.append(_judged(prompt, key, text, settings))
    ledger.add_samples(run_id, samples, texts, calls=1)
    ledger.close()
    _write(settings, run_id, rows)
    return [feedback for _, feedback in rows]


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


def _write(settings: Settings, run_id: str, rows: list[tuple[list[Verdict], Feedback]]) -> None:
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
        spent = {"run_id": run_id, "cached": False, "calls": 1, "input_tokens": 700, "output_tokens": 120}
        connection.execute(sa.insert(t.run_verdicts), [spent | {"verdict_key": v.key} for v in verdicts])
        columns = ("overall_score", "rating", "coverage", "needs_review")
        connection.execute(
            sa.insert(t.feedback),
            [
                {"run_id": run_id, "response_key": entry.response_id}
                | {name: entry[name] for name in columns}
                | {"body": entry.model_dump(mode="json", exclude=texts)}
                for _, entry in rows
            ],
        )
    database.close()
