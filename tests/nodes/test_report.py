"""The audit: random answers alone count, too few give no figure, and nobody is told more than was asked."""

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.accept import accepted
from rlhf.nodes.report import audit_stage, full_report
from rlhf.state.ledger import Ledger
from rlhf.state.ledger.audits import Audited
from rlhf.state.records import DimensionFeedback, Review
from rlhf.training.statistics.prediction_powered import MIN_LABELS
from tests.nodes.builders import audited_run, feedback, new_run, prompt_rows, response_id, settings

UNCERTAIN = settings(review={"mode": "uncertain", "audit_fraction": 0.1})
EVERYTHING = settings(review={"mode": "all"})


def row(number: int, score: float | None = 60.0, drawn: bool = False, **answer: Any) -> Audited:
    acceptable = score is not None and score >= 70.0
    review = Review(response_key=response_id(number), **answer) if answer else None
    return Audited(response_id(number), score, acceptable, drawn, review)


def round_of(answered: int, others: int = 200, **answer: Any) -> list[Audited]:
    """`answered` random answers, and as many other responses as wanted; scores go from 40 to 79."""
    rows = [row(n, 40.0 + n % 40, drawn=True, **answer) for n in range(answered)]
    return rows + [row(1000 + n, 40.0 + n % 40) for n in range(others)]


def test_people_correct_the_judges() -> None:
    stage = audit_stage(round_of(MIN_LABELS, decision="edit", rating=2), UNCERTAIN)
    assert stage.mean_score is not None
    assert stage.accepted_share is not None
    assert stage.judges_mean_score is not None
    assert stage.mean_score.value == pytest.approx(30.0), "two stars, whatever the judges said"
    assert stage.judges_mean_score.value > 55
    assert stage.accepted_share.value == 0.0
    assert (stage.num_responses, stage.num_drawn, stage.num_answered) == (220, 20, 20)
    assert stage.note == ""


def test_an_approval_is_a_label_like_the_judges_own() -> None:
    stage = audit_stage(round_of(40, decision="approve"), UNCERTAIN)
    assert stage.mean_score is not None
    assert stage.judges_mean_score is not None
    assert stage.mean_score.value == pytest.approx(stage.judges_mean_score.value, abs=1.0)


def test_a_rejection_is_one_star() -> None:
    stage = audit_stage(round_of(MIN_LABELS, decision="reject"), UNCERTAIN)
    assert stage.mean_score is not None
    assert stage.mean_score.value == pytest.approx(10.0)


def test_too_few_answers_give_no_figure_and_say_how_many_are_missing() -> None:
    rows = round_of(MIN_LABELS - 12, decision="approve") + [row(500 + n, drawn=True) for n in range(15)]
    stage = audit_stage(rows, UNCERTAIN)
    assert (stage.mean_score, stage.accepted_share) == (None, None)
    assert stage.judges_mean_score is not None
    assert stage.note == ("12 more audit answers are needed for people's figures; 15 responses wait for one.")


def test_a_sample_that_is_too_small_says_how_to_have_a_larger_one() -> None:
    stage = audit_stage(round_of(MIN_LABELS - 1, decision="approve"), UNCERTAIN)
    assert stage.mean_score is None
    assert stage.note.startswith("1 more audit answer is needed")
    assert "review.audit_fraction" in stage.note


def test_the_hard_cases_are_never_counted() -> None:
    hard = [row(2000 + n, 69.0, decision="edit", rating=1) for n in range(100)]
    with_them = audit_stage(round_of(30, decision="approve") + hard, UNCERTAIN)
    assert with_them.num_answered == 30
    assert audit_stage(hard, UNCERTAIN).mean_score is None


def test_an_audited_hard_case_counts() -> None:
    rows = [row(n, 69.0, drawn=True, decision="edit", rating=3) for n in range(25)]
    assert audit_stage(rows, UNCERTAIN).num_answered == 25


def test_without_review_nothing_is_claimed() -> None:
    stage = audit_stage(round_of(50, decision="approve"), settings(review={"mode": "off"}))
    assert (stage.mean_score, stage.accepted_share, stage.num_drawn) == (None, None, 0)
    assert stage.note == "Review is off: nobody audits."


def test_where_everything_is_reviewed_the_mean_is_peoples() -> None:
    rows = [row(n, 90.0, decision="edit", rating=1 + n % 5) for n in range(10)]
    stage = audit_stage(rows, EVERYTHING)
    assert stage.mean_score is not None
    assert stage.accepted_share is not None
    assert (stage.mean_score.value, stage.accepted_share.value) == (50.0, 0.4)
    waiting = audit_stage([*rows, row(99)], EVERYTHING)
    assert waiting.mean_score is None
    assert waiting.note == "Every response is reviewed; still to be answered: 1."


def test_an_unanswered_part_of_the_sample_is_told() -> None:
    rows = round_of(30, decision="approve") + [row(500 + n, drawn=True) for n in range(7)]
    stage = audit_stage(rows, UNCERTAIN)
    assert stage.mean_score is not None
    assert stage.note == "7 of the random sample still wait for an answer."


def test_responses_without_a_score_are_left_out() -> None:
    rows = round_of(30, decision="approve") + [row(700 + n, None) for n in range(9)]
    assert audit_stage(rows, UNCERTAIN).num_responses == 230
    assert audit_stage([], UNCERTAIN).judges_mean_score is None


@given(st.integers(0, 50), st.sampled_from([0.1, 0.3]))
def test_who_is_drawn_has_nothing_to_do_with_scores_and_comes_near_the_share(seed: int, share: float) -> None:
    rules = settings(review={"audit_fraction": share, "score_band": 0.0}, pipeline={"seed": seed})
    scores = random.Random(seed)
    drawn: list[float] = []
    others: list[float] = []
    for number in range(1500):
        score = scores.uniform(0, 100)
        result = accepted(feedback(score), rules, response_id(number))
        (drawn if result.in_audit else others).append(score)
    assert abs(len(drawn) / 1500 - share) < 4.5 * (share * (1 - share) / 1500) ** 0.5
    difference = sum(drawn) / len(drawn) - sum(others) / len(others)
    assert abs(difference) < 4.5 * 28.9 * (1 / len(drawn) + 1 / len(others)) ** 0.5


@given(st.integers(0, 10_000), st.integers(0, 100), st.floats(0, 1), st.booleans())
def test_nothing_the_judges_say_puts_a_response_into_the_sample_or_takes_it_out(
    number: int, score: int, confidence: float, failed: bool
) -> None:
    rules = settings(review={"audit_fraction": 0.3})
    part = DimensionFeedback(status="failed") if failed else DimensionFeedback(status="scored", score=50.0)
    told = feedback(float(score), confidence=confidence, dimensions={"accuracy": part}, vetoed=failed)
    plain = accepted(feedback(55.0), rules, response_id(number))
    assert accepted(told, rules, response_id(number)).in_audit == plain.in_audit


def test_the_report_of_a_run_carries_the_audit(tmp_path: Path) -> None:
    rules = settings(review={"mode": "uncertain", "audit_fraction": 0.5})
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    drawn = audited_run(ledger, rules, [20.0 + number for number in range(80)])
    before = full_report(ledger, "one").stages.audit
    assert (before.num_responses, before.num_drawn, before.mean_score) == (80, len(drawn), None)
    assert before.note.startswith(f"{MIN_LABELS} more audit answers are needed")
    ledger.add_reviews("one", [Review(response_key=key, decision="edit", rating=3) for key in drawn])
    after = full_report(ledger, "one").stages.audit
    assert after.num_answered == len(drawn)
    assert after.mean_score is not None
    assert after.mean_score.value == pytest.approx(50.0)
    ledger.close()


def test_a_round_that_an_older_version_judged_has_its_audit(tmp_path: Path) -> None:
    rules = settings(review={"mode": "uncertain", "audit_fraction": 0.5})
    [prompt] = prompt_rows(1)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    older = feedback(50.0, review_reasons=["random audit sample"], in_audit=False)
    new_run(ledger, [prompt], rules).add(prompt, "a plan", older)
    assert not ledger.audited("one", 1)[0].in_audit, "the field decides"
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE feedback SET body = json_remove(body, '$.in_audit')")
    assert ledger.audited("one", 1)[0].in_audit, "without it the sentence does"
    ledger.close()
