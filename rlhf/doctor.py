"""The checks behind `rlhf doctor`: packages, models, endpoints, folders, disk, rubric packs."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import RlhfError, SettingsError
from rlhf.state.settings import Settings

_ENOUGH_DISK: Final = 4 * 2**30
"""Bytes: converted weights, trainer checkpoints and an adapter of the embedded model, with room to spare."""
_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Check:
    """One thing looked at: what it is, how it is, and how to mend it if it is not well."""

    what: str
    state: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done."""
        return not self.mend


def checkup(settings: Settings) -> Iterator[Check]:
    """Look at all a run with these settings needs; finds faults instead of raising them."""
    yield _packages()
    yield from _weights(settings)
    seen = set()
    for role, endpoint in (("policy", settings.policy.endpoint()), ("judge", settings.judge.endpoint())):
        if endpoint.base_url and (endpoint.base_url, endpoint.model) not in seen:
            seen.add((endpoint.base_url, endpoint.model))
            yield _endpoint(role, endpoint)
    yield from _folders(settings)
    yield _ledger(settings.storage.ledger_url)
    yield _rubrics(settings)


def _packages() -> Check:
    try:
        required = metadata.requires("rlhf-graph") or []
    except metadata.PackageNotFoundError:
        return Check(
            "packages", "rlhf-graph is not installed", "Install it: make setup, or pip install rlhf-graph."
        )
    missing = []
    for requirement in required:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check(
            "packages", f"missing: {', '.join(missing)}", f"Install them: pip install {' '.join(missing)}"
        )
    return Check("packages", f"rlhf-graph {metadata.version('rlhf-graph')} and all it needs")


def _weights(settings: Settings) -> Iterator[Check]:
    from rlhf.training.local_model import gguf_path

    models = {settings.policy.model, settings.judge.model, settings.training.base_model}
    if "local" in models:
        try:
            yield Check("embedded model", gguf_path().name)
        except RlhfError as error:
            yield Check("embedded model", "missing", f"{error} Or choose a recipe with another model.")
    for model in sorted(models - {"local"}):
        if model == settings.training.base_model or model.startswith("hf:"):
            yield _model_folder(Path(model.removeprefix("hf:")))


def _model_folder(folder: Path) -> Check:
    if (folder / "config.json").is_file():
        return Check("model folder", str(folder))
    mend = (
        "Name a folder with config.json and safetensors, or 'local', in policy.model and training.base_model."
    )
    return Check("model folder", f"{folder} holds no config.json", mend)


def _endpoint(role: str, endpoint: Endpoint) -> Check:
    """Ask the server for its models: the smallest request that proves address and key."""
    import httpx

    what = f"{role} endpoint"
    url = f"{(endpoint.base_url or '').rstrip('/')}/models"
    try:
        key = endpoint.key()
    except RlhfError as error:
        return Check(what, f"{endpoint.api_key_env} is not set", f"{error} (in the shell, not in the recipe)")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(url, headers=headers, timeout=_SECONDS, follow_redirects=False)
    except httpx.HTTPError as error:
        mend = f"Start the server, or change {role}.base_url in the recipe."
        return Check(what, f"{url} does not answer ({type(error).__name__})", mend)
    if answer.status_code in (401, 403):
        mend = f"Set {endpoint.api_key_env or f'{role}.api_key_env in the recipe'} to a key the server takes."
        return Check(what, f"{url} refuses the key ({answer.status_code})", mend)
    if answer.status_code != 200:
        mend = f"Change {role}.base_url in the recipe; it should end in /v1."
        return Check(what, f"{url} answers {answer.status_code}", mend)
    return _served(role, endpoint, url, answer.content)


def _served(role: str, endpoint: Endpoint, url: str, content: bytes) -> Check:
    import json

    what = f"{role} endpoint"
    try:
        names = [str(entry["id"]) for entry in json.loads(content)["data"]]
    except (ValueError, KeyError, TypeError):
        mend = f"Change {role}.base_url in the recipe; it should end in /v1."
        return Check(what, f"{url} answers, but not with a list of models", mend)
    if endpoint.model not in names and f"{endpoint.model}:latest" not in names:
        mend = f"Change {role}.model in the recipe, or serve that model."
        return Check(what, f"{url} serves {', '.join(names[:5]) or 'nothing'}, not {endpoint.model}", mend)
    return Check(what, f"{endpoint.model} at {endpoint.base_url}")


def check_ready(settings: Settings) -> None:
    """Refuse (SettingsError) an unset key or a folder that cannot be written, before hours of work end there."""
    settings.policy.endpoint().key()
    settings.judge.endpoint().key()
    for what, folder in _places(settings).items():
        if reason := _unwritable(_nearest(folder)):
            raise SettingsError(f"The folder for {what}, {folder}, cannot be written: {reason}.")


def _folders(settings: Settings) -> Iterator[Check]:
    for what, folder in _places(settings).items():
        there = _nearest(folder)
        if reason := _unwritable(there):
            yield Check(f"folder for {what}", f"{there}: {reason}", "Make it writable, or name another.")
            continue
        free = shutil.disk_usage(there).free
        state = f"{folder}, {free / 2**30:.0f} GiB free"
        mend = "" if free >= _ENOUGH_DISK else f"Free {_ENOUGH_DISK / 2**30:.0f} GiB, or name another folder."
        yield Check(f"folder for {what}", state, mend)
    yield Check("machine", f"{os.cpu_count()} cores")


def _places(settings: Settings) -> dict[str, Path]:
    return {
        "runs": settings.storage.checkpoint_path.parent,
        "datasets": Path(settings.pipeline.dataset_dir),
        "adapters": Path(settings.pipeline.output_dir),
    }


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    return there


def _unwritable(folder: Path) -> str:
    """Why nothing can be written there; empty if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"0" * 4096)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _ledger(url: str) -> Check:
    """The ledger's format; looking changes nothing."""
    from rlhf.state.ledger.database import ledger_format
    from rlhf.state.ledger.migrations import FORMAT, check_readable

    what = "ledger"
    try:
        known = ledger_format(url)
        if known is None:
            return Check(what, f"none yet; the first command makes one of format {FORMAT}")
        check_readable(known)
    except RlhfError as error:
        return Check(what, "cannot be used", str(error))
    older = (
        "" if known == FORMAT else f"; the next command makes it format {FORMAT}, which older versions refuse"
    )
    return Check(what, f"format {known}{older}")


def _rubrics(settings: Settings) -> Check:
    from rlhf.nodes.evidence import known_checks
    from rlhf.prompts.rubric import RubricError, available_packs, load_pack

    try:
        names = sorted(available_packs())
        for name in names:
            load_pack(name, known_checks=known_checks())
    except RubricError as error:
        return Check("rubric packs", f"{error}", "Mend that line, or take the file out of the folder.")
    if settings.task_type not in names:
        return Check("rubric packs", f"no pack for {settings.task_type}", "Change task_type in the recipe.")
    return Check("rubric packs", ", ".join(names))
