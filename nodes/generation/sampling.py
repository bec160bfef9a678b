"""Making responses: from weights on this machine (batches on the training side), an endpoint, or a function."""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rlhf.nodes.concurrency import in_thread, together
from rlhf.nodes.generation.chat import chat
from rlhf.nodes.generation.function import answering
from rlhf.nodes.generation.generated import Generated
from rlhf.nodes.generation.jobs import Tell, run_child
from rlhf.nodes.services import Respond, Services
from rlhf.state.conversation import Asked
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import GenerationError
from rlhf.state.keys import content_key, derived_seed, response_key
from rlhf.state.ledger import Policy
from rlhf.state.records import PromptRow, SampleRow
from rlhf.state.settings import Settings
from rlhf.training.generate import GeneratedRow, GenerateJob, GenerateTask, read_rows

if TYPE_CHECKING:
    from rlhf.nodes.endpoints.lane import Patience


@dataclass(frozen=True)
class Weights:
    """A model that runs here: base weights, and the adapter over them if there is one."""

    model: str
    adapter: Path | None = None


@dataclass(frozen=True)
class Function:
    """A caller's own model; None where the run was not started by the caller who has it."""

    respond: Respond | None
    concurrency: int


Source = Weights | Endpoint | Function


@dataclass(frozen=True)
class Plan:
    """Which samples are wanted: every prompt × variation of one policy in one round."""

    policy: Policy
    round: int
    prompts: Sequence[PromptRow]
    variations: int

    def missing(self, there: Sequence[SampleRow]) -> list[tuple[PromptRow, int]]:
        """What is not in the ledger yet, in a fixed order."""
        have = {(sample.prompt_key, sample.variation) for sample in there}
        return [(p, v) for p in self.prompts for v in range(self.variations) if (p.key, v) not in have]

    def in_order(self, samples: Sequence[SampleRow]) -> list[SampleRow]:
        """The samples by prompt and variation, as the plan has them."""
        places = {prompt.key: place for place, prompt in enumerate(self.prompts)}
        return sorted(samples, key=lambda sample: (places[sample.prompt_key], sample.variation))

    def place(self, prompt: PromptRow, variation: int) -> SampleRow:
        """A sample that is still to be made."""
        return SampleRow(
            prompt_key=prompt.key,
            policy=self.policy,
            round=self.round,
            variation=variation,
            response_key=None,
        )

    @property
    def folder(self) -> str:
        """Name of the job folder, the same whenever the plan is carried out again."""
        return f"{self.policy}-{self.round}-{content_key([prompt.key for prompt in self.prompts])[:8]}"


Missing = list[tuple[PromptRow, int]]


class Owner(Protocol):
    """Whose samples they are: a run, or a side of a comparison."""

    @property
    def run_id(self) -> str: ...
    @property
    def settings(self) -> Settings: ...


async def sample(
    services: Services, run: Owner, plan: Plan, source: Source, tell: Tell, stage: str
) -> list[SampleRow]:
    """Make what the plan misses and return all its samples; a failed one holds its reason.

    `tell` hears of progress under `stage`. GenerationError if nothing came out at all.
    """
    keys = [prompt.key for prompt in plan.prompts]
    there = await in_thread(services.ledger.rounds.samples, run.run_id, plan.policy, plan.round, keys)
    there = [row for row in there if row.variation < plan.variations]
    missing, made = plan.missing(there), list[SampleRow]()
    if missing and isinstance(source, Weights):
        made = await _from_weights(services, run, plan, missing, source, tell, stage)
    if missing and not isinstance(source, Weights):
        made = await _one_by_one(
            services, run, plan, missing, _writer(source, services.patience), tell, stage
        )
    samples = plan.in_order([*there, *made])
    if samples and all(row.response_key is None for row in samples):
        raise GenerationError(
            f"Not one of {len(samples)} responses could be made. The last reason: {samples[-1].error}"
        )
    return samples


async def _from_weights(
    services: Services, run: Owner, plan: Plan, missing: Missing, source: Weights, tell: Tell, stage: str
) -> list[SampleRow]:
    options = run.settings.policy
    # The job holds every sample of the plan, made or not: batches, and so seeds and texts, never depend on
    # where an earlier attempt was cut off.
    job = GenerateJob(
        model=source.model,
        adapter=str(source.adapter) if source.adapter else None,
        tasks=[GenerateTask(id=p.key, prompt=p.asked, variation=v) for p, v in plan.missing([])],
        temperature=options.temperature,
        max_new_tokens=options.max_tokens,
        seed=derived_seed(run.settings.pipeline.seed, plan.policy, plan.round),
    )
    folder = (await in_thread(services.run_folder, run.run_id)) / plan.folder
    result = await run_child("rlhf.training.generate", job, folder, tell, stage, f"{plan.policy} responses")
    texts = {(row.id, row.variation): row for row in await in_thread(read_rows, result)}
    longest = options.max_response_chars
    made = [_sample(plan.place(p, v), _of_row(texts[p.key, v]), longest) for p, v in missing]
    await in_thread(lambda: _keep(services, run, made, calls=0))
    return [row for row, _ in made]


Write = Callable[[Asked, int], Awaitable[Generated]]
"""From what is asked and a seed to its response."""


def _writer(source: Endpoint | Function, patience: "Patience | None") -> Write:
    if isinstance(source, Endpoint):
        return functools.partial(chat, source, patience=patience)
    if source.respond is None:
        raise GenerationError(
            "The responses of this run come from a Python function: go on with it from there, with "
            "run_full_pipeline(resume=RUN_ID, model_inference_fn=…)."
        )
    return answering(source.respond, source.concurrency)


async def _one_by_one(
    services: Services, run: Owner, plan: Plan, missing: Missing, write: Write, tell: Tell, stage: str
) -> list[SampleRow]:
    made: list[SampleRow] = []

    async def one(prompt: PromptRow, variation: int) -> None:
        place = plan.place(prompt, variation)
        answer = await write(prompt.asked, _seed(run, place))
        row, text = _sample(place, answer, run.settings.policy.max_response_chars)
        # Each answer is in the ledger before the next is waited for: a paid call is never paid twice.
        await in_thread(lambda: _keep(services, run, [(row, text)], answer.calls))
        made.append(row)
        tell({"stage": stage, "done": len(made), "total": len(missing), "detail": f"{plan.policy} responses"})

    await together(one(prompt, variation) for prompt, variation in missing)
    return made


async def sample_again(
    services: Services,
    run: Owner,
    failed: Sequence[SampleRow],
    prompts: Mapping[str, PromptRow],
    source: Endpoint,
    tell: Callable[[int], None],
) -> list[SampleRow]:
    """Ask an endpoint once more for responses that it could not make; returns all of them as they are then.

    `prompts` are theirs, by key; `tell` hears how many are done. Raises EndpointError when the endpoint is down.
    """
    write = _writer(source, services.patience)
    answered: list[SampleRow] = []

    async def one(place: SampleRow) -> None:
        answer = await write(prompts[place.prompt_key].asked, _seed(run, place))
        row, text = _sample(place, answer, run.settings.policy.max_response_chars)
        await in_thread(services.ledger.failures.answer, run.run_id, row, text, answer.calls)
        answered.append(row)
        tell(len(answered))

    await together(one(place) for place in failed)
    return answered


def _of_row(row: GeneratedRow) -> Generated:
    return Generated(
        text=row.text,
        error=row.error,
        finish_reason=row.finish_reason,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )


def _seed(run: Owner, place: SampleRow) -> int:
    return derived_seed(
        run.settings.pipeline.seed, place.policy, place.round, place.prompt_key, place.variation
    )


def _sample(place: SampleRow, made: Generated, longest: int) -> tuple[SampleRow, str]:
    """The sample in its place and its text. One that is empty, or longer than is kept, is a failed sample."""
    error = made.error or (None if made.text.strip() else "the model returned an empty text")
    if error is None and len(made.text) > longest:
        error = (
            f"the response has {len(made.text):,} characters: lower policy.max_tokens, or raise "
            f"policy.max_response_chars ({longest:,})"
        )
    row = place.model_copy(
        update={
            "response_key": None if error else response_key(place.prompt_key, made.text),
            "error": error,
            "input_tokens": made.input_tokens,
            "output_tokens": made.output_tokens,
        }
    )
    return row, made.text


def _keep(services: Services, run: Owner, made: Sequence[tuple[SampleRow, str]], calls: int) -> None:
    texts = {row.response_key: text for row, text in made if row.response_key}
    services.ledger.add_samples(run.run_id, [row for row, _ in made], texts, calls)
