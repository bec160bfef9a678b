"""The example prompts: enough of them, no two alike, and each consistent with its context."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlhf.nodes.evidence import collect_evidence
from rlhf.nodes.evidence.readers.amounts import find_amounts
from rlhf.prompts.rubric import available_packs

FOLDER = Path(__file__).parents[2] / "examples" / "prompts"


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("name", ["budgeting", "creative"])
def test_there_are_enough_and_no_two_are_alike(name: str) -> None:
    rows = _rows(name)
    prompts = [re.sub(r"\W+", " ", row["prompt"].lower()) for row in rows]

    assert len(rows) >= 44
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["context"]["brand"] for row in rows}) == len(rows)
    assert len(set(prompts)) == len(rows)
    for index, prompt in enumerate(prompts):
        words = set(prompt.split())
        for other in prompts[:index]:
            shared = len(words & set(other.split())) / len(words | set(other.split()))
            assert shared < 0.75, f"{prompt!r} is much like {other!r}"


@pytest.mark.parametrize("name", ["budgeting", "creative"])
def test_the_prompt_says_what_its_context_says(name: str) -> None:
    for row in _rows(name):
        prompt, context = row["prompt"], row["context"]
        assert set(row) == {"id", "prompt", "context", "task_type"}
        assert row["task_type"] == name in available_packs()
        assert context["brand"] in prompt
        assert all(retailer in prompt for retailer in context["retailers"])
        assert all(term in prompt for term in context["required_terms"])
        assert not any(term.lower() in prompt.lower() for term in context["banned_terms"])


def test_budgets_retailers_and_caps_can_be_read_from_the_prompt_alone() -> None:
    capped = 0
    for row in _rows("budgeting"):
        context = row["context"]
        facts = collect_evidence(row["prompt"], "", {}).facts
        assert 3 <= len(context["retailers"]) <= 5
        assert set(facts.retailers) == set(context["retailers"]), row["id"]
        assert facts.budget == context["budget"], row["id"]
        assert facts.caps == context.get("caps", {}), row["id"]
        assert sum(context.get("caps", {}).values()) < context["budget"]
        capped += "caps" in context

    assert 10 <= capped <= 20


def test_budgeting_prompts_are_short_and_their_budgets_are_written_in_several_ways() -> None:
    written = set()
    for row in _rows("budgeting"):
        assert 15 <= len(row["prompt"].split()) <= 45, row["id"]
        budget = max(
            (a for a in find_amounts(row["prompt"]) if a.kind == "money"), key=lambda amount: amount.value
        )
        written.add(re.sub(r"\d+", "1", row["prompt"][budget.start : budget.end]))

    assert written >= {"$1M", "$1K", "$1.1M", "$1,1", "$1,1,1"}


def test_lengths_and_disclosures_of_creative_prompts_stand_in_the_prompt() -> None:
    for row in _rows("creative"):
        facts = collect_evidence(row["prompt"], "", {}).facts
        context = row["context"]
        assert facts.max_words == context.get("max_words"), row["id"]
        assert facts.max_characters == context.get("max_characters"), row["id"]
        assert facts.disclosure_wanted == context.get("disclosure", False), row["id"]
        assert all(text in row["prompt"] for text in context.get("disclosures", []))
