"""The ledger on a real SQLite file: nothing doubled, nothing lost, a scored verdict stays."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest

from rlhf.nodes.report import run_report
from rlhf.state.errors import InputError, LedgerError
from rlhf.state.files.prompts import parse_rows
from rlhf.state.keys import response_key
from rlhf.state.ledger import Ledger
from rlhf.state.recipe import load_recipe
from rlhf.state.records import (
    DimensionFeedback,
    FailureKind,
    Feedback,
    PromptRow,
    Review,
    SampleRow,
    Usage,
    Verdict,
)
from rlhf.state.run_report import DatasetStage

SETTINGS = load_recipe("local")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{path}")
    yield opened
    opened.close()


def prompts(*texts: str) -> list[PromptRow]:
    return parse_rows([{"prompt": text, "context": {"budget": 5}} for text in texts], "general", "rows")


def verdict(
    status: Literal["scored", "failed"] = "scored", score: float | None = 60.0, calls: int = 1
) -> Verdict:
    return Verdict(
        key="v" * 24,
        response_key="r" * 24,
        dimension="clarity",
        status=status,
        score=score,
        failure=None if status == "scored" else FailureKind.TIMEOUT,
        model="local",
        rubric_version="1",
        template_version="1",
        usage=Usage(calls=calls, input_tokens=10, output_tokens=2),
    )


def test_a_run_remembers_its_prompts_settings_and_order(ledger: Ledger) -> None:
    rows = prompts("B", "A", "C")
    rows[1] = rows[1].model_copy(update={"split": "held_out"})
    ledger.create_run("run-1", "budgeting", SETTINGS, "file.jsonl", rows)
    run = ledger.run("run-1")
    assert (run.adapter_name, run.status, run.settings) == ("budgeting", "running", SETTINGS)
    assert ledger.prompts("run-1", "train") == [rows[0], rows[2]]
    assert ledger.prompts("run-1", "held_out") == [rows[1]]
    assert [row.run_id for row in ledger.runs()] == ["run-1"]


def test_a_taken_run_id_is_refused_and_changes_nothing(ledger: Ledger) -> None:
    ledger.create_run("run-1", "a", SETTINGS, "x", prompts("A"))
    with pytest.raises(InputError, match="Run run-1 exists: resume it with `rlhf resume run-1`"):
        ledger.create_run("run-1", "b", SETTINGS, "y", prompts("B"))
    assert ledger.run("run-1").adapter_name == "a"
    assert [row.text for row in ledger.prompts("run-1", "train")] == ["A"]
    with pytest.raises(InputError, match="no run 'run-2'"):
        ledger.run("run-2")


def test_samples_written_twice_are_there_once_and_counted_once(ledger: Ledger) -> None:
    [prompt] = prompts("A")
    ledger.create_run("run-1", "a", SETTINGS, "x", [prompt])
    key = response_key(prompt.key, "text")
    rows = [
        SampleRow(
            prompt_key=prompt.key,
            policy="policy",
            round=1,
            variation=number,
            response_key=key,
            input_tokens=5,
            output_tokens=3,
        )
        for number in range(2)
    ]
    for _ in range(2):
        ledger.add_samples("run-1", rows, {key: "text"}, calls=1)
    assert ledger.samples("run-1", "policy", 1) == rows
    assert ledger.response(key).prompt == "A"
    assert ledger.response(key).context == {"budget": 5}
    assert ledger.usage("run-1") == Usage(calls=2, input_tokens=10, output_tokens=6)


def test_a_failure_never_replaces_a_score_but_a_score_replaces_a_failure(ledger: Ledger) -> None:
    ledger.add_verdict(None, verdict("failed", None))
    assert [each.status for each in ledger.verdicts(["v" * 24])] == ["failed"]
    ledger.add_verdict(None, verdict(score=60.0))
    ledger.add_verdict(None, verdict("failed", None))
    ledger.add_verdict(None, verdict(score=90.0))
    assert [each.score for each in ledger.verdicts(["v" * 24])] == [60.0]


def test_a_verdict_from_the_ledger_costs_the_run_nothing(ledger: Ledger) -> None:
    for name in ("run-1", "run-2"):
        ledger.create_run(name, "a", SETTINGS, "x", prompts("A"))
    ledger.add_verdict("run-1", verdict())
    ledger.note_found("run-2", [verdict().key])
    assert ledger.usage("run-1") == Usage(calls=1, input_tokens=10, output_tokens=2)
    assert ledger.usage("run-2") == Usage(cached=1)


def test_every_call_of_a_verdict_that_is_asked_again_is_counted(ledger: Ledger) -> None:
    ledger.create_run("run-1", "a", SETTINGS, "x", prompts("A"))
    ledger.add_verdict("run-1", verdict("failed", None, calls=4))
    ledger.add_verdict("run-1", verdict(calls=2))
    ledger.note_found("run-1", [verdict().key])
    assert ledger.usage("run-1") == Usage(calls=6, input_tokens=20, output_tokens=4)
    assert ledger.totals().judging.calls == 6


def test_a_failed_sample_is_answered_in_its_place_and_a_made_one_stays(ledger: Ledger) -> None:
    first, second = prompts("A", "B")
    ledger.create_run("run-1", "a", SETTINGS, "x", [first, second])
    place = SampleRow(
        prompt_key=second.key, policy="policy", round=1, variation=0, response_key=None, error="timed out"
    )
    there = response_key(first.key, "a")
    made = place.model_copy(update={"prompt_key": first.key, "response_key": there, "error": None})
    ledger.add_samples("run-1", [place, made], {there: "a"}, calls=4)
    assert ledger.failures.samples("run-1") == [place]
    ledger.failures.answer("run-1", place.model_copy(update={"error": "again"}), "", 2)
    assert ledger.failures.samples("run-1") == [place.model_copy(update={"error": "again"})]
    key = response_key(second.key, "b")
    answered = place.model_copy(update={"response_key": key, "error": None, "output_tokens": 7})
    ledger.failures.answer("run-1", answered, "b", 1)
    ledger.failures.answer("run-1", answered.model_copy(update={"response_key": "other"}), "c", 1)
    assert ledger.failures.samples("run-1") == []
    assert ledger.samples("run-1", "policy", 1) == [made, answered]
    assert ledger.response(key).text == "b"
    assert ledger.usage("run-1") == Usage(calls=11, output_tokens=7)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shares_of_usage_add_up_again(count: int) -> None:
    spent = Usage(calls=1, input_tokens=1003, output_tokens=4, cached=0)
    shares = spent.shared_out(count)
    assert len(shares) == count
    assert sum(shares, Usage()) == spent
    assert max(share.input_tokens for share in shares) - min(share.input_tokens for share in shares) <= 1


def test_feedback_is_replaced_and_the_first_review_stands(ledger: Ledger) -> None:
    [prompt] = prompts("A")
    ledger.create_run("run-1", "a", SETTINGS, "x", [prompt])
    key = response_key(prompt.key, "text")
    ledger.add_responses([(key, prompt.key, "text")])
    for score in (40.0, 50.0):
        part = DimensionFeedback(status="scored", score=score)
        feedback = Feedback(
            prompt="A", response="text", overall_score=score, coverage=1.0, dimensions={"clarity": part}
        )
        ledger.add_feedback("run-1", key, feedback)
    found = ledger.feedback("run-1", [key, "unknown"])
    assert {name: entry.overall_score for name, entry in found.items()} == {key: 50.0}
    assert found[key].response == "text"
    ledger.add_reviews("run-1", [Review(response_key=key, decision="reject")])
    ledger.add_reviews("run-1", [Review(response_key=key, decision="approve")])
    assert ledger.reviews("run-1")[key].decision == "reject"


def test_a_review_keeps_when_it_was_given(ledger: Ledger) -> None:
    before = datetime.now(UTC)
    given = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    ledger.add_reviews("run-1", [Review(response_key="a" * 24, decision="approve")])
    ledger.add_reviews("run-1", [Review(response_key="b" * 24, decision="approve", created_at=given)])
    kept = {key[0]: review.created_at for key, review in ledger.reviews("run-1").items()}
    assert kept["b"] == given
    assert kept["a"] is not None
    assert before <= kept["a"] <= datetime.now(UTC)
    assert {moment.tzinfo for moment in kept.values() if moment} == {UTC}


def test_the_report_shows_the_newest_round(ledger: Ledger) -> None:
    ledger.create_run("run-1", "a", SETTINGS, "x", prompts("A"))
    ledger.set_stage("run-1", 1, "dataset", DatasetStage(path="one", num_examples=3, dropped={"tie": 1}))
    ledger.set_run("run-1", round=1)
    assert run_report(ledger, "run-1").stages.dataset.num_examples == 3
    ledger.set_run("run-1", round=2, status="failed", note="no pair")
    report = run_report(ledger, "run-1")
    assert (report.stages.dataset, report.status, report.note) == (DatasetStage(), "failed", "no pair")


WRITER = """
import sys
from rlhf.state.ledger import Ledger
from rlhf.state.keys import response_key
ledger = Ledger(sys.argv[1])
for number in range(60):
    ledger.add_responses([(response_key("p", str(number)), "p", str(number))])
    ledger.set_run("run-1", round=number)
"""


def test_two_processes_write_the_same_rows_side_by_side(ledger: Ledger, path: Path) -> None:
    ledger.create_run("run-1", "a", SETTINGS, "x", prompts("A"))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, f"sqlite:///{path}"]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    with sqlite3.connect(path) as connection:
        [(count,)] = connection.execute("SELECT COUNT(*) FROM responses")
    connection.close()
    assert count == 60


def test_unusable_databases_are_refused_plainly(tmp_path: Path) -> None:
    for address, reason in {
        "nonsense": "is not a database address",
        "mysql://x/y": "must be sqlite:///FILE or postgresql",
        f"sqlite:///{tmp_path}": "cannot be read",
    }.items():
        with pytest.raises(LedgerError, match=reason):
            Ledger(address)
    (tmp_path / "no.sqlite").write_bytes(b"not a database, though long enough to be one" * 9)
    with pytest.raises(LedgerError, match="file is not a database"):
        Ledger(f"sqlite:///{tmp_path / 'no.sqlite'}")
