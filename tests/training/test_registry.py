"""The registry: versions that never change, aliases that move whole, and names that cannot leave their folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlhf.state.errors import DeploymentError, InputError
from rlhf.state.files.atomic import sha256_file
from rlhf.training.registry import (
    list_adapters,
    point,
    promote,
    resolve_adapter,
    rollback,
    serve_lines,
    store,
)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text("{}")
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def add(adapter: Path, models: Path) -> Callable[[int], Any]:
    """Stores the adapter as the result of round N of a run."""
    return lambda round: store(
        models, "budgeting", adapter, {"run_id": "r", "round": round, "base_model": "smol"}
    )


def test_versions_count_up_and_a_round_is_stored_once(add: Callable[[int], Any], models: Path) -> None:
    assert [add(1).version, add(2).version, add(1).version] == ["v1", "v2", "v1"]
    assert [(row.name, row.version) for row in list_adapters(models)] == [
        ("budgeting", "v1"),
        ("budgeting", "v2"),
    ]


def test_the_manifest_proves_every_file(add: Callable[[int], Any]) -> None:
    stored = add(1)
    sums = stored.manifest["sha256"]
    assert set(sums) == {"adapter_model.safetensors", "adapter_config.json", "Modelfile"}
    assert all(sha256_file(stored.path / name) == value for name, value in sums.items())


def test_what_a_killed_copy_left_is_cleared(add: Callable[[int], Any], models: Path) -> None:
    torn = models / "budgeting" / ".v1.torn"
    torn.mkdir(parents=True)
    (torn / "adapter_model.safetensors").write_bytes(b"half")
    assert add(1).version == "v1"
    assert not torn.exists()


def test_promotion_moves_a_relative_link_and_is_logged(add: Callable[[int], Any], models: Path) -> None:
    add(1)
    add(2)
    point(models, "budgeting", "v2", "candidate", "held")
    promoted = promote(models, "budgeting", "v2")
    assert promoted.aliases == ("champion",)
    link = models / "budgeting" / "champion"
    assert link.is_symlink()
    assert str(link.readlink()) == "v2"
    log = (models / "budgeting" / "aliases.jsonl").read_text().splitlines()
    assert [(json.loads(line)["alias"], json.loads(line)["version"]) for line in log] == [
        ("candidate", "v2"),
        ("champion", "v2"),
    ]


def test_where_no_link_may_be_made_a_file_names_the_version(
    add: Callable[[int], Any], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: str) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    add(1)
    add(2)
    promote(models, "budgeting", "v1")  # while links could be made
    monkeypatch.setattr(Path, "symlink_to", refused)
    point(models, "budgeting", "v2", "candidate", "held")
    assert promote(models, "budgeting", "v2").aliases == ("champion",)
    place = models / "budgeting" / "champion"
    assert (place.is_symlink(), place.read_text()) == (False, "v2\n")
    assert not (models / "budgeting" / "candidate").exists()
    assert resolve_adapter("budgeting", models).name == "v2"
    assert [version.aliases for version in list_adapters(models)] == [(), ("champion",)]
    assert rollback(models, "budgeting").version == "v1"
    monkeypatch.undo()
    assert promote(models, "budgeting", "v2").version == "v2"
    assert str(place.readlink()) == "v2"


def test_rollback_goes_to_the_champion_before(add: Callable[[int], Any], models: Path) -> None:
    for number in (1, 2, 3):
        add(number)
        if number != 2:
            promote(models, "budgeting", f"v{number}")
    assert rollback(models, "budgeting").version == "v1"
    assert rollback(models, "budgeting", "v2").version == "v2"
    assert resolve_adapter("budgeting", models).name == "v2"


def test_rollback_without_an_earlier_champion_says_so(add: Callable[[int], Any], models: Path) -> None:
    add(1)
    promote(models, "budgeting", "v1")
    with pytest.raises(InputError, match="no other champion"):
        rollback(models, "budgeting")


def test_an_adapter_is_found_by_name_version_alias_or_folder(
    add: Callable[[int], Any], models: Path, adapter: Path
) -> None:
    add(1)
    add(2)
    promote(models, "budgeting", "v1")
    point(models, "budgeting", "v2", "candidate", "held")
    found = [resolve_adapter(f"budgeting{at}", models).name for at in ("", "@v2", "@candidate", "@champion")]
    assert found == ["v1", "v2", "v2", "v1"]
    assert resolve_adapter(str(adapter), models) == adapter


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "/etc", "a\\b"])
def test_a_name_with_a_path_in_it_never_leaves_the_folder(adapter: Path, models: Path, name: str) -> None:
    with pytest.raises(InputError, match="Adapter name"):
        store(models, name, adapter, {"run_id": "r", "round": 1, "base_model": "smol"})
    with pytest.raises(InputError):
        resolve_adapter(name, models)
    assert not models.exists()


@pytest.mark.parametrize("version", ["../budgeting/v1", "v1/..", "v9", "", "aliases.jsonl"])
def test_a_version_that_is_none_is_refused(add: Callable[[int], Any], models: Path, version: str) -> None:
    add(1)
    with pytest.raises(InputError, match=r"no version .* versions: v1"):
        promote(models, "budgeting", version)


def test_a_pickled_adapter_is_refused(adapter: Path, models: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(InputError, match="only adapters in safetensors"):
        resolve_adapter(str(adapter), models)


def test_a_folder_that_cannot_be_written_is_said(adapter: Path, models: Path) -> None:
    models.write_text("a file stands here")
    with pytest.raises(DeploymentError, match="cannot be stored"):
        store(models, "budgeting", adapter, {"run_id": "r", "round": 1, "base_model": "smol"})


def test_lines_that_serve_it_name_base_and_adapter(add: Callable[[int], Any]) -> None:
    stored = add(1)
    vllm, ollama = serve_lines(stored)
    assert vllm == f"vllm serve smol --enable-lora --lora-modules budgeting={stored.path}"
    assert ollama.startswith("ollama create budgeting -f ")
    assert (stored.path / "Modelfile").read_text() == f"FROM smol\nADAPTER {stored.path.absolute()}\n"
