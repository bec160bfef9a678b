"""The command line without a model: exit statuses, plain errors, looking at runs, files it refuses."""

import fcntl
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.state.ledger import Ledger
from rlhf.state.recipe import load_recipe
from rlhf.state.run_report import DatasetStage, DeploymentStage, EvaluationStage
from tests.nodes.builders import new_run, prompt_rows

pytestmark = pytest.mark.usefixtures("workplace")


def rlhf(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=answers)


def start(ledger: Ledger, run_id: str = "run-1", source: str = "prompts.jsonl") -> None:
    new_run(ledger, prompt_rows(1), load_recipe("local"), run_id, source)


def test_help_names_every_command() -> None:
    result = rlhf("--help")
    assert result.exit_code == 0
    for command in (
        "run",
        "resume",
        "review",
        "runs",
        "show",
        "judge",
        "adapters",
        "serve",
        "doctor",
        "recipe",
    ):
        assert f" {command} " in result.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, rlhf.cli\n"
        "heavy = {'torch', 'crewai', 'langgraph', 'pydantic', 'sqlalchemy', 'httpx', 'asyncio'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_recipe_is_printed_as_it_is_shipped() -> None:
    assert "evidence_weight = 0.9" in rlhf("recipe", "local").stdout
    assert rlhf("recipe").stdout.split() == ["local", "ollama", "openai", "vllm"]
    result = rlhf("recipe", "nope")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no recipe 'nope'; shipped: local")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "none.jsonl"], "none.jsonl: no such file"),
        (["run", "."], "is a directory"),
        (["run", "bad.jsonl"], "bad.jsonl, line 2: prompt is missing"),
        (["run", "good.jsonl", "--recipe", "nope"], "There is no recipe 'nope'"),
        (["run", "good.jsonl", "--recipe", "bad.toml"], "bad.toml: pipeline.rouds: unknown key"),
        (
            ["run", "good.jsonl", "--recipe", "no_place.toml"],
            "The folder for adapters, good.jsonl, cannot be",
        ),
        (["run", "good.jsonl", "--recipe", "openai"], "openai/gpt-4o-mini needs a key: set OPENAI_API_KEY"),
        (["run", "good.jsonl", "--adapter", "../up"], "Adapter name '../up' is not usable"),
        (["run", "good.jsonl", "--run-id", "a/b"], "Run id 'a/b' is not usable"),
        (["run", "good.jsonl", "--limit", "1"], "too few"),
        (["show", "nope"], "There is no run 'nope'; `rlhf runs` lists them."),
        (["resume", "nope"], "There is no run 'nope'"),
        (["review", "nope"], "There is no run 'nope'"),
        (["judge", "--prompt", "p"], "Give a FILE, or both --prompt and --response"),
        (["judge", "good.jsonl", "--prompt", "p"], "not both"),
        (["judge", "good.jsonl"], "good.jsonl, line 1: response is missing"),
        (["judge", "--prompt", "p", "--response", "r", "--context", "{"], "context is not valid JSON"),
        (
            ["judge", "--prompt", "p", "--response", "r", "--task-type", "poetry"],
            "unknown task type 'poetry'",
        ),
    ],
)
def test_bad_input_is_one_plain_line_and_status_2(
    arguments: list[str], expected: str, workplace: Path
) -> None:
    (workplace / "good.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    (workplace / "bad.jsonl").write_text('{"prompt": "a"}\n{}\n')
    (workplace / "bad.toml").write_text(
        '[policy]\nmodel = "local"\n[judge]\nmodel = "local"\n[pipeline]\nrouds = 2\n'
    )
    (workplace / "no_place.toml").write_text(
        '[policy]\nmodel = "local"\n[judge]\nmodel = "local"\n[pipeline]\noutput_dir = "good.jsonl"\n'
    )
    result = rlhf(*arguments)
    assert result.exit_code == 2, result.output
    [line] = [line for line in result.stderr.splitlines() if not line.startswith("Recipe ")]
    assert line.startswith("Error: ")
    assert expected in line
    assert not result.stdout


def test_wrong_usage_has_status_2() -> None:
    assert rlhf("run").exit_code == 2
    assert rlhf("run", "x.jsonl", "--limit", "0").exit_code == 2
    assert rlhf("resume", "x", "--approve", "--reject").exit_code == 2
    assert rlhf("fly").exit_code == 2


def test_debug_anywhere_on_the_line_shows_the_traceback() -> None:
    result = rlhf("show", "nope", "--debug")
    assert type(result.exception).__name__ == "InputError"


def test_a_taken_run_id_is_refused(ledger: Ledger, workplace: Path) -> None:
    start(ledger)
    (workplace / "p.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    result = rlhf("run", "p.jsonl", "--run-id", "run-1")
    assert result.exit_code == 2
    assert "Run run-1 exists: resume it with `rlhf resume run-1`" in result.stderr


def test_runs_are_listed_and_an_interrupted_one_says_the_way_out(ledger: Ledger, workplace: Path) -> None:
    assert "No runs yet" in rlhf("runs").stdout
    start(ledger, "stopped")
    start(ledger, "served", source="api")
    start(ledger, "done")
    ledger.set_run("done", status="finished")
    lines = {line.split()[0]: line for line in rlhf("runs").stdout.splitlines()}
    assert "interrupted" in lines["stopped"]
    assert "rlhf resume stopped" in lines["stopped"]
    assert " running " in lines["served"]
    assert " finished " in lines["done"]
    assert "rlhf resume stopped" in rlhf("show", "stopped").stdout


def test_a_run_belongs_to_one_process(ledger: Ledger, workplace: Path) -> None:
    start(ledger)
    lock = workplace / ".rlhf" / "runs" / "run-1" / "lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert " running " in rlhf("runs").stdout
        result = rlhf("resume", "run-1")
    assert result.exit_code == 2
    assert "Run run-1 is in use by another process" in result.stderr


def test_a_finished_run_is_shown_for_people_and_for_programs(ledger: Ledger) -> None:
    start(ledger)
    ledger.set_run("run-1", status="finished", round=1)
    ledger.set_stage("run-1", 1, "dataset", DatasetStage(path="d.jsonl", num_examples=54, dropped={"tie": 3}))
    evaluation = EvaluationStage(
        verdict="ship",
        win_rate=0.8,
        delta=19.7,
        ci_low=12.2,
        ci_high=27.3,
        baseline_score=55.3,
        adapter_score=75.0,
        num_prompts=14,
        dimensions={"clarity": 1.5},
    )
    ledger.set_stage("run-1", 1, "evaluation", evaluation)
    deployment = DeploymentStage(version="v1", alias="champion", path="models/x", serve=["vllm serve x"])
    ledger.set_stage("run-1", 1, "deployment", deployment)
    text = rlhf("show", "run-1").stdout
    for part in (
        "54 pairs in d.jsonl",
        "3 tie",
        "55.3 → 75.0",
        "+19.7 [+12.2, +27.3]",
        "ship",
        "vllm serve x",
    ):
        assert part in text
    report = json.loads(rlhf("show", "run-1", "--json").stdout)
    assert {"run_id", "status", "adapter_name", "stages", "usage"} <= report.keys()
    assert list(report["stages"]) == [
        "split",
        "generation",
        "feedback",
        "audit",
        "dataset",
        "training",
        "evaluation",
        "deployment",
    ]
    assert report["usage"].keys() == {"calls", "input_tokens", "output_tokens", "cached"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "holds no decisions"),
        ("[]", "holds no decisions"),
        ("{", "line 1: not valid JSON"),
        ('[{"type": "maybe"}]', "decision 1: type"),
        ('{"decisions": [{"type": "edit"}]}', "decision 1: decision: an edit needs a rating"),
        ('{"type": "approve", "score": 5}\n{"type": "approve"}', "decision 1: score"),
    ],
)
def test_a_bad_decisions_file_is_refused(
    content: str, expected: str, ledger: Ledger, workplace: Path
) -> None:
    start(ledger)
    (workplace / "d.json").write_text(content)
    result = rlhf("resume", "run-1", "--decisions", "d.json")
    assert result.exit_code == 2
    assert "d.json" in result.stderr
    assert expected in result.stderr


def test_doctor_says_how_to_mend_a_dead_endpoint_and_a_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    result = rlhf("doctor", "--recipe", "openai")
    assert result.exit_code == 4
    assert "set OPENAI_API_KEY" in result.stdout
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = rlhf("doctor", "--recipe", "openai")
    assert result.exit_code == 4
    assert "openai/gpt-4o-mini at http://127.0.0.1:9/v1 does not answer" in result.stdout
    assert "policy.base_url" in result.stdout
    assert "sk-secret" not in result.output


def test_doctor_finds_the_embedded_default_ready() -> None:
    result = rlhf("doctor", "--recipe", "local")
    assert result.exit_code == 0, result.output
    assert "SmolLM2-135M" in result.stdout
    assert result.stdout.rstrip().endswith("Ready.")


def test_an_unexpected_fault_is_one_line_and_the_way_to_more(ledger: Ledger) -> None:
    start(ledger)
    with closing(sqlite3.connect(".rlhf/ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET status = 'dreaming'")
    result = rlhf("show", "run-1")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: unexpected ValidationError: ")
    assert "--debug" in result.stderr
