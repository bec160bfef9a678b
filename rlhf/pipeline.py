"""The whole loop from Python: `AutomatedRLHFPipeline`, on the same graph, ledger and training as `rlhf run`."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rlhf.client import Client, Judge, Recipe, settings_from, waited
from rlhf.doctor import check_ready
from rlhf.nodes.approvals import Decision
from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.generation.function import called
from rlhf.nodes.tracing.context import tracing_to
from rlhf.progress import live_progress
from rlhf.runs.decisions import checked_decisions
from rlhf.runs.drive import Outcome, Pending, advance, register
from rlhf.runs.notes import first_notes
from rlhf.state.choices import ASK_NOBODY, PLACES, by_section
from rlhf.state.endpoints import FUNCTION
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import parse_rows, read_prompts
from rlhf.state.records import PromptRow
from rlhf.state.run_report import RunReport
from rlhf.state.settings import Settings

Prompts = Sequence[str | Mapping[str, Any]] | str | Path
"""Texts, or rows with `prompt` and optionally `context`, `task_type` and `id`; or a file of them."""

InferenceFunction = Callable[[str], str | None] | Callable[[str], Awaitable[str | None]]
"""From a prompt to the model's response; a prompt that is a conversation comes as a list of messages, role and
content each. What it raises, or None, is that response's failure."""

Answers = Sequence[Mapping[str, Any]] | str | None
"""Decisions, {"type": "approve" | "edit" | "reject", "response_id"?, "rating"?, "message"?, "reviewer"?}, or a word."""

OnReview = Callable[[Pending], Answers] | Callable[[Pending], Awaitable[Answers]]
"""Answers what a run waits for: "approve" or "reject" for all that is asked, a list of decisions, or None."""


class PipelineConfig(BaseModel):
    """What a run should differ in from its recipe; what is left out is the recipe's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_synthetic_examples: int | None = Field(default=None, ge=1)
    """At most this many training responses per round (prompts × variations)."""
    num_variations_per_prompt: int | None = Field(default=None, ge=1, le=64)
    """Responses to each training prompt."""
    min_rating_chosen: int | None = Field(default=None, ge=1, le=5)
    """Lowest rating of a chosen response."""
    max_rating_rejected: int | None = Field(default=None, ge=1, le=5)
    """Highest rating of a rejected response; below min_rating_chosen."""
    min_score_acceptable: float | None = Field(default=None, ge=0.0, le=100.0)
    """Lowest overall score of an acceptable response, points of 100."""
    output_dir: Path | None = None
    """Where adapters are deployed."""
    dataset_dir: Path | None = None
    """Where preference datasets are written."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of everything drawn."""
    start_from: str | None = None
    """NAME[@VERSION] of a deployed adapter, or the folder of any PEFT adapter: it answers, and is improved.
    Needs a policy whose weights are here (the recipe's, not model_inference_fn)."""
    concurrency: int = Field(default=1, ge=1, le=512)
    """Calls of model_inference_fn under way at once. One, unless the function says it can take more: a model
    in memory rarely can."""
    enable_langsmith: bool | None = None
    """True: trace to `langsmith_project`; False: trace nowhere; None: as the environment says."""
    langsmith_project: str = "rlhf-graph"
    """LangSmith project that `enable_langsmith` traces to."""

    def changes(self) -> dict[str, dict[str, Any]]:
        """What is given, as keys of a recipe."""
        given = self.model_dump(mode="json")
        return by_section({name: value for name, value in given.items() if name in PLACES})


class AutomatedRLHFPipeline(Client):
    """Prompts in; a judged, trained, evaluated and deployed adapter out.

    `config` changes single keys of the recipe; `task_type`, `recipe` and `judge` are as for
    SyntheticFeedbackGenerator. Raises SettingsError naming the key that is wrong.
    """

    def __init__(
        self,
        config: PipelineConfig | None = None,
        task_type: str | None = None,
        *,
        recipe: Recipe | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.config = config or PipelineConfig()
        super().__init__(settings_from(recipe, judge, task_type, self.config.changes()))

    def run_full_pipeline(
        self,
        prompts: Prompts | None = None,
        model_inference_fn: InferenceFunction | None = None,
        adapter_name: str = "adapter",
        *,
        resume: str | None = None,
        on_review: OnReview | None = None,
        run_id: str | None = None,
        progress: bool = True,
    ) -> RunReport:
        """Run to the end, or until somebody has to answer; the report reads like `rlhf show RUN --json`.

        `model_inference_fn` makes the responses (sync or async; the recipe's policy if left out). Responses it
        fails on are recorded with the reason and left out. `on_review` is called for uncertain responses and
        for both approvals; without it nobody is asked, and an adapter becomes champion only on the verdict
        `ship`. `resume` goes on with a run that was cut off or waits, with its own prompts and settings.

        Raises InputError and SettingsError before anything runs, and the error of the stage that cannot go on
        (GenerationError, EndpointError, DatasetError, TrainingError, …); the run can be resumed then.
        """
        work = self.arun_full_pipeline(
            prompts,
            model_inference_fn,
            adapter_name,
            resume=resume,
            on_review=on_review,
            run_id=run_id,
            progress=progress,
        )
        return waited(work)

    async def arun_full_pipeline(
        self,
        prompts: Prompts | None = None,
        model_inference_fn: InferenceFunction | None = None,
        adapter_name: str = "adapter",
        *,
        resume: str | None = None,
        on_review: OnReview | None = None,
        run_id: str | None = None,
        progress: bool = True,
    ) -> RunReport:
        """`run_full_pipeline` for asynchronous code."""
        if resume is None:
            settings = self._run_settings(model_inference_fn, asks=on_review is not None)
            rows = await in_thread(rows_of, prompts, settings)
            await in_thread(check_ready, settings)
            resume = await in_thread(
                register, self.services, adapter_name, rows, source_of(prompts), run_id, settings
            )
            for note in await in_thread(first_notes, self.services.ledger, resume) if progress else ():
                print(f"Note: {note}", file=sys.stderr)
        elif prompts is not None or run_id is not None:
            raise InputError("resume goes on with a run's own prompts and id: leave prompts and run_id out.")
        if model_inference_fn is not None:
            self.services.functions[resume] = model_inference_fn
        with tracing_to(self.config.enable_langsmith, self.config.langsmith_project):
            outcome = await self._driven(resume, on_review, progress)
        return await in_thread(lambda: outcome.report)

    def _run_settings(self, function: InferenceFunction | None, *, asks: bool) -> Settings:
        settings = self.settings
        if function is not None:
            settings = with_function(settings, self.config.concurrency)
        return settings if asks else settings.replace(ASK_NOBODY, "settings")

    async def _driven(self, run_id: str, on_review: OnReview | None, progress: bool) -> Outcome:
        outcome = await self._advanced(run_id, None, progress)
        while outcome.pending is not None and on_review is not None:
            answers = await _answers(on_review, outcome.pending)
            if not answers:
                break
            asked, outcome = outcome.pending.about, await self._advanced(run_id, answers, progress)
            if outcome.pending is not None and outcome.pending.about == asked:
                break  # none of the answers was about what is asked
        return outcome

    async def _advanced(self, run_id: str, answers: list[Decision] | None, progress: bool) -> Outcome:
        with live_progress(shown=progress) as follow:
            return await advance(self.services, run_id, follow, answers)


def with_function(settings: Settings, concurrency: int) -> Settings:
    """The settings of a run whose responses come from a Python function."""
    policy = {
        "model": FUNCTION,
        "concurrency": concurrency,
        "base_url": None,
        "api_key_env": None,
    }
    return settings.replace({"policy": policy}, "settings")


def rows_of(prompts: Prompts | None, settings: Settings) -> list[PromptRow]:
    """The prompts as rows; InputError naming the one that cannot be used."""
    if prompts is None:
        raise InputError("prompts is missing: give texts, rows or a file, or resume=RUN_ID.")
    if isinstance(prompts, str | Path):
        return read_prompts(Path(prompts), settings.task_type)
    rows = [{"prompt": prompt} if isinstance(prompt, str) else prompt for prompt in prompts]
    return parse_rows(rows, settings.task_type, "prompts")


def source_of(prompts: Prompts | None) -> str:
    """Where a run's prompts come from, for `rlhf runs`."""
    return str(prompts) if isinstance(prompts, str | Path) else "python"


async def _answers(on_review: OnReview, pending: Pending) -> list[Decision]:
    """The callback's answers as decisions; none leaves the run waiting."""
    answer: Any = await called(on_review, pending)
    if isinstance(answer, str):
        answer = [
            {"type": answer, "response_id": request["args"].get("response_id")}
            for request in pending.requests
        ]
    return checked_decisions(answer or [], "on_review")
