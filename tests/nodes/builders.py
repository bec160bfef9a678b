"""Small makers of records for the tests of the nodes."""

import random
import string
from collections.abc import Mapping
from typing import Any

from rlhf.nodes.evidence import CheckResult, DimensionEvidence
from rlhf.nodes.panel import pack_for
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.rubric import RubricPack
from rlhf.state.files.prompts import parse_rows
from rlhf.state.keys import prompt_key, response_key
from rlhf.state.recipe import parse_recipe
from rlhf.state.records import FailureKind, Feedback, PromptRow, ResponseRow, Verdict
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
    return Verdict(
        key=f"{dimension:-<24}",
        response_key=RESPONSE.key,
        dimension=dimension,
        status="failed" if score is None else "scored",
        score=score,
        failure=FailureKind.TIMEOUT if score is None else None,
        error="timed out" if score is None else None,
        model="openai/scripted",
        rubric_version="1",
        template_version="1",
        **({"confidence": 0.8} | changes if score is not None else changes),
    )


def verdicts(scores: Mapping[str, float | None]) -> dict[str, Verdict]:
    """One verdict per dimension named."""
    return {dimension: verdict(dimension, score) for dimension, score in scores.items()}


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
