"""The version is written once."""

import tomllib

from typer.testing import CliRunner

import rlhf
from rlhf.cli import app
from tests.graph.workplace import ROOT


def test_the_command_line_says_the_packages_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{rlhf.__version__}\n")


def test_what_is_built_reads_it_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "rlhf.__version__"}
