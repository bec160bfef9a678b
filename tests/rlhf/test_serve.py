"""Serving: the configuration the development server gets, in the repository and elsewhere."""

import json
from pathlib import Path

import pytest

from rlhf.cli.serve import _config


def test_an_installed_package_brings_its_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "langgraph.json").write_text('{"graphs": {"other": "other:graph"}}')
    path = _config(tmp_path / ".rlhf")
    assert path == tmp_path / ".rlhf" / "langgraph.json"
    shipped = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())
    ours = json.loads(path.read_text())
    assert ours == {key: value for key, value in shipped.items() if key != "python_version"}


def test_a_configuration_of_our_graphs_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "langgraph.json").write_text('{"graphs": {"pipeline": "rlhf.graph.pipeline:graph"}}')
    assert _config(tmp_path / ".rlhf") == tmp_path / "langgraph.json"
