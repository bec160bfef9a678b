"""A run whose responses are all judged, written straight into a ledger: no endpoint, no hours of waiting."""

from random import Random

import sqlalchemy as sa

from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.files.prompts import parse_rows
from rlhf.state.ledger import Ledger
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.records import Feedback, ResponseRow, Usage, Verdict
from rlhf.state.settings import Settings
from tests.nodes.builders import accepted_feedback, new_run, verdict_on
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
    keys = new_run(ledger, prompts, settings, run_id, "benchmark").add_all(
        (prompt, plan(prompt.text, variation)) for prompt in prompts for variation in range(variations)
    )
    responses = ledger.responses(keys)
    ledger.close()
    rows = [_judged(responses[key], settings) for key in keys]
    _write(settings, run_id, rows)
    return [feedback for _, feedback in rows]


def _judged(response: ResponseRow, settings: Settings) -> tuple[list[Verdict], Feedback]:
    chance = Random(response.key)
    level = chance.gauss(3.0, 1.0)
    verdicts = {
        name: verdict_on(
            response,
            name,
            min(100.0, max(0.0, 20 * (level + chance.gauss(0.0, 0.8)))),
            settings,
            confidence=chance.uniform(0.4, 1.0),
            method="level",
            strengths=chance.sample(_SENTENCES, 2),
            weaknesses=chance.sample(_SENTENCES, 2),
            rationale=" ".join(chance.sample(_SENTENCES, 3)),
            usage=Usage(calls=1, input_tokens=700, output_tokens=120),
        )
        for name in DIMENSIONS
    }
    return list(verdicts.values()), accepted_feedback(response, verdicts, settings)


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
