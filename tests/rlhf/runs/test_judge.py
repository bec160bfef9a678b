"""`rlhf judge` with real crews against the scripted endpoint: its JSON, its exit status, what is asked twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.rubric import load_pack
from tests.scripted_endpoint import ScriptedEndpoint, default_script, is_judge_call, refusal, status

GOOD = "Step 1: put $60 into Amazon by May.\nStep 2: put $40 into CVS by June.\nStep 3: measure.\nStep 4: report."
POOR = "Money is good."
PROMPT = "Split $100 between Amazon and CVS."


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as server:
        section = f'model = "vllm/scripted"\nbase_url = "{server.base_url}"\n'
        (tmp_path / "mine.toml").write_text(f"[policy]\n{section}[judge]\n{section}workers = 1\n")
        yield server


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
