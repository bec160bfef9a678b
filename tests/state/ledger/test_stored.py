"""What another version wrote is read as far as it can be, and what cannot be read harms nothing else."""

import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.state.errors import LedgerError
from rlhf.state.ledger import Ledger
from rlhf.state.ledger.stored import Broken, loads, stored, stored_or_none, stored_settings, stored_text
from rlhf.state.recipe import load_recipe
from rlhf.state.records import FailureKind, Verdict
from rlhf.state.run_report import EvaluationStage

LEDGER = "sqlite:///.rlhf/ledger.sqlite"
VERDICT = Verdict(
    key="k",
    response_key="r",
    dimension="clarity",
    status="failed",
    failure=FailureKind.TIMEOUT,
    model="m",
    rubric_version="1",
    template_version="1",
)


@pytest.fixture
def here(unpack: Callable[[str], Path]) -> Path:
    """A folder with three waiting runs."""
    return unpack("1")


def rlhf(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def change(statement: str, *values: Any) -> None:
    """Change the ledger behind the program's back."""
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0


def test_unknown_keys_are_ignored_at_every_depth_and_missing_ones_have_their_defaults() -> None:
    body = VERDICT.model_dump(mode="json")
    body["mood"] = "bright"
    body["usage"]["dollars"] = 0.5
    del body["strengths"]
    assert stored(Verdict, body, "x") == stored_text(Verdict, json.dumps(body), "x") == VERDICT


def test_what_the_body_misses_the_columns_have() -> None:
    body = VERDICT.model_dump(mode="json")
    del body["dimension"]
    assert stored(Verdict, body, "x", {"dimension": "clarity", "key": "other"}) == VERDICT


def test_a_word_of_a_newer_version_is_unknown_here() -> None:
    body = VERDICT.model_dump(mode="json") | {"failure": "content_filter", "method": "panel"}
    found = stored(Verdict, body, "x")
    assert (found.failure, found.method, found.model) == (None, None, "m")
    assert stored_text(Verdict, json.dumps(body), "x") == found


@pytest.mark.parametrize("body", [None, [], "text", 7, Broken('{"key": '), {"key": "k"}, {"status": "odd"}])
def test_what_cannot_be_read_is_named(body: Any) -> None:
    with pytest.raises(LedgerError, match=r"^Verdict k cannot be read: "):
        stored(Verdict, body, "verdict k")


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4) | st.binary()
)
def test_any_body_at_all_is_read_or_named(value: Any) -> None:
    for body in (value, {name: value for name in EvaluationStage.model_fields}):
        found = stored_or_none(EvaluationStage, body, "stage")
        assert isinstance(found, EvaluationStage | None)


@given(st.text() | st.binary())
def test_text_that_is_no_json_is_kept_as_it_is(text: str | bytes) -> None:
    value = loads(text)
    try:
        json.loads(text)
    except ValueError:
        assert isinstance(value, Broken)
    else:
        assert not isinstance(value, Broken)


def test_settings_lose_unknown_keys_and_say_which_but_an_unknown_value_is_no_guess() -> None:
    body = load_recipe("local").model_dump(mode="json")
    body["judge"]["panels"] = 3
    body["weather"] = {"wind": 1}
    settings, unknown = stored_settings(body, "the settings of run r")
    assert settings == load_recipe("local")
    assert unknown == ("judge.panels", "weather")
    body["judge"]["mode"] = "debate"
    with pytest.raises(LedgerError, match=r"^The settings of run r cannot be read: judge\.mode: "):
        stored_settings(body, "the settings of run r")


def test_runs_are_listed_whatever_became_of_their_settings(here: Path) -> None:
    change(
        "UPDATE runs SET settings = json_set(settings, '$.judge.panels', 3) WHERE run_id = 'waiting-training'"
    )
    change("UPDATE runs SET settings = '{\"policy\": ' WHERE run_id = 'waiting-review'")
    result = rlhf("runs")
    assert result.exit_code == 0, result.output
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert lines.keys() == {"waiting-review", "waiting-training", "waiting-training-w1"}
    assert "The settings of run waiting-review cannot be read: no JSON object." in lines["waiting-review"]
    result = rlhf("show", "waiting-review")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: The settings of run waiting-review cannot be read")
    result = rlhf("resume", "waiting-training", "--reject")
    assert result.exit_code == 0, result.output
    assert "does not know the run's judge.panels and goes on without" in result.stderr


def test_a_stage_that_cannot_be_read_hides_no_other(here: Path) -> None:
    change("UPDATE stages SET body = '[]' WHERE run_id = 'waiting-training'")
    result = rlhf("show", "waiting-training", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["stages"]["feedback"]["num_feedback"] == 8
    assert "Stage dataset in round 1 of run waiting-training cannot be read" in report["note"]


def test_sums_are_made_over_what_can_be_read(here: Path) -> None:
    change("UPDATE feedback SET body = '{' WHERE response_key = (SELECT MIN(response_key) FROM feedback)")
    change(
        "UPDATE feedback SET body = json_remove(body, '$.is_acceptable', '$.review_reasons') WHERE body <> '{'"
    )
    change("UPDATE verdicts SET status = 'failed', body = '{' WHERE key = (SELECT MIN(key) FROM verdicts)")
    result = rlhf("show", "waiting-training", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["stages"]["audit"]["num_responses"] == 7
    ledger = Ledger(LEDGER)
    assert ledger.totals().failed == {"unknown": 1, "unparsable": 1}
    ledger.close()


def test_feedback_verdicts_and_batches_that_cannot_be_read_are_left_out_and_logged(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as connection:
        [(response,)] = connection.execute("SELECT response_key FROM feedback LIMIT 1").fetchall()
        [(batch,)] = connection.execute("SELECT key FROM batches LIMIT 1").fetchall()
        [(verdict,)] = connection.execute("SELECT key FROM verdicts LIMIT 1").fetchall()
        keys = [key for (key,) in connection.execute("SELECT key FROM verdicts").fetchall()]
        responses = [key for (key,) in connection.execute("SELECT key FROM responses").fetchall()]
    change("UPDATE feedback SET body = '{' WHERE response_key = ?", response)
    change("UPDATE batches SET body = '{}' WHERE key = ?", batch)
    change("UPDATE verdicts SET body = 'null' WHERE key = ?", verdict)
    ledger = Ledger(LEDGER)
    with caplog.at_level(logging.WARNING, "rlhf.ledger"):
        assert set(ledger.feedback("waiting-training", responses)) == set(responses) - {response}
        assert {found.key for found in ledger.verdicts(keys)} == set(keys) - {verdict}
        assert len(ledger.history.batches()) == 1
        assert sum(map(len, ledger.origins.verdicts(responses).values())) == len(keys) - 1
    ledger.close()
    for name in (f"Feedback on response {response}", f"Verdict {verdict}", f"Batch {batch} of the history"):
        assert any(record.getMessage().startswith(name) for record in caplog.records), name


def test_a_run_is_derived_from_what_another_version_wrote(here: Path) -> None:
    change(
        "UPDATE feedback SET body = json_remove(json_set(body, '$.mood', 1), '$.is_acceptable', '$.rating')"
    )
    change("UPDATE verdicts SET body = json_set(body, '$.mood', 1)")
    weights = "accuracy=0.2,brand_alignment=0.2,compliance=0.2,clarity=0.2,actionability=0.2"
    result = rlhf("reweigh", "waiting-training", "--weights", weights)
    assert result.exit_code == 0, result.output
    assert rlhf("show", "waiting-training-w2").exit_code == 0
