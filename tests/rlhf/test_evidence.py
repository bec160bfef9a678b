"""Checks without a judge: `rlhf.check_evidence` and `rlhf evidence`, as a library, for people and as a gate."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import rlhf
from rlhf.cli import app
from rlhf.state.errors import InputError

PROMPT = "Split a $100K budget between CVS and Amazon for Lumora sunscreen and say why."
WRONG = "CVS: $60K for pharmacy shoppers.\nAmazon: $60K for search, and sales are guaranteed to rise."


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evidence", *arguments])


def test_findings_grades_caps_and_the_reading_come_without_model_or_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = rlhf.check_evidence(PROMPT, WRONG, {"brand": "Lumora"}, task_type="budgeting")

    kinds = {each.kind for each in found.findings}
    assert {"sum_mismatch", "forbidden_claim", "brand_missing"} <= kinds
    assert all(WRONG[each.start : each.end] == each.quote for each in found.findings)
    assert found.dimensions["accuracy"].cap == 75
    assert found.reading["allocations"] == {"CVS": 60_000, "Amazon": 60_000}
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_what_not_every_text_needs_is_found_only_where_the_pack_asks_for_it() -> None:
    assert "no_call_to_action" not in {
        each.kind for each in rlhf.check_evidence(PROMPT, WRONG, task_type="budgeting").findings
    }
    assert "no_call_to_action" in {
        each.kind for each in rlhf.check_evidence("Write a line.", "Soft skin.", {}, "creative").findings
    }
    with pytest.raises(InputError, match="poetry"):
        rlhf.check_evidence("Write a line.", "Soft skin.", task_type="poetry")


def test_json_is_one_object_a_row_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [
        {"prompt": PROMPT, "response": WRONG, "task_type": "budgeting"},
        {"prompt": "Say hello.", "response": "", "context": {"brand": "Lumora"}},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    first, second = (json.loads(line) for line in run(str(file), "--json").stdout.splitlines())

    assert set(first) == {"findings", "dimensions", "reading"}
    assert set(first["findings"][0]) == {"kind", "severity", "start", "end", "quote", "sentence"}
    assert second["dimensions"]["clarity"]["cap"] == 0
    assert second["findings"][0]["kind"] == "empty"


def test_a_spreadsheet_of_another_country_is_checked_and_how_it_was_read_is_said(tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    rows = (
        "sep=;\r\nPrompt;Output;Retailers;Budget\r\nSplit it.;Amazon: $900. Café: $100.;Amazon, Café;1000\r\n"
    )
    file.write_bytes(rows.encode("cp1252"))
    result = run(str(file), "--json")
    assert result.exit_code == 0, result.output
    [line] = result.stdout.splitlines()
    assert json.loads(line)["reading"]["allocations"] == {"Amazon": 900, "Café": 100}
    assert "read as cp1252 (Windows)" in result.stderr
    assert "budget '1000' as 1000; retailers 'Amazon, Café' as 2: 'Amazon', 'Café'." in result.stderr


def test_it_gates_on_the_kinds_named() -> None:
    asked = ["--prompt", PROMPT, "--response", WRONG, "--task-type", "budgeting"]

    assert run(*asked).exit_code == 0
    assert run(*asked, "--fail-on", "refusal,sum_mismatch").exit_code == 1
    assert run(*asked, "--fail-on", "refusal").exit_code == 0
    unknown = run(*asked, "--fail-on", "sums")
    assert unknown.exit_code == 2
    assert "sum_mismatch" in unknown.stderr


def test_a_response_cannot_steer_the_terminal() -> None:
    result = run("--prompt", "Say hello.", "--response", "He\x1b[2Jllo\x9b31m [bold]there[/bold]\r.")

    assert "\x1b" not in result.stdout
    assert "\x9b" not in result.stdout
    assert "\r" not in result.stdout
    assert "He␛[2Jllo" in result.stdout
    assert "[bold]there[/bold]" in result.stdout
