"""What `rlhf compare` can compare: adapters and models that answer prompts, and feedback that is there already.

Responses are kept under the runs' folder by what they depend on, so that a comparison done again, or cut off,
generates only what is missing; verdicts are in the ledger.
"""

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhf.nodes.concurrency import in_thread, together
from rlhf.nodes.generation.sampling import Weights
from rlhf.nodes.services import Services
from rlhf.progress import Follow, Progress
from rlhf.runs.judge import judge_all
from rlhf.state.endpoints import Endpoint, parse_model
from rlhf.state.errors import GenerationError, InputError, SettingsError
from rlhf.state.files.atomic import sha256_file, write_json
from rlhf.state.files.feedback import read_feedback
from rlhf.state.keys import content_key, derived_seed
from rlhf.state.ledger import Ledger
from rlhf.state.records import Feedback, PromptRow
from rlhf.state.run_index import is_noted, ledger_of_run
from rlhf.state.settings import PolicySettings, Settings
from rlhf.training.generate import GenerateJob, GenerateTask, read_rows
from rlhf.training.local_model import resolve_model
from rlhf.training.process import run_job
from rlhf.training.registry import CONFIG, WEIGHTS, resolve_adapter
from rlhf.trust.comparison import VersionComparison, check_names, compare_feedback

BASE = "base"
"""The recipe's training.base_model without an adapter."""


@dataclass(frozen=True)
class Recorded:
    """Feedback given before: a file's, or a run's newest round."""

    feedback: Sequence[Feedback]


Contestant = Weights | Endpoint | Recorded


def contestant(services: Services, name: str) -> Contestant:
    """What `name` stands for. Blocking; InputError names the ways to name one.

    `base`, `local`, `hf:PATH`, `openai/NAME`, `ollama/NAME` and `vllm/NAME` are models; a file is feedback as
    `rlhf judge --json` prints it; NAME, NAME@VERSION or a folder is an adapter; RUN is a run's newest round.
    """
    settings = services.settings
    if name == BASE:
        return _weights(settings.training.base_model)
    if name == "local" or name.startswith("hf:"):
        return _weights(name)
    if Path(name).is_file():
        return Recorded(read_feedback(Path(name)))
    if (Path(name) / CONFIG).is_file():
        return _adapter(name, settings)
    if (endpoint := _endpoint(name, settings)) is not None:
        return endpoint
    if services.ledger.has_run(name):
        return Recorded(_feedback_of_run(services.ledger, name))
    if is_noted(name):
        with ledger_of_run(name) as ledger:
            return Recorded(_feedback_of_run(ledger, name))
    try:
        return _adapter(name, settings)
    except InputError as error:
        raise InputError(
            f"{name[:80]!r} is nothing to compare: give an adapter (NAME, NAME@VERSION or its folder), {BASE}, "
            f"a model (openai/NAME, ollama/NAME, vllm/NAME), a file of feedback, or a run. {error}"
        ) from error


async def compare_named(
    services: Services,
    first: str,
    second: str,
    prompts: Sequence[PromptRow],
    variations: int,
    follow: Follow,
) -> VersionComparison:
    """Compare what `first` and `second` name; `prompts` may be empty if both are recorded feedback.

    Raises InputError for names that stand for nothing and for prompts that are missing, before anything is
    asked; GenerationError when a side makes no response at all; EndpointError when no judge answers.
    """
    check_names(first, second)
    sides = [await in_thread(contestant, services, name) for name in (first, second)]
    if not prompts and not all(isinstance(side, Recorded) for side in sides):
        raise InputError("Adapters and models have to answer something: give --prompts FILE.")
    before, after = [
        await feedback_on(services, name, side, prompts, variations, follow)
        for name, side in zip((first, second), sides, strict=True)
    ]
    return await in_thread(compare_feedback, first, second, before, after)


async def feedback_on(
    services: Services,
    name: str,
    who: Contestant,
    prompts: Sequence[PromptRow],
    variations: int,
    follow: Follow,
) -> list[Feedback]:
    """Feedback on `variations` responses of `who` to each prompt, or the feedback that is recorded.

    A response that could not be made is feedback without a score: it lowers coverage. GenerationError if none
    could, naming the last reason.
    """
    if isinstance(who, Recorded):
        return list(who.feedback)
    wanted = [(prompt, variation) for prompt in prompts for variation in range(variations)]
    if isinstance(who, Weights):
        answers = await _from_weights(services, name, who, wanted, follow)
    else:
        answers = await _from_endpoint(services, name, who, wanted, follow)
    if not any(answer.text for answer in answers):
        raise GenerationError(
            f"{name}: not one of {len(answers)} responses could be made. The last reason: {answers[-1].error}"
        )
    pairs = [(prompt, answer) for (prompt, _), answer in zip(wanted, answers, strict=True)]
    items = {(prompt.key, answer.text): (prompt, answer.text) for prompt, answer in pairs if answer.text}
    feedback = await judge_all(services, list(items.values()), follow, stage="judging", detail=name)
    found = dict(zip(items, feedback, strict=True))
    return [found.get((prompt.key, answer.text)) or _unmade(prompt, answer) for prompt, answer in pairs]


@dataclass(frozen=True)
class _Answer:
    text: str = ""
    error: str | None = None


def _unmade(prompt: PromptRow, answer: _Answer) -> Feedback:
    return Feedback(
        prompt=prompt.text,
        response="",
        prompt_id=prompt.key,
        task_type=prompt.task_type,
        coverage=0.0,
        needs_review=True,
        review_reasons=[f"no response: {answer.error}"],
        dimensions={},
    )


Wanted = Sequence[tuple[PromptRow, int]]


async def _from_weights(
    services: Services, name: str, who: Weights, wanted: Wanted, follow: Follow
) -> list[_Answer]:
    options = services.settings.policy
    stop = threading.Event()

    def make() -> list[_Answer]:
        job = GenerateJob(
            model=who.model,
            adapter=str(who.adapter) if who.adapter else None,
            tasks=[GenerateTask(id=p.key, prompt=p.text, variation=v) for p, v in wanted],
            temperature=options.temperature,
            max_new_tokens=options.max_tokens,
            seed=derived_seed(services.settings.pipeline.seed, "compare"),
        )
        folder = _folder(services) / _fingerprint(Path(job.model), who.adapter)
        result = run_job(
            "rlhf.training.generate",
            job,
            folder,
            lambda line: follow(Progress("generation", line["done"], line["total"], name)),
            stop=stop,
        )
        return [_answer(row.text, row.error) for row in read_rows(result)]

    try:
        return await in_thread(make)
    finally:
        stop.set()


async def _from_endpoint(
    services: Services, name: str, who: Endpoint, wanted: Wanted, follow: Follow
) -> list[_Answer]:
    from rlhf.nodes.generation.chat import chat

    way = [who.provider, who.model, who.base_url, who.temperature, who.max_tokens]
    folder = _folder(services) / content_key(*way)[:12]
    answers: dict[int, _Answer] = {}
    room = asyncio.Semaphore(
        2 * who.concurrency
    )  # chat bounds the calls; this, the files waiting beside them

    async def one(place: int, prompt: PromptRow, variation: int) -> None:
        seed = derived_seed(services.settings.pipeline.seed, "compare", prompt.key, variation)
        path = folder / f"{content_key(prompt.text, seed)}.json"
        async with room:
            text = await in_thread(_kept, path)
            if text is None:
                made = await chat(who, prompt.text, seed)
                text, error = made.text, made.error
                if not error:
                    await in_thread(write_json, path, {"prompt": prompt.text, "response": text})
                answers[place] = _answer(text, error)
            else:
                answers[place] = _answer(text, None)
        follow(Progress("generation", len(answers), len(wanted), name))

    await together(one(place, *each) for place, each in enumerate(wanted))
    return [answers[place] for place in range(len(wanted))]


def _answer(text: str, error: str | None) -> _Answer:
    if error:
        return _Answer(error=error)
    return _Answer(text) if text.strip() else _Answer(error="the model returned an empty text")


def _kept(path: Path) -> str | None:
    if not path.exists():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["response"])


def _folder(services: Services) -> Path:
    return services.home / "compare"


def _fingerprint(model: Path, adapter: Path | None) -> str:
    """Changes when the weights do: the adapter's by content, the base model's by the files' sizes and times."""
    parts: list[Any] = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for file in sorted(model.glob("*.safetensors"))
    ]
    return content_key(parts, sha256_file(adapter / WEIGHTS) if adapter else None)[:12]


def _weights(model: str, adapter: Path | None = None) -> Weights:
    return Weights(str(resolve_model(model)), adapter)


def _adapter(name: str, settings: Settings) -> Weights:
    """The adapter over the base model it was trained on, as its manifest says, else the recipe's."""
    folder = resolve_adapter(name, Path(settings.pipeline.output_dir)).resolve()
    manifest = folder / "manifest.json"
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    return _weights(str(known.get("base_model") or settings.training.base_model), folder)


def _endpoint(name: str, settings: Settings) -> Endpoint | None:
    """The model with the policy's options; its address is the recipe's for that provider, if it names one."""
    try:
        provider, _ = parse_model(name, "compare")
    except SettingsError:
        return None
    if provider == "function":
        return None
    alike = [
        section
        for section in (settings.policy, settings.judge)
        if parse_model(section.model, "recipe")[0] == provider
    ]
    address: dict[str, Any] = {}
    if alike:
        address = {
            key: getattr(alike[0], key) for key in ("base_url", "api_key_env", "concurrency", "timeout")
        }
    own = settings.policy
    section = PolicySettings(model=name, temperature=own.temperature, max_tokens=own.max_tokens, **address)
    endpoint = section.endpoint()
    endpoint.key()  # a key that is not set is refused before the other side is asked for anything
    return endpoint


def _feedback_of_run(ledger: Ledger, run_id: str) -> list[Feedback]:
    run = ledger.run(run_id)
    samples = ledger.samples(run_id, "policy", run.round)
    keys = [sample.response_key for sample in samples if sample.response_key]
    found = ledger.feedback(run_id, keys)
    if not found:
        raise InputError(f"Run {run_id} has no feedback in round {run.round} yet.")
    return [found[key] for key in keys if key in found]
