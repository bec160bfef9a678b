"""What `rlhf compare` can compare: adapters and models that answer prompts, and feedback that is there already.

Responses are made as a run makes them and kept in the ledger under a name that stands for all they depend on, so
that a comparison done again, or cut off, generates only what is missing; so are their verdicts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generation.sampling import Plan, Weights, sample, sample_again
from rlhf.nodes.services import Services
from rlhf.progress import Follow, Progress
from rlhf.runs.judge import judge_all
from rlhf.state.endpoints import Endpoint, parse_model
from rlhf.state.errors import GenerationError, InputError, SettingsError
from rlhf.state.files.atomic import sha256_file
from rlhf.state.files.feedback import read_feedback
from rlhf.state.keys import content_key
from rlhf.state.ledger import Ledger
from rlhf.state.records import Feedback, PromptRow, SampleRow
from rlhf.state.run_index import is_noted, ledger_of_run
from rlhf.state.settings import PolicySettings, Settings
from rlhf.training.local_model import resolve_model
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
    samples = await _sampled(services, name, who, prompts, variations, follow)
    texts = await in_thread(
        services.ledger.responses, [row.response_key for row in samples if row.response_key]
    )
    by_key = {prompt.key: prompt for prompt in prompts}
    items = {key: (by_key[row.prompt_key], row.text) for key, row in texts.items()}
    feedback = await judge_all(services, list(items.values()), follow, stage="judging", detail=name)
    found = dict(zip(items, feedback, strict=True))
    return [
        found[row.response_key] if row.response_key else _unmade(by_key[row.prompt_key], row)
        for row in samples
    ]


def _unmade(prompt: PromptRow, row: SampleRow) -> Feedback:
    return Feedback(
        prompt=prompt.text,
        turns=prompt.turns,
        response="",
        prompt_id=prompt.key,
        task_type=prompt.task_type,
        coverage=0.0,
        needs_review=True,
        review_reasons=[f"no response: {row.error}"],
        dimensions={},
    )


@dataclass(frozen=True)
class _Side:
    """A side of comparisons, as the ledger keeps its responses: under a name that no run can have."""

    run_id: str
    settings: Settings


async def _sampled(
    services: Services,
    name: str,
    who: Weights | Endpoint,
    prompts: Sequence[PromptRow],
    variations: int,
    follow: Follow,
) -> list[SampleRow]:
    """The responses of `who`: those in the ledger, and new ones where it has none or an endpoint failed."""
    side = _Side(f"_compare-{await in_thread(_fingerprint, who, services.settings)}", services.settings)
    plan = Plan("policy", 0, prompts, variations)
    ledger = services.ledger

    def told(done: int, total: int) -> None:
        follow(Progress("generation", done, total, name))

    by_key = {prompt.key: prompt for prompt in prompts}
    if isinstance(who, Endpoint):
        there = await in_thread(ledger.rounds.samples, side.run_id, plan.policy, plan.round, list(by_key))
        failed = [row for row in there if row.response_key is None and row.variation < variations]
        await sample_again(services, side, failed, by_key, who, lambda done: told(done, len(failed)))
    try:
        for prompt in prompts:
            await in_thread(ledger.add_prompt, prompt)
        return await sample(
            services, side, plan, who, lambda event: told(event["done"], event["total"]), "generation"
        )
    except GenerationError as error:
        raise GenerationError(f"{name}: {str(error)[0].lower()}{str(error)[1:]}") from error


def _fingerprint(who: Weights | Endpoint, settings: Settings) -> str:
    """Changes with whatever the responses depend on: the model and how it is asked.

    Of weights, the adapter counts by its content, the base model by its files' sizes and times. Blocking.
    """
    if isinstance(who, Endpoint):
        model: list[Any] = [who.identity, who.temperature, who.max_tokens]
    else:
        files = sorted(Path(who.model).glob("*.safetensors"))
        model = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        model += [sha256_file(who.adapter / WEIGHTS) if who.adapter else None]
        model += [settings.policy.temperature, settings.policy.max_tokens]
    return content_key("compare", settings.pipeline.seed, model)[:12]


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
