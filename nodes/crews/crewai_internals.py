"""The names of CrewAI's that are not public and that this project needs. Imported in worker processes only.

pyproject.toml bounds CrewAI to the series these were tried with; tests/nodes/crews/test_crewai_internals.py
fails where one of them is gone.
"""

from collections.abc import Callable
from typing import Any


def not_retried(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a model's call so that `BaseLLM` does not wrap it in its own rate-limit retries: the pool owns those."""
    method._crewai_rate_limit_wrapped = True  # type: ignore[attr-defined]
    return method


def without_output_log(crew: Any) -> None:
    """Take the log of task outputs from a crew: it costs three SQLite commits under a file lock per judgement."""
    crew._task_output_handler = _NoLog()


class _NoLog:
    """Stands in for CrewAI's log of task outputs."""

    def reset(self) -> None: ...

    def update(self, task_index: int, log: dict[str, Any]) -> None: ...

    def load(self) -> None: ...
