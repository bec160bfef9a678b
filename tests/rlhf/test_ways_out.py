"""Every line that a message tells people to type is one that works when it is pasted."""

import ast
import csv
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.state import shell
from tests.scripted_endpoint import ScriptedEndpoint

ROOT = Path(__file__).parents[2]
HALLS = ("prompts", "state", "nodes", "graph", "training", "rlhf")
_WORD = r"(?:'[^']+'|[\w\[\]=.-]*[\w\]])"
_WAY = re.compile(r"`(rlhf [^`]+)`|((?:cd [^`]+? && )?rlhf [a-z-]+ [^`(]*?)(?:\.?$| \(|`)")


def ways(text: str) -> list[str]:
    """The commands in what was printed."""
    found = []
    for line in text.splitlines():
        found += [quoted or bare for quoted, bare in _WAY.findall(line)]
    return [way.strip() for way in found]


def pasted(line: str, folder: Path, answers: str = "") -> "subprocess.CompletedProcess[str]":
    """What a shell makes of the line, with this environment's commands on its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        line,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        input=answers,
        capture_output=True,
        text=True,
        check=False,
    )


def messages() -> Iterator[tuple[str, str]]:
    """Every text in the code, with RUN for what is filled in."""
    for path in sorted(path for hall in HALLS for path in (ROOT / hall).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "RUN" for part in node.values)
                yield str(path.relative_to(ROOT)), "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield str(path.relative_to(ROOT)), node.value


def wrong_with(words: list[str]) -> str:
    """What the command line would say against the words; empty if nothing."""
    command: Any = get_command(app)
    while words and getattr(command, "commands", {}).get(words[0]):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands") and words and not words[0].startswith("-"):
        return f"no command {words[0]}"
    options = {flag for parameter in command.params for flag in parameter.opts}
    unknown = [word for word in words if word.startswith("-") and word not in options | {"--help"}]
    return f"no option {unknown[0]}" if unknown else ""


def test_every_command_in_a_message_is_one_the_program_has() -> None:
    checked, wrong = 0, []
    for where, text in messages():
        for line in re.findall(r"`(rlhf [^`]+)`|: (rlhf [a-z-]+ [^`.()\n]+)", text):
            words = " ".join(filter(None, line)).split()[1:]
            checked += 1
            wrong += [f"{where}: {' '.join(words)}: {why}"] if (why := wrong_with(words)) else []
    assert wrong == []
    assert checked > 40


def test_every_package_a_message_says_to_install_has_a_name_that_pip_takes() -> None:
    lines = {
        line for _, text in messages() for line in re.findall(rf"pip install {_WORD}(?: {_WORD})*", text)
    }
    lines |= {shell.line("pip", "install", "psycopg[binary]")}
    assert len(lines) >= 4
    for line in lines:
        program, *words = shlex.split(line.replace("RUN", "rlhf-graph"))
        assert program == "pip"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                *words,
                "--dry-run",
                "--no-index",
                "--no-deps",
                "--ignore-installed",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "No matching distribution found" in done.stderr, f"{line}: {done.stderr}"


@pytest.mark.parametrize(
    "words", [("rlhf", "import-review", "r", "my sheet.csv"), ("a", "it's", "$HOME", "")]
)
def test_a_line_comes_back_as_its_words(words: tuple[str, ...]) -> None:
    assert shlex.split(shell.line(*words)) == list(words)


def test_a_line_for_another_shell_names_the_rubrics_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_RUBRICS", "our rubrics")
    program = "import os; print(os.getcwd(), os.environ['RLHF_RUBRICS'], sep='|')"
    line = shell.line(sys.executable, "-c", program, folder=tmp_path)
    monkeypatch.delenv("RLHF_RUBRICS")
    assert pasted(line, Path("/")).stdout.strip() == f"{tmp_path}|{tmp_path / 'our rubrics'}"


@pytest.fixture
def place(recipe: Path, prompts: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose name needs quoting, with a recipe that has a storage of its own."""
    here = workplace / "my place"
    here.mkdir()
    text = recipe.read_text() + (
        '[storage]\nledger_url = "sqlite:///kept here/l.sqlite"\ncheckpoint_url = "sqlite:///kept here/c.sqlite"\n'
    )
    (here / "my recipe.toml").write_text(text)
    prompts.rename(here / "prompts.jsonl")
    monkeypatch.chdir(here)
    return here


def test_what_a_run_of_its_own_storage_prints_works_when_pasted(
    place: Path, endpoint: ScriptedEndpoint
) -> None:
    started = CliRunner().invoke(
        app, ["run", "prompts.jsonl", "--recipe", "my recipe.toml", "--run-id", "r1", "--adapter", "acme"]
    )
    assert started.exit_code == 3, started.output
    [resume] = [way for way in ways(started.stderr) if way.startswith("cd ")]
    elsewhere = place.parent / "elsewhere"
    elsewhere.mkdir()
    again = pasted(resume, elsewhere)
    assert again.returncode == 3, again.stderr
    assert not (elsewhere / ".rlhf").exists()

    offered = ways(started.stdout)
    assert {way.split()[1] for way in offered} >= {"review", "resume"}
    for way in offered:
        if "review" in way.split():
            done = pasted(way, place, "s\n" * 50)
            assert done.returncode == 3, (way, done.stderr)
            assert pasted(ways(done.stderr)[-1], place, "q\n").returncode == 3

    listed = pasted("rlhf runs", place)
    assert "r1" in listed.stdout
    shown = pasted("rlhf show r1", place)
    assert shown.returncode == 0
    assert ways(shown.stdout) == ["rlhf review r1"]

    exported = pasted(shell.line("rlhf", "export-review", "r1", "--out", "my sheet.csv"), place)
    [importing] = ways(exported.stdout)
    sheet = place / "my sheet.csv"
    lines = sheet.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    assert len(lines) > 1
    for response in csv.DictReader(lines):
        origin = pasted(f"rlhf lineage {response['response_id']}", place)
        assert origin.returncode == 0, origin.stderr
    imported = pasted(importing, place)
    assert imported.returncode == 0, imported.stderr

    [approve] = [way for way in offered if way.endswith("--approve")]
    gate = pasted(approve, place)
    assert gate.returncode == 3, gate.stderr
    [answer] = [way for way in ways(gate.stdout) if way.endswith("--approve")]
    weights = "accuracy=0.2,brand_alignment=0.2,compliance=0.2,clarity=0.2,actionability=0.2"
    derived = pasted(f"rlhf reweigh r1 --weights {weights}", place)
    assert derived.returncode == 0, derived.stderr
    [go_on] = [way for way in ways(derived.stdout) if "resume" in way]
    gone_on = pasted(go_on, place)
    assert gone_on.returncode == 3, gone_on.stderr
    ended = pasted(answer.replace("--approve", "--reject"), place)
    assert ended.returncode == 0, ended.stderr
    retried = pasted("rlhf retry r1", place)
    assert retried.returncode == 0, retried.stderr
    assert not (place / ".rlhf" / "ledger.sqlite").exists()
