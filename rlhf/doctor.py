"""The checks behind `rlhf doctor`: packages, models, endpoints, folders, disk, rubric packs."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from rlhf.state.endpoints import MAX_ANSWER_BYTES, Endpoint
from rlhf.state.errors import RlhfError, SettingsError
from rlhf.state.settings import Settings

_ENOUGH_DISK: Final = 4 * 2**30
"""Bytes: converted weights, trainer checkpoints and an adapter of the embedded model, with room to spare."""
_SECONDS_TO_CONNECT: Final = 5.0
_SECONDS: Final = 15.0
"""For a whole answer."""


@dataclass(frozen=True)
class Check:
    """One thing looked at: what it is, how it is, how to mend it if it is not well, and what to mind if it is."""

    what: str
    state: str
    mend: str = ""
    mind: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done."""
        return not self.mend


def checkup(settings: Settings, *, judging: bool = False) -> Iterator[Check]:
    """Look at all a run with these settings needs; finds faults instead of raising them.

    `judging`: make one real judgement, and say what the judge's endpoint supports.
    """
    yield from _looked_at("packages", lambda: [_packages()])
    yield from _looked_at("models", lambda: _weights(settings))
    seen = set()
    reachable = True
    for role, endpoint in (("policy", settings.policy.endpoint()), ("judge", settings.judge.endpoint())):
        place = (endpoint.identity, endpoint.base_url, endpoint.api_key_env)
        if endpoint.facts.way != "own" and place not in seen:
            seen.add(place)
            for check in _looked_at(f"{role} endpoint", lambda: [_endpoint(role, endpoint)]):  # noqa: B023
                reachable = reachable and check.ok
                yield check
    if judging and reachable and settings.judge.endpoint().facts.way != "own":
        yield from _looked_at("judgement", lambda: _judgement(settings))
    yield from _looked_at("folders", lambda: _folders(settings))
    yield from _looked_at("ledger", lambda: [_ledger(settings.storage.ledger_url)])
    yield from _looked_at("rubric packs", lambda: [_rubrics(settings)])
    yield _independence(settings)


def _looked_at(what: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """The checks that `look` makes; a fault of the look itself is one more thing that is not well."""
    try:
        yield from look()
    except RlhfError as error:
        yield Check(what, "cannot be used", str(error))
    except Exception as error:  # whatever is broken on this machine: a doctor finds it, and does not faint
        told = " ".join(str(error).split())[:200] or "without a word"
        yield Check(
            what, f"{type(error).__name__}: {told}", "Mend what that names, then ask the doctor again."
        )


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

    from rlhf.nodes.endpoints.protocol import headers_for
    from rlhf.nodes.endpoints.readiness import check_ready_to_ask

    what = f"{role} endpoint"
    try:
        check_ready_to_ask(endpoint, role)
    except RlhfError as error:
        return Check(what, f"{endpoint.provider}/{endpoint.model} cannot be asked", str(error))
    if endpoint.facts.way == "langchain":
        return Check(what, f"{endpoint.model} through {endpoint.facts.package}")
    url, shown = endpoint.url("/models"), endpoint.shown
    headers = headers_for(endpoint, endpoint.key())
    try:
        answer = _get(url, headers)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        mend = f"Start the server, or change {role}.base_url in the recipe."
        return Check(what, f"{shown} does not answer ({type(error).__name__})", mend)
    if answer.is_redirect:
        there = answer.location.partition("?")[0].removesuffix("/models")
        mend = f"Write the address that is meant as {role}.base_url: the key is never sent on to another one."
        return Check(what, f"{shown} redirects to {there}", mend)
    if answer.status_code in (401, 403):
        mend = f"Set {endpoint.api_key_env or f'{role}.api_key_env in the recipe'} to a key the server takes."
        return Check(what, f"{shown} refuses the key ({answer.status_code})", mend)
    if answer.status_code == 404 and (better := _with_v1(endpoint, headers)):
        return Check(what, f"{shown} answers 404", f'Write {role}.base_url = "{better}", where it answers.')
    if answer.status_code in (404, 405, 501):
        return Check(
            what, f"{shown} keeps no list of models; whether {endpoint.model} is there, a call will show"
        )
    if answer.status_code != 200:
        mend = f"Change {role}.base_url in the recipe; it should end in /v1."
        return Check(what, f"{shown} answers {answer.status_code}", mend)
    return _served(role, endpoint, answer.content)


@dataclass(frozen=True)
class _Answer:
    """What a server says to a look at its list of models."""

    status_code: int
    is_redirect: bool
    location: str
    content: bytes


def _get(url: str, headers: dict[str, str]) -> _Answer:
    """Ask within `_SECONDS` as a whole, however slowly bytes come; on a loop of its own, for the caller may be on one.

    Raises httpx.HTTPError, also for an answer that is too large or cannot be unpacked.
    """
    from rlhf.nodes.concurrency import Background

    aside = Background("doctor")
    try:
        return aside.wait(_got(url, headers))
    finally:
        aside.close()


async def _got(url: str, headers: dict[str, str]) -> _Answer:
    import asyncio

    import httpx

    from rlhf.nodes.endpoints.bounded import TooLarge, Undecodable, read_body
    from rlhf.nodes.endpoints.protocol import new_client

    patience = httpx.Timeout(None, connect=_SECONDS_TO_CONNECT)
    try:
        async with asyncio.timeout(_SECONDS), new_client(url) as client:
            async with client.stream("GET", url, headers=headers, timeout=patience) as answer:
                content = await read_body(answer, MAX_ANSWER_BYTES)
            place = answer.headers.get("location", "elsewhere")
            return _Answer(answer.status_code, answer.is_redirect, place, content)
    except TimeoutError as error:
        raise httpx.ReadTimeout("no whole answer in time") from error
    except (TooLarge, Undecodable) as error:
        raise httpx.DecodingError("no answer that can be read") from error


def _with_v1(endpoint: Endpoint, headers: dict[str, str]) -> str:
    """The address with /v1 behind it, if the server answers there; empty otherwise."""
    import httpx

    if endpoint.url("").partition("?")[0].rstrip("/").endswith("/v1"):
        return ""
    try:
        answer = _get(endpoint.url("/v1/models"), headers)
    except httpx.HTTPError:
        return ""
    return endpoint.url("/v1") if answer.status_code == 200 else ""


def _served(role: str, endpoint: Endpoint, content: bytes) -> Check:
    import json

    what = f"{role} endpoint"
    try:
        value = json.loads(content)
        listed = value["data"] if isinstance(value, dict) else value
        names = [str(entry["id"]) for entry in listed]
    except (ValueError, KeyError, TypeError):
        mend = f"Change {role}.base_url in the recipe; it should end in /v1."
        return Check(what, f"{endpoint.shown} answers, but not with a list of models", mend)
    bare = {name.removeprefix("models/").removesuffix(":latest") for name in names}
    if endpoint.model.removesuffix(":latest") not in bare:
        mend = f"Change {role}.model in the recipe, or serve that model."
        return Check(what, f"{endpoint.shown} serves {', '.join(names[:5]) or 'nothing'}", mend)
    return Check(what, endpoint.shown)


def _judgement(settings: Settings) -> Iterator[Check]:
    """One real judgement, and what it showed of the endpoint."""
    import asyncio

    from rlhf.nodes.crews.trial import try_judge

    what, endpoint = "judgement", settings.judge.endpoint()
    trial = asyncio.run(try_judge(settings, endpoint))
    if trial.level is None:
        mend = "Look at judge.model, judge.max_tokens and judge.extra_body, or name another judge."
        yield Check(what, trial.fault, mend)
    else:
        yield Check(what, f"level {trial.level} of 5 for a right answer, {trial.calls} call(s)")
    if trial.supports:
        yield Check("judge supports", "; ".join(trial.supports))
    yield Check("price", _price(endpoint))


_PRICED_AS: Final = {"bedrock": "aws"}


def _price(endpoint: Endpoint) -> str:
    """What a million tokens cost, as far as the packaged list of prices knows that address; never a guess."""
    from genai_prices import Usage, calc_price

    def of(usage: Usage) -> float:
        if endpoint.base_url is not None:
            return float(calc_price(usage, endpoint.model, provider_api_url=endpoint.base_url).total_price)
        provider = _PRICED_AS.get(endpoint.provider, endpoint.provider)
        return float(calc_price(usage, endpoint.model, provider_id=provider).total_price)

    try:
        into, out = of(Usage(input_tokens=1_000_000)), of(Usage(output_tokens=1_000_000))
    except LookupError:
        return f"not known for {endpoint.shown}"
    return f"${into:g} a million tokens in, ${out:g} out, by the packaged list"


def check_ready(settings: Settings) -> None:
    """Refuse (SettingsError) what would make every call fail, or a folder that cannot be written.

    Before hours of work end there: keys, addresses, proxies and packages of both endpoints.
    """
    from rlhf.nodes.endpoints.readiness import check_ready_to_ask

    check_ready_to_ask(settings.policy.endpoint(), "policy")
    check_ready_to_ask(settings.judge.endpoint(), "judge")
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


def _independence(settings: Settings) -> Check:
    from rlhf.runs.notes import self_judging

    if settings.self_judged:
        return Check("judge", "not independent", mind=self_judging(settings))
    return Check("judge", f"{settings.judge.model} judges what {settings.policy.model} answers")


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
