"""The five examples, as a user starts them: each by its number, and all from the menu."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.graph.workplace import ROOT

SCRIPT = ROOT / "examples" / "rlhf_with_crewai.py"

SAYS = {
    1: ["A careful plan:", "A careless plan:", "An evasive answer:"],
    2: ["weight 0.30", "weight 0.10", "Amounts add up to $3.2M"],
    3: ["Traces in this process: 2.", "set LANGSMITH_API_KEY"],
    4: ["finished", "pairs in data/rlhf/example_dpo_", "verdict", "example v1 is the"],
    5: ["v1: average rating", "v2: average rating", "Winner: ", "v2 − v1: "],
}


def run(*arguments: str, answers: str = "") -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], input=answers, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("number", SAYS)
def test_each_example_does_what_it_says(number: int, recipe: Path) -> None:
    told = run("--example", str(number), "--recipe", str(recipe))
    for words in SAYS[number]:
        assert words in told


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("number", [2, 3])
def test_examples_run_on_the_embedded_default(number: int) -> None:
    told = run("--example", str(number))
    for words in SAYS[number]:
        assert words in told


def test_the_menu_goes_on_until_the_person_ends_it(recipe: Path) -> None:
    told = run("--recipe", str(recipe), answers="2\nnonsense\n3\nq\n")
    for words in [*SAYS[2], "'nonsense' is not on the list.", *SAYS[3]]:
        assert words in told
    assert told.count("Which one") == 4
    assert "choose with --example N" in run("--recipe", str(recipe))


@pytest.mark.usefixtures("workplace")
def test_a_bad_recipe_is_one_plain_line() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--example", "1", "--recipe", "nowhere.toml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: nowhere.toml: cannot be read")
    assert len(done.stderr.splitlines()) == 1
