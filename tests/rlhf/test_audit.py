"""`rlhf show` tells what people's random answers say, and what is missing where they are too few."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.state.ledger import Ledger
from rlhf.state.records import Review
from tests.nodes.builders import audited_run, settings

pytestmark = pytest.mark.usefixtures("workplace")


def shown(*options: str) -> str:
    result = CliRunner().invoke(app, ["show", "one", "--recipe", "local", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def judged(review: dict[str, Any]) -> list[str]:
    """A run of a hundred judged responses in the ledger; returns the keys that were drawn."""
    Path(".rlhf").mkdir()
    ledger = Ledger("sqlite:///.rlhf/ledger.sqlite")
    drawn = audited_run(ledger, settings(review=review), [30.0 + number / 2 for number in range(100)])
    ledger.close()
    return drawn


def answer(keys: list[str], rating: int) -> None:
    ledger = Ledger("sqlite:///.rlhf/ledger.sqlite")
    ledger.add_reviews("one", [Review(response_key=key, decision="edit", rating=rating) for key in keys])
    ledger.close()


def test_too_few_answers_are_told_and_enough_give_both_figures() -> None:
    drawn = judged({"audit_fraction": 0.4, "score_band": 0.0})
    assert len(drawn) > 30
    answer(drawn[:8], 3)
    assert "12 more audit answers are needed for people's figures" in shown()
    assert json.loads(shown("--json"))["stages"]["audit"]["mean_score"] is None
    answer(drawn, 3)
    text = shown()
    assert f"people on {len(drawn)} of 100 responses, drawn at random: score 50.0 [49." in text
    assert "accepted 0% [0%, " in text
    assert "the judges alone: score 54." in text
    stage = json.loads(shown("--json"))["stages"]["audit"]
    assert stage["mean_score"]["value"] == 50.0
    assert stage["mean_score"]["low"] < 50.0 < stage["mean_score"]["high"]
    assert stage["accepted_share"]["high"] > 0.03


def test_where_nobody_reviews_nothing_is_claimed() -> None:
    judged({"mode": "off"})
    assert "audit" not in shown()
    stage = json.loads(shown("--json"))["stages"]["audit"]
    assert (stage["mean_score"], stage["note"]) == (None, "Review is off: nobody audits.")
