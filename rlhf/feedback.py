"""Judging from Python: `SyntheticFeedbackGenerator` for many responses, `MultiAgentRLHF` with weights of one's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from rlhf.client import Client, Judge, Recipe, settings_from, waited
from rlhf.progress import live_progress
from rlhf.runs.judge import Item, judge_all
from rlhf.state.conversation import Asked
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import parse_answered
from rlhf.state.records import Feedback


class _Panel(Client):
    """Five judges, each a crew, and the deterministic checks: the same graph as `rlhf judge`."""

    async def _feedback(
        self, prompt: Asked, model_output: str, context: Mapping[str, Any] | None
    ) -> Feedback:
        row = {"prompt": prompt, "response": model_output, "context": context}
        [feedback] = await self._batch(
            [parse_answered(row, self.settings.task_type, "input")], 1, progress=False
        )
        return feedback

    async def _batch(self, items: Sequence[Item], batch_size: int, *, progress: bool) -> list[Feedback]:
        with live_progress(shown=progress) as follow:
            return await judge_all(self.services, items, follow, at_once=batch_size)

    def _items(self, examples: Sequence[Mapping[str, Any]], batch_size: int) -> list[Item]:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1.")
        task_type = self.settings.task_type
        return [
            parse_answered(example, task_type, f"example {number}")
            for number, example in enumerate(examples, 1)
        ]


class SyntheticFeedbackGenerator(_Panel):
    """Feedback on finished responses, from five judges and the deterministic checks.

    `task_type` names the rubric pack (the recipe's if left out); `recipe` a shipped recipe or a file (without
    one: RLHF_RECIPE, then OPENAI_API_KEY, then OLLAMA_MODEL, then local); `judge` another model to judge with.
    Raises SettingsError for a bad recipe and InputError for a task type that does not exist.
    """

    def __init__(
        self, task_type: str | None = None, *, recipe: Recipe | None = None, judge: Judge | None = None
    ) -> None:
        super().__init__(settings_from(recipe, judge, task_type))

    def generate_feedback(
        self, prompt: Asked, model_output: str, context: Mapping[str, Any] | None = None
    ) -> Feedback:
        """Judge one response to a prompt, a text or the messages of a conversation.

        `context` holds the facts it must respect (brand, retailers, budget, caps, banned and required terms).
        The overall score is 0–100, the rating 1–5 stars; both are None if no judge could answer, and a single
        judge that fails lowers coverage. Raises InputError for unusable texts and EndpointError when the
        endpoint serves no judgement at all.
        """
        return waited(self.agenerate_feedback(prompt, model_output, context))

    async def agenerate_feedback(
        self, prompt: Asked, model_output: str, context: Mapping[str, Any] | None = None
    ) -> Feedback:
        """`generate_feedback` for asynchronous code."""
        return await self._feedback(prompt, model_output, context)

    def generate_batch(
        self, examples: Sequence[Mapping[str, Any]], batch_size: int = 10, *, progress: bool = False
    ) -> list[Feedback]:
        """Judge many responses, at most `batch_size` side by side; feedback comes in the order of `examples`.

        An example has `prompt` and `output` (or `response`), or `messages` that end with the answer, and optionally
        `context` and `task_type`. Raises InputError naming the first example that cannot be used, before anything is
        asked.
        """
        return waited(self.agenerate_batch(examples, batch_size, progress=progress))

    async def agenerate_batch(
        self, examples: Sequence[Mapping[str, Any]], batch_size: int = 10, *, progress: bool = False
    ) -> list[Feedback]:
        """`generate_batch` for asynchronous code."""
        return await self._batch(self._items(examples, batch_size), batch_size, progress=progress)


class MultiAgentRLHF(_Panel):
    """One judge per dimension, weighted as you say.

    `weights` names all five dimensions and sums to 1 (SettingsError says what is missing otherwise); without
    it the recipe's or the rubric pack's weights are used. `task_type`, `recipe` and `judge` are as for
    SyntheticFeedbackGenerator.
    """

    def __init__(
        self,
        task_type: str | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        recipe: Recipe | None = None,
        judge: Judge | None = None,
    ) -> None:
        changes = {"acceptance": {"weights": dict(weights)}} if weights is not None else None
        super().__init__(settings_from(recipe, judge, task_type, changes))

    def evaluate(
        self, prompt: Asked, model_output: str, context: Mapping[str, Any] | None = None
    ) -> Feedback:
        """Judge one response: `accuracy_score` and its siblings are 0–100, `is_acceptable` follows the recipe.

        Raises what `SyntheticFeedbackGenerator.generate_feedback` raises.
        """
        return waited(self.aevaluate(prompt, model_output, context))

    async def aevaluate(
        self, prompt: Asked, model_output: str, context: Mapping[str, Any] | None = None
    ) -> Feedback:
        """`evaluate` for asynchronous code."""
        return await self._feedback(prompt, model_output, context)
