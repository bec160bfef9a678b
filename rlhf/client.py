"""What the public classes stand on: the settings they were given, one set of services, waiting from anywhere."""

import functools
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rlhf.nodes.concurrency import Background, Closing
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.state.endpoints import parse_model
from rlhf.state.errors import InputError
from rlhf.state.recipe import choose_recipe
from rlhf.state.settings import JudgeSettings, Settings

Recipe = str | Path | Settings
"""A shipped recipe's name, a recipe file, or settings read before."""
Judge = str | Mapping[str, Any]
"""The judge's model (`openai/NAME`, `ollama/NAME`, `vllm/NAME`, `local`), or keys of a recipe's [judge] section."""

T = TypeVar("T")


class Client(Closing):
    """Settings and services shared by all calls on one object; `close` (or a with-block) ends its processes.

    Judges start with the first call. What was judged once is in the ledger and never asked again, by this
    object or any other that uses the same ledger.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services = Services(settings)

    def close(self) -> None:
        """End the judges' processes. The object can be used again afterwards."""
        self.services.close()


def settings_from(
    recipe: Recipe | None,
    judge: Judge | None = None,
    task_type: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Settings:
    """The recipe (without one, as the command line chooses it) with a judge, a task type and further changes.

    Raises SettingsError naming the key that is wrong, InputError for a task type that does not exist.
    """
    settings = (
        recipe if isinstance(recipe, Settings) else choose_recipe(str(recipe) if recipe else None).settings
    )
    if judge is not None:
        settings = settings.replace({"judge": _judge_section(settings.judge, judge)}, "judge")
    if task_type is not None:
        settings = settings.replace({"task_type": task_type}, "task_type")
    if changes:
        settings = settings.replace(changes, "settings")
    pack_for(settings.task_type)
    return settings


def _judge_section(known: JudgeSettings, judge: Judge) -> dict[str, Any]:
    """The recipe's judge with other keys; one of another provider starts from the defaults instead.

    The embedded judge's shortcuts, for one, are wrong for a real model, and so is its address.
    """
    given = {"model": judge} if isinstance(judge, str) else dict(judge)
    model = given.get("model", known.model)
    if not isinstance(model, str):
        raise InputError(f"judge: model must be text, not {type(model).__name__}.")
    kept = parse_model(model, "judge.model")[0] == parse_model(known.model, "judge.model")[0]
    return {**(known if kept else JudgeSettings(model=model)).model_dump(), **given}


@functools.cache
def _loop() -> Background:
    return Background("rlhf")


def waited(work: Coroutine[Any, Any, T]) -> T:
    """The result of asynchronous work, from plain code: also inside a running event loop or a notebook."""
    return _loop().wait(work)
