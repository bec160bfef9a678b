"""The registry of adapters: immutable version folders, aliases moved atomically, and how to serve them.

OUTPUT_DIR/NAME/v1/            adapter_model.safetensors, adapter_config.json, manifest.json, Modelfile
OUTPUT_DIR/NAME/champion       relative link to the version that serves; where links may not be made (Windows, some
                               file systems) a file that holds its name
OUTPUT_DIR/NAME/candidate      the same for the newest version that was not promoted
OUTPUT_DIR/NAME/aliases.jsonl  every move of an alias, oldest first
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rlhf.state import shell
from rlhf.state.errors import DeploymentError, InputError
from rlhf.state.files.atomic import (
    checked_name,
    folder_lock,
    fsync_folder,
    sha256_file,
    write_atomic,
    write_json,
)
from rlhf.state.files.lines import json_lines

Alias = Literal["champion", "candidate"]
ALIASES: tuple[Alias, ...] = ("champion", "candidate")
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_LINKS = os.name != "nt"
"""Windows asks for a right to make links, and cannot replace one to a folder in one step."""


@dataclass(frozen=True)
class Version:
    """A deployed adapter."""

    name: str
    version: str
    path: Path
    aliases: tuple[Alias, ...]
    manifest: Mapping[str, Any]

    @property
    def number(self) -> int:
        """3 for v3."""
        return int(self.version[1:])


def store(output_dir: Path, name: str, adapter: Path, manifest: Mapping[str, Any]) -> Version:
    """Copy a trained adapter into the registry as its next version.

    `manifest` must hold `run_id`, `round` and `base_model`: storing the same round of the same run again
    returns the version that is there. InputError if it is no adapter in safetensors, DeploymentError if the
    folder cannot be written.
    """
    check_adapter(adapter)
    home = output_dir / checked_name(name, "Adapter name")
    with _reported(home), folder_lock(home):
        for known in _versions(home):
            if (known.manifest["run_id"], known.manifest["round"]) == (manifest["run_id"], manifest["round"]):
                return known
        for torn in home.glob(".v*"):
            shutil.rmtree(torn)  # left by a process that was killed while it copied
        version = f"v{max((_number(folder) for folder in _folders(home)), default=0) + 1}"
        building = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=home))
        try:
            for file in (WEIGHTS, CONFIG):
                shutil.copyfile(adapter / file, building / file)
            target = home / version
            (building / "Modelfile").write_text(_modelfile(manifest, target), encoding="utf-8")
            sums = {file.name: sha256_file(file) for file in sorted(building.iterdir())}
            record = {**manifest, "name": name, "version": version, "created_at": _now(), "sha256": sums}
            write_json(building / "manifest.json", record)
            _sync_files(building)
            building.chmod(0o755)
            building.rename(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        fsync_folder(home)
        return _version(home, version)


def point(output_dir: Path, name: str, version: str, alias: Alias, why: str) -> Version:
    """Move an alias to a version, atomically, and log it; InputError if there is no such version."""
    home = output_dir / checked_name(name, "Adapter name")
    with _reported(home), folder_lock(home):
        found = find(output_dir, name, version)
        if alias not in found.aliases:
            _move(home / alias, found.version)
            entry = {"alias": alias, "version": found.version, "at": _now(), "why": why}
            with (home / "aliases.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
                log.flush()
                os.fsync(log.fileno())
            fsync_folder(home)
        if alias == "champion" and _target(home, "candidate") == found.version:
            (home / "candidate").unlink()
        return _version(home, found.version)


def promote(output_dir: Path, name: str, version: str) -> Version:
    """Make a version the champion."""
    return point(output_dir, name, version, "champion", "promoted by a person")


def rollback(output_dir: Path, name: str, version: str | None = None) -> Version:
    """Make the given version, or the champion before the present one, the champion again."""
    if version is None:
        home = output_dir / checked_name(name, "Adapter name")
        now = _target(home, "champion")
        earlier = [v for v in champions(output_dir, name) if v != now]
        if not earlier:
            raise InputError(f"{name} has had no other champion: name the version to go back to.")
        version = earlier[-1]
    return point(output_dir, name, version, "champion", "rolled back by a person")


def champions(output_dir: Path, name: str) -> list[str]:
    """Versions that have been champion, oldest first, as the alias log has them."""
    log = output_dir / checked_name(name, "Adapter name") / "aliases.jsonl"
    if not log.exists():
        return []
    entries = [json.loads(line) for line in json_lines(log.read_text(encoding="utf-8"))]
    return [entry["version"] for entry in entries if entry["alias"] == "champion"]


def champion_before(output_dir: Path, name: str, run_id: str, round: int) -> Version | None:
    """What the adapter of this run and round would replace: the champion of its name, None if there is none.

    It never replaces itself: where it is the champion already, what was champion before it is returned.
    """
    home = output_dir / checked_name(name, "Adapter name")
    now = _target(home, "champion")
    if now is None:
        return None
    for number in (now, *reversed(champions(output_dir, name))):
        version = _version(home, number)
        if (version.manifest["run_id"], version.manifest["round"]) != (run_id, round):
            return version
    return None


def find(output_dir: Path, name: str, version: str) -> Version:
    """A version by its number ("v3") or alias; InputError lists what there is."""
    home = output_dir / checked_name(name, "Adapter name")
    number = (_target(home, version) if version in ALIASES else None) or version
    if not any(folder.name == number for folder in _folders(home)):
        there = ", ".join(folder.name for folder in _folders(home)) or "none"
        raise InputError(f"{name} has no version {version!r} in {output_dir}; versions: {there}.")
    return _version(home, number)


def list_adapters(output_dir: Path) -> list[Version]:
    """Every version of every adapter, by name and number."""
    homes = sorted(path for path in output_dir.glob("*") if path.is_dir()) if output_dir.is_dir() else []
    return [version for home in homes for version in _versions(home)]


def resolve_adapter(reference: str, output_dir: Path) -> Path:
    """The folder behind NAME (its champion), NAME@VERSION, or the path of any safetensors adapter."""
    folder = Path(reference)
    if not (folder / CONFIG).is_file():
        name, _, version = reference.partition("@")
        if "/" in name or "\\" in name:
            raise InputError(f"{reference} is no adapter: there is no folder with {CONFIG}.")
        folder = find(output_dir, name, version or "champion").path
    check_adapter(folder)
    return folder


def check_adapter(folder: Path) -> None:
    """Refuse (InputError) a folder that is no adapter in safetensors; pickles are never loaded."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is no adapter: it has no {CONFIG}.")
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} has no {WEIGHTS}: only adapters in safetensors are used.")


def serve_lines(version: Version) -> list[str]:
    """Command lines that serve the adapter: vLLM, and Ollama through the version's Modelfile."""
    base, name = version.manifest["base_model"], version.name
    return [
        shell.line("vllm", "serve", base, "--enable-lora", "--lora-modules", f"{name}={version.path}"),
        shell.line("ollama", "create", name, "-f", version.path / "Modelfile"),
    ]


def _modelfile(manifest: Mapping[str, Any], target: Path) -> str:
    return f"FROM {manifest['base_model']}\nADAPTER {target.absolute()}\n"


@contextmanager
def _reported(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeploymentError(f"The adapter cannot be stored in {home}: {error.strerror}.") from error


def _sync_files(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    fsync_folder(folder)


def _folders(home: Path) -> list[Path]:
    found = [path for path in home.glob("v*") if path.is_dir() and path.name[1:].isdigit()]
    return sorted(found, key=_number)


def _number(folder: Path) -> int:
    return int(folder.name[1:])


def _versions(home: Path) -> list[Version]:
    return [_version(home, folder.name) for folder in _folders(home)]


def _version(home: Path, version: str) -> Version:
    manifest = json.loads((home / version / "manifest.json").read_text(encoding="utf-8"))
    aliases = tuple(alias for alias in ALIASES if _target(home, alias) == version)
    return Version(home.name, version, home / version, aliases, manifest)


def _move(alias: Path, version: str) -> None:
    """Let the alias name the version, in one step."""
    if _LINKS:
        temporary = alias.with_name(f".{alias.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        with suppress(OSError):  # no right to make links, or a file system without them
            temporary.symlink_to(version)
            return os.replace(temporary, alias)
    write_atomic(alias, f"{version}\n".encode())


def _target(home: Path, alias: str) -> str | None:
    """The version an alias names, as a link or in a file; None if there is no such alias."""
    place = home / alias
    if place.is_symlink():
        return os.readlink(place)
    return place.read_text(encoding="utf-8").strip() if place.is_file() else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
