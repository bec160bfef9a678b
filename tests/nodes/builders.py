"""Small makers of records, and of a run in a ledger, for tests and benchmarks."""

import random
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlhf.nodes.accept import accepted
from rlhf.nodes.aggregate import aggregate_verdicts
from rlhf.nodes.evidence import CheckResult, DimensionEvidence
from rlhf.nodes.judge_version import key_of, template_version
from rlhf.nodes.panel import evidence_for, pack_for
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.rubric import RubricPack
from rlhf.state.files.prompts import parse_rows
from rlhf.state.keys import prompt_key, response_key
from rlhf.state.ledger import Ledger
from rlhf.state.recipe import parse_recipe
from rlhf.state.records import FailureKind, Feedback, PromptRow, ResponseRow, SampleRow, Verdict
from rlhf.state.run_report import SplitStage
from rlhf.state.settings import Settings

PACK: RubricPack = pack_for("general")

RECIPE = """
task_type = "general"
[policy]
model = "openai/scripted"
[judge]
model = "openai/scripted"
"""

RESPONSE = ResponseRow(
    key="r" * 24,
    prompt_key="p" * 24,
    prompt="What next?",
    context={},
    task_type="general",
    text="Call the client on Monday.",
)


def settings(**sections: Mapping[str, Any]) -> Settings:
    """A plain recipe with some keys changed: settings(review={"mode": "all"})."""
    return parse_recipe(RECIPE, "test").replace(sections, "test")


def verdict(dimension: str, score: float | None, **changes: Any) -> Verdict:
    """A scored verdict, or a failed one for None."""
    fields: dict[str, Any] = {
        "key": f"{dimension:-<24}",
        "response_key": RESPONSE.key,
        "dimension": dimension,
        "status": "failed" if score is None else "scored",
        "score": score,
        "confidence": None if score is None else 0.8,
        "failure": FailureKind.TIMEOUT if score is None else None,
        "error": "timed out" if score is None else None,
        "model": "openai/scripted",
        "rubric_version": "1",
        "template_version": "1",
    }
    return Verdict(**fields | changes)


def verdicts(scores: Mapping[str, float | None]) -> dict[str, Verdict]:
    """One verdict per dimension named."""
    return {dimension: verdict(dimension, score) for dimension, score in scores.items()}


def verdict_on(
    response: ResponseRow, dimension: str, score: float | None, chosen: Settings, **changes: Any
) -> Verdict:
    """A verdict that the judge of these settings finds again: with its key, rubric and template."""
    made_by = {
        "key": key_of(response, dimension, chosen.judge),
        "response_key": response.key,
        "model": chosen.judge.model,
        "rubric_version": pack_for(response.task_type).version,
        "template_version": template_version(chosen.judge),
    }
    return verdict(dimension, score, **made_by | changes)


def evidence(
    score: float | None = None, cap: float | None = None, grades: Mapping[str, float | None] | None = None
) -> DimensionEvidence:
    """What checks might say about a dimension."""
    return DimensionEvidence(
        score=score,
        cap=cap,
        checks=tuple(
            CheckResult(name=name, kind="language", severity="minor", grade=grade, sentence=f"{name}.")
            for name, grade in (grades or {}).items()
        ),
    )


def no_evidence() -> dict[str, DimensionEvidence]:
    """Checks that say nothing about any dimension."""
    return {dimension: evidence() for dimension in DIMENSIONS}


def feedback(score: float | None, **changes: Any) -> Feedback:
    """Feedback as `aggregate` hands it to `accept`."""
    fields: dict[str, Any] = {
        "prompt": RESPONSE.prompt,
        "response": RESPONSE.text,
        "overall_score": score,
        "confidence": 0.9 if score is not None else None,
        "coverage": 1.0 if score is not None else 0.0,
        "dimensions": {},
    }
    return Feedback(**fields | changes)


def name(number: int) -> str:
    """A made-up word for each number; numbers alone do not tell prompts apart."""
    return "".join(random.Random(number).choices(string.ascii_lowercase, k=10))


def prompt_rows(count: int) -> list[PromptRow]:
    """Prompts that are all different."""
    return parse_rows([{"prompt": f"Plan {name(number)}."} for number in range(count)], "general", "rows")


def response_id(number: int) -> str:
    """The key of some response."""
    return response_key(prompt_key(f"prompt {number}", {}, "general"), f"response {number}")


def accepted_feedback(response: ResponseRow, given: Mapping[str, Verdict], chosen: Settings) -> Feedback:
    """What a panel's verdicts on a response come to under these settings."""
    pack = pack_for(response.task_type)
    entry = aggregate_verdicts(response, given, evidence_for(pack, response), pack, chosen)
    return accepted(entry, chosen, response.key)


@dataclass
class LedgerRun:
    """A run that is in a ledger; its first round is filled by hand, no model is asked."""

    ledger: Ledger
    run_id: str = "one"
    _made: Counter[str] = field(default_factory=Counter, init=False)

    def add(self, prompt: PromptRow, text: str, judged: Feedback | None = None) -> str:
        """One more response to the prompt, with what was judged of it; returns its key."""
        [key] = self.add_all([(prompt, text)])
        if judged is not None:
            self.ledger.add_feedback(self.run_id, key, judged)
        return key

    def add_all(self, made: Iterable[tuple[PromptRow, str]]) -> list[str]:
        """Many at once, each with one call to the policy; returns the keys of the responses."""
        texts, rows = {}, []
        for prompt, text in made:
            key = response_key(prompt.key, text)
            texts[key] = text
            rows.append(self._sample(prompt, key))
        self.ledger.add_samples(self.run_id, rows, texts, calls=1)
        return [str(row.response_key) for row in rows]

    def fail(self, prompt: PromptRow) -> None:
        """One more response that could not be made."""
        self.ledger.add_samples(self.run_id, [self._sample(prompt, None, error="timed out")], {})

    def _sample(self, prompt: PromptRow, key: str | None, error: str | None = None) -> SampleRow:
        variation = self._made[prompt.key]
        self._made[prompt.key] += 1
        return SampleRow(
            prompt_key=prompt.key,
            policy="policy",
            round=1,
            variation=variation,
            response_key=key,
            error=error,
        )


def new_run(
    ledger: Ledger,
    prompts: Sequence[PromptRow],
    chosen: Settings | None = None,
    run_id: str = "one",
    source: str = "rows",
    split: SplitStage | None = None,
) -> LedgerRun:
    """Start a run in the ledger that trains on all the prompts."""
    ledger.create_run(run_id, "plans", chosen or settings(), source, prompts, split)
    ledger.set_run(run_id, round=1)
    return LedgerRun(ledger, run_id)


def audited_run(ledger: Ledger, chosen: Settings, scores: Sequence[float]) -> list[str]:
    """A run with one response per score, accepted as its settings say; returns those drawn for the audit."""
    prompts = prompt_rows(len(scores))
    run = new_run(ledger, prompts, chosen)
    keys = run.add_all((prompt, "a plan") for prompt in prompts)
    drawn = []
    for key, score in zip(keys, scores, strict=True):
        entry = accepted(feedback(score), chosen, key)
        ledger.add_feedback(run.run_id, key, entry)
        drawn += [key] if entry.in_audit else []
    return drawn
