"""Listing, promoting and rolling back adapters from the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.training.registry import store

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture
def two_versions(workplace: Path) -> None:
    made = workplace / "made"
    made.mkdir()
    (made / "adapter_model.safetensors").write_bytes(b"weights")
    (made / "adapter_config.json").write_text("{}")
    proof = {"verdict": "ship", "delta": 4.2, "ci_low": 1.0, "ci_high": 7.4}
    for run in ("run-1", "run-2"):
        manifest = {"run_id": run, "round": 1, "base_model": "base", "evaluation": proof}
        store(Path("models/adapters"), "budgeting", made, manifest)


def adapters(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["adapters", *arguments])


def test_no_adapters_yet_says_how_to_make_one() -> None:
    assert "No adapters in models/adapters yet" in adapters().stdout


@pytest.mark.usefixtures("two_versions")
def test_a_version_is_promoted_and_rolled_back() -> None:
    assert "champion" not in adapters().stdout
    assert adapters("promote", "budgeting", "v1").exit_code == 0
    assert adapters("promote", "budgeting", "v2").exit_code == 0
    lines = adapters().stdout.splitlines()
    assert lines[0].split()[:2] == ["budgeting", "v1"]
    assert "champion" in lines[2]
    assert "ship: +4.2 [+1.0, +7.4]" in lines[2]
    assert "v1" in adapters("rollback", "budgeting").stdout
    assert "champion" in adapters().stdout.splitlines()[0]


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_is_not_there_is_refused() -> None:
    result = adapters("promote", "budgeting", "v9")
    assert result.exit_code == 2
    assert "no version 'v9'" in result.stderr
    assert adapters("promote", "../up", "v1").exit_code == 2
