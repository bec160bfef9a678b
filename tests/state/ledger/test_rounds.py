"""What the database says of a round is what its rows say, each response once and in the order of the run."""

import random
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from rlhf.nodes.prepare import register_run
from rlhf.nodes.quality import DEFAULT_THRESHOLDS, keep_round, measure
from rlhf.nodes.report import feedback_stage, generation_stage
from rlhf.nodes.review import pending_reviews
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.ledger import Ledger
from rlhf.state.records import DimensionFeedback, Feedback, Review
from tests.nodes.builders import LedgerRun, feedback, prompt_rows, settings

VARIATIONS = 3


def judged_round(ledger: Ledger, prompts: int, seed: int = 7) -> list[str]:
    """A round of which some samples failed, some are alike and some wait; keys of its judged responses in order."""
    chance = random.Random(seed)
    register_run(ledger, settings(), "one", "planner", prompt_rows(prompts), "rows")
    ledger.set_run("one", round=1)
    run = LedgerRun(ledger)
    keys: list[str] = []
    for prompt in ledger.prompts("one", "train"):
        for _ in range(VARIATIONS):
            text = f"Answer {chance.randrange(4)}"
            if chance.random() < 0.1:
                run.fail(prompt)
                continue
            key = run.add(prompt, text)
            if key not in keys and chance.random() < 0.9:
                ledger.add_feedback("one", key, judged(chance))
                keys.append(key)
    answered = [Review(response_key=key, decision="approve") for key in keys if chance.random() < 0.2]
    ledger.add_reviews("one", answered)
    return keys


def judged(chance: random.Random) -> Feedback:
    if chance.random() < 0.1:
        parts = {name: DimensionFeedback(status="failed", rationale="timed out") for name in DIMENSIONS}
        return feedback(None, dimensions=parts, needs_review=True)
    parts = {
        name: DimensionFeedback(status="scored", score=round(chance.uniform(0, 100), 4))
        if chance.random() < 0.8
        else DimensionFeedback(status="failed", rationale="timed out")
        for name in DIMENSIONS
    }
    return feedback(
        round(chance.uniform(0, 100), 4),
        rating=chance.randrange(1, 6),
        coverage=chance.choice([1.0, 0.8, 0.65]),
        is_acceptable=chance.random() < 0.5,
        is_chosen=chance.random() < 0.5,
        is_rejected=chance.random() < 0.5,
        needs_review=chance.random() < 0.4,
        dimensions=parts,
    )


def test_figures_are_those_of_the_whole_feedback(ledger: Ledger) -> None:
    keys = judged_round(ledger, 20)
    whole = list(ledger.feedback("one", keys).values())
    figures = ledger.rounds.figures("one", 1)
    assert measure("general", "x", figures, [], DEFAULT_THRESHOLDS) == measure(
        "general", "x", whole, [], DEFAULT_THRESHOLDS
    )
    assert [row.overall_score for row in figures] == [entry.overall_score for entry in whole]
    assert [row.scores for row in figures] == [entry.scores for entry in whole]
    keep_round(ledger, "one", 1)
    [batch] = ledger.history.batches()
    assert batch.quality.num_feedback == len(keys)


def test_the_stage_counts_what_failed_and_what_a_person_should_see(ledger: Ledger) -> None:
    keys = judged_round(ledger, 20)
    whole = list(ledger.feedback("one", keys).values())
    stage = feedback_stage(ledger, "one", 1)
    assert stage.num_feedback == len(keys)
    assert stage.num_review == sum(entry.needs_review for entry in whole)
    assert stage.num_failed == sum(
        part.status == "failed" for entry in whole for part in entry.dimensions.values()
    )
    samples = ledger.samples("one", "policy", 1)
    made = generation_stage(ledger, "one", 1)
    assert made.num_failed == sum(row.response_key is None for row in samples)
    assert made.num_responses + made.num_failed == len(samples)
    done, total = ledger.rounds.progress("one", 1)
    assert (done, total) == (len(keys), len({row.response_key for row in samples if row.response_key}))


def test_what_has_a_failed_dimension_is_found(ledger: Ledger) -> None:
    keys = judged_round(ledger, 20)
    whole = ledger.feedback("one", keys)
    failed = {key for key, entry in whole.items() if None in entry.scores.values()}
    assert set(ledger.failures.unjudged("one")) == failed
    assert sorted(ledger.rounds.coverage("one")) == sorted(entry.coverage for entry in whole.values())


def test_pages_are_parts_of_all_that_waits(ledger: Ledger) -> None:
    keys = judged_round(ledger, 20)
    answered, known = ledger.reviews("one"), ledger.feedback("one", keys)
    waiting = [key for key in keys if known[key].needs_review and key not in answered]
    assert list(pending_reviews(ledger, "one", 1)) == waiting
    assert ledger.pending.keys("one", 1, 7) == waiting[:7]
    assert ledger.pending.count("one", 1) == len(waiting)
    assert ledger.pending.among("one", 1, keys) == set(waiting)
    assert ledger.pending.among("one", 1, ["nobody"]) == set()
    assert ledger.pending.count("one", 2) == 0


def test_a_batch_of_scores_after_another_is_the_whole_round(ledger: Ledger) -> None:
    keys = judged_round(ledger, 20)
    count = ledger.rounds.num_prompts("one", "train")
    parts = [ledger.rounds.scores("one", 1, start, 4) for start in range(0, count, 4)]
    whole = [entry.overall_score for entry in ledger.feedback("one", keys).values()]
    assert sorted(str(score) for part in parts for score in part) == sorted(map(str, whole))
    batches = [ledger.rounds.prompts("one", "train", start, 4) for start in range(0, count, 4)]
    assert [row for batch in batches for row in batch] == ledger.prompts("one", "train")


@pytest.mark.parametrize("prompts", [20, 200])
def test_a_page_and_a_batch_read_no_more_of_a_larger_round(tmp_path: Path, prompts: int) -> None:
    rows = 0

    def count_rows(connection: sqlite3.Connection, _record: object) -> None:
        def row(_cursor: object, values: tuple[object, ...]) -> tuple[object, ...]:
            nonlocal rows
            rows += 1
            return values

        connection.row_factory = row

    sa.event.listen(sa.Engine, "connect", count_rows)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    try:
        judged_round(ledger, prompts)
        rows = 0
        assert len(pending_reviews(ledger, "one", 1, 5)) == 5
        assert rows <= 4 * 5, "keys (one twice, or one more), feedback, texts"
        rows = 0
        assert ledger.rounds.scores("one", 1, 4, 4)
        assert rows <= 4 * VARIATIONS
    finally:
        ledger.close()
        sa.event.remove(sa.Engine, "connect", count_rows)
