"""`rlhf judge` with real crews against the scripted endpoint: its JSON, its exit status, what is asked twice."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.rubric import load_pack
from rlhf.state.files.feedback import read_feedback
from tests.scripted_endpoint import (
    Reply,
    Request,
    ScriptedEndpoint,
    default_script,
    is_judge_call,
    refusal,
    status,
    verdict_reply,
)

pytestmark = pytest.mark.usefixtures("judge_recipe")

GOOD = "Step 1: put $60 into Amazon by May.\nStep 2: put $40 into CVS by June.\nStep 3: measure.\nStep 4: report."
POOR = "Money is good."
PROMPT = "Split $100 between Amazon and CVS."


def judge(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["judge", *arguments, "--recipe", "mine.toml"])


def rows(path: Path, *responses: str) -> str:
    lines = [json.dumps({"prompt": PROMPT, "response": text, "task_type": "budgeting"}) for text in responses]
    path.write_text("\n".join(lines))
    return str(path)


def test_each_row_is_one_json_object_in_order_and_asked_once(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = rows(tmp_path / "answers.jsonl", GOOD, POOR, GOOD)
    result = judge(file, "--json")
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["response"] for entry in found] == [GOOD, POOR, GOOD]
    assert {entry["prompt"] for entry in found} == {PROMPT}
    for entry in found:
        assert {
            "overall_score",
            "rating",
            "is_acceptable",
            "is_chosen",
            "confidence",
            "coverage",
            "needs_review",
            "weaknesses",
            "strengths",
        } <= entry.keys()
        assert tuple(entry["dimensions"]) == DIMENSIONS
        for part in entry["dimensions"].values():
            assert {"status", "score", "raw_score", "confidence", "rationale", "evidence"} <= part.keys()
    assert found[0]["overall_score"] > found[1]["overall_score"]
    assert [entry.pop("id") for entry in found] == ["1", "2", "3"]
    assert {entry["judge"] for entry in found} == {f"vllm/scripted at {endpoint.base_url}"}
    assert [(entry["threshold"], entry["passed"]) for entry in found][1] == (70.0, False)
    assert found[0] == found[2]

    asked = endpoint.count(is_judge_call)
    assert judge(file, "--json").stdout == result.stdout
    assert endpoint.count(is_judge_call) == asked, "finished verdicts are in the ledger"


def test_a_score_below_the_bar_is_status_1(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    file = rows(tmp_path / "answers.jsonl", POOR)
    result = judge(file, "--fail-under", "90")
    assert result.exit_code == 1
    assert "1 of 1 are below 90" in result.stderr
    assert "not acceptable" in result.stdout
    assert judge(file, "--fail-under", "0").exit_code == 0


def test_a_judge_that_fails_is_a_failed_dimension_and_never_a_number(
    endpoint: ScriptedEndpoint,
) -> None:
    question = load_pack("general").dimensions["clarity"].question
    endpoint.script = lambda request: (
        refusal(request) if question in request.text else default_script(request)
    )
    result = judge("--prompt", PROMPT, "--response", GOOD, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["dimensions"]["clarity"]["status"], found["dimensions"]["clarity"]["score"]) == (
        "failed",
        None,
    )
    assert found["overall_score"] is not None
    assert found["coverage"] == pytest.approx(0.85)
    assert found["needs_review"]


def test_an_endpoint_that_refuses_the_key_is_one_plain_line_and_status_4(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = status(401)
    result = judge("--prompt", PROMPT, "--response", GOOD)
    assert result.exit_code == 4
    [line] = [line for line in result.stderr.splitlines() if not line.startswith("Recipe ")]
    assert line.startswith("Error: ")
    assert "401" in line


def without_clarity(request: Request) -> Reply:
    """A judge that never answers on one dimension."""
    question = load_pack("budgeting").dimensions["clarity"].question
    return refusal(request) if question in request.text else verdict_reply(request, 5)


@pytest.mark.parametrize("mode", [[], ["--json"], ["--format", "junit"], ["--format", "markdown"]])
def test_when_nothing_can_be_judged_the_status_is_4_and_every_mode_says_why(
    endpoint: ScriptedEndpoint, tmp_path: Path, mode: list[str]
) -> None:
    endpoint.script = refusal
    result = judge(rows(tmp_path / "answers.jsonl", GOOD, POOR), *mode)
    assert result.exit_code == 4
    assert "the judge refused" in " ".join(result.stdout.split())
    assert "nothing could be judged" in result.stderr


def test_a_row_that_is_judged_in_part_does_not_pass_a_gate(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = without_clarity
    file = rows(tmp_path / "answers.jsonl", GOOD)
    result = judge(file, "--fail-under", "10")
    assert result.exit_code == 1
    assert "1 of 1 were not judged (whole), which counts as not passed" in result.stderr
    assert "% judged" in result.stdout
    assert "100 % judged" not in result.stdout
    assert "the judge refused" in result.stdout
    assert judge(file, "--fail-under", "10", "--min-coverage", "0.5").exit_code == 0


def test_a_gate_needs_a_judge_that_is_named(
    endpoint: ScriptedEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = rows(tmp_path / "answers.jsonl", GOOD)
    result = CliRunner().invoke(app, ["judge", file, "--fail-under", "0"])
    assert result.exit_code == 2
    assert "--recipe" in result.stderr
    assert endpoint.count() == 0
    monkeypatch.setenv("RLHF_RECIPE", str(tmp_path / "mine.toml"))
    assert CliRunner().invoke(app, ["judge", file, "--fail-under", "0"]).exit_code == 0


def test_results_are_kept_as_they_come_and_a_second_call_goes_on_there(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    out = tmp_path / "results" / "out.jsonl"
    file = rows(tmp_path / "answers.jsonl", GOOD, POOR)
    endpoint.script = lambda request: refusal(request) if POOR in request.text else default_script(request)
    assert judge(file, "--out", str(out)).exit_code == 0
    first = [json.loads(line) for line in out.read_text().splitlines()]
    assert [entry["passed"] for entry in sorted(first, key=lambda entry: entry["id"])][1] is False

    asked = endpoint.count(is_judge_call)
    (tmp_path / ".rlhf" / "ledger.sqlite").rename(tmp_path / "elsewhere")
    with out.open("a") as stream:
        stream.write('{"id": "9", "judge"')  # killed while it wrote
    endpoint.script = default_script
    result = judge(file, "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    assert "1 of 2 rows are in" in result.stderr
    assert endpoint.count(is_judge_call) == asked + 5, "the row that failed alone is asked again"
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["1", "2"]
    found = {entry["id"]: entry for entry in map(json.loads, out.read_text().splitlines())}
    assert {key: entry["overall_score"] is not None for key, entry in found.items()} == {"1": True, "2": True}
    assert found["1"] == next(entry for entry in first if entry["id"] == "1")

    other = (tmp_path / "mine.toml").read_text().replace('"vllm/scripted"', '"vllm/other"')
    (tmp_path / "mine.toml").write_text(other)
    judge(file, "--out", str(out))
    assert endpoint.count(lambda body: body["model"] == "other") == 10, "another judge is asked itself"


def test_a_file_of_something_else_is_not_written_over(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear diary\nsecond line\n")
    result = judge(rows(tmp_path / "answers.jsonl", GOOD), "--out", "mine.txt")
    assert result.exit_code == 2
    assert "name another file" in result.stderr
    assert (tmp_path / "mine.txt").read_text() == "dear diary\nsecond line\n"


def test_rows_come_from_stdin_and_an_empty_one_may_be_no_failure(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    line = json.dumps({"prompt": PROMPT, "response": GOOD, "id": "mine"})
    arguments = ["judge", "-", "--json", "--recipe", "mine.toml"]
    result = CliRunner().invoke(app, arguments, input=line)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["id"] == "mine"
    table = io.StringIO(f'prompt,response\n"{PROMPT}","Money."\n')
    assert CliRunner().invoke(app, arguments, input=table.getvalue()).exit_code == 0
    assert CliRunner().invoke(app, arguments, input="").exit_code == 2
    assert CliRunner().invoke(app, [*arguments, "--allow-empty"], input="\n").exit_code == 0


def test_reports_for_other_programs(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    nasty = "Money | is <b>good</b>.\x0b"
    file = rows(tmp_path / "answers.jsonl", GOOD, nasty)
    endpoint.script = lambda request: verdict_reply(request, 1 if "<b>" in request.text else 5)
    report = judge(file, "--format", "junit", "--fail-under", "70")
    assert report.exit_code == 1
    suites = ElementTree.fromstring(report.stdout)
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("2", "1", "0")
    assert [case.get("name") for case in suites.iter("testcase")] == ["1", "2"]

    log = json.loads(judge(file, "--format", "sarif", "--fail-under", "70").stdout)
    [found] = log["runs"][0]["results"]
    assert (log["version"], found["ruleId"], found["properties"]["id"]) == ("2.1.0", "below-threshold", "2")
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == str(file)

    table = judge(file, "--format", "markdown").stdout.split("\n")
    assert [line.count("|") - line.count("\\|") for line in table[:4]] == [6, 6, 6, 6]
    assert "1 of 2 pass 70." in table


def test_printed_results_can_be_read_back(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    (tmp_path / "printed.jsonl").write_text(judge(rows(tmp_path / "a.jsonl", GOOD), "--json").stdout)
    [feedback] = read_feedback(tmp_path / "printed.jsonl")
    assert feedback.response == GOOD
