"""The README's examples, run by a shell as they stand there, against the scripted endpoint."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.graph.workplace import ROOT
from tests.scripted_endpoint import (
    Reply,
    Request,
    ScriptedEndpoint,
    default_script,
    is_judge_call,
    verdict_reply,
)

README = (ROOT / "README.md").read_text(encoding="utf-8")


def a_judge_who_reads(request: Request) -> Reply:
    """The best level for the README's good answer, the worst for its bad one; anything else by the default script."""
    if is_judge_call(request.body):
        if "its stores reach walk-in buyers" in request.text:
            return verdict_reply(request, 5)
        if "Ask an expert" in request.text:
            return verdict_reply(request, 0)
    return default_script(request)


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(a_judge_who_reads) as server:
        yield server


def block(heading: str, language: str) -> str:
    """The first code block of a language under a heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert found is not None, f"{heading} has no {language} block"
    return found[1]


def shell(script: str, recipe: Path) -> tuple[list[int], str]:
    """Exit statuses of the script's `rlhf` lines, one after the other, and all that was printed."""
    told = re.sub(r"^(rlhf .*?)(?:\s*#.*)?$", r"\1; echo status $?", script, flags=re.MULTILINE)
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": place, "RLHF_RECIPE": str(recipe), "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-c", told], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return [int(number) for number in re.findall(r"^status (\d+)$", done.stdout, re.MULTILINE)], done.stdout


def test_judging_the_csv_finds_the_answer_that_is_none(recipe: Path) -> None:
    statuses, printed = shell(block("Judge texts", "sh"), recipe)
    assert statuses == [1, 0], printed
    assert "1 of 2 are below 50." in printed
    assert "Amazon is left out" in printed


def test_the_python_example_prints_a_rating(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLHF_RECIPE", str(recipe))
    exec(compile(block("Judge texts", "python"), "README", "exec"), {})
    assert re.match(r"[1-5] \d+(\.\d+)? \[", capsys.readouterr().out)


def test_a_run_of_the_jsonl_waits_for_people_and_writes_its_dataset_before_it_trains(recipe: Path) -> None:
    statuses, printed = shell(block("Build a dataset", "sh"), recipe)
    assert statuses == [3], printed
    run = re.findall(r"rlhf resume (\S+)", printed)[0]
    while "Train acme" not in printed:
        statuses, printed = shell(f"rlhf resume {run} --approve\n", recipe)
        assert statuses == [3], printed
    [dataset] = Path("data/rlhf").glob("acme_dpo_*.jsonl")
    assert dataset.read_text(encoding="utf-8").startswith('{"prompt": [{"role": "user", "content": "Split $')
    assert not Path("models").exists()


def test_the_readme_is_a_page() -> None:
    assert len(README.splitlines()) <= 140
