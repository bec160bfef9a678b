"""What a user's type checker sees: the guide's code, checked against the installed wheel and not the source tree."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rlhf
from tests.rlhf.guide import BLOCKS
from tests.rlhf.installed import Environment

AT_HAND = """\
from typing import Any
from rlhf import Feedback
prompt: str
model_output: str
context: dict[str, Any]
prompts: list[str]
your_prompts: list[str]
class Model:
    def generate(self, prompt: str) -> str:
        return prompt
your_model: Model
feedback_batch: list[Feedback]
feedback_v1: list[Feedback]
feedback_v2: list[Feedback]
"""
"""What the guide's reader has before the first block."""

SETTINGS = """\
[mypy]
strict = True
# The guide's one callback has no annotations.
disallow_untyped_defs = False
disallow_untyped_calls = False
follow_imports = silent
ignore_missing_imports = True
[mypy-accelerate.*,crewai.*,datasets.*,peft.*,torch.*,transformers.*,trl.*]
follow_imports = skip
"""

RESULTS = {
    "feedback": "Feedback",
    "feedback_list": "list[Feedback]",
    "stats": "ProjectStats",
    "results": "RunReport",
    "dataset": "PreferenceDataset",
    "path": "Path",
    "merged": "MergedFeedback",
    "metrics": "FeedbackQuality",
    "comparison": "VersionComparison",
}
"""Names of the guide, and what they are."""


@pytest.fixture(scope="module")
def told(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of the guide, and of every public name, in an environment that has the wheel."""
    environment = Environment.make(tmp_path_factory.mktemp("environment"), str(wheel))
    folder = tmp_path_factory.mktemp("checked")
    lines = [AT_HAND, *BLOCKS, "import rlhf as whole"]
    lines += [f"reveal_type(whole.{name})  # public" for name in rlhf.__all__]
    lines += [f"reveal_type({name})  # result" for name in RESULTS]
    # The last: nothing after it is reached, as a type checker sees it.
    lines += ["feedback.nonsense", 'feedback["rating"] = 5']
    (folder / "guide.py").write_text("\n".join(lines) + "\n")
    (folder / "mypy.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", "--python-executable", str(environment.python), "guide.py"]
    known = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True)
    assert "guide.py" in done.stdout, done.stdout + done.stderr
    return done.stdout.splitlines()


def revealed(told: list[str]) -> list[str]:
    """The types asked for, without the modules they come from."""
    found = [re.search(r'Revealed type is "(.*)"$', line) for line in told]
    return [re.sub(r"[\w.]+\.(\w+)", r"\1", match[1]) for match in found if match]


def test_the_guide_is_right_and_what_does_not_exist_is_an_error(told: list[str]) -> None:
    errors = [line.split(":", 3)[1:] for line in told if ": error: " in line]
    assert len({line for line, _, _ in errors}) == 2, "\n".join(told)
    assert '"Feedback" has no attribute "nonsense"' in errors[0][2]
    assert "[arg-type]" in errors[1][2], "an item cannot be set"


def test_no_public_name_is_any(told: list[str]) -> None:
    types = dict(zip(rlhf.__all__, revealed(told), strict=False))
    assert len(types) == len(rlhf.__all__)
    assert [name for name, found in types.items() if "Any" in (found, found.rpartition(" -> ")[2])] == []


def test_what_comes_back_has_its_type(told: list[str]) -> None:
    assert dict(zip(RESULTS, revealed(told)[-len(RESULTS) :], strict=True)) == RESULTS
