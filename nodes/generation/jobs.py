"""Training-side jobs as child processes, their progress told to whoever waits for them."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.tracing.spans import span
from rlhf.training.process import run_job

Tell = Callable[[dict[str, Any]], None]
"""Takes {"stage", "done", "total", "detail"}: a graph's stream writer, or what shows progress elsewhere."""


async def run_child(
    module: str,
    job: BaseModel,
    folder: Path,
    tell: Tell,
    stage: str,
    what: str = "",
    launcher: Literal["python", "accelerate"] = "python",
) -> dict[str, Any]:
    """Run a training job to its end and return its result; a job done before gives the same result at once.

    Progress is told under `stage`; `what` says what is counted where the job itself does not.

    A cancelled node stops its child. Raises what the job raises (TrainingError, GenerationError).
    """
    stop = threading.Event()

    def progress(line: dict[str, Any]) -> None:
        tell({**line, "stage": stage, "detail": line.get("detail") or what})

    try:
        with span(module, lambda: job.model_dump(mode="json", exclude={"tasks"})) as work:
            result = await in_thread(run_job, module, job, folder, progress, launcher=launcher, stop=stop)
            work.end({name: value for name, value in result.items() if name != "order"})
            return result
    finally:
        stop.set()
