"""Training-side jobs as child processes, their progress told to the graph's stream."""

import threading
from pathlib import Path
from typing import Any, Literal

from langgraph.config import get_stream_writer
from pydantic import BaseModel

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.tracing.spans import span
from rlhf.training.process import run_job


async def run_child(
    module: str,
    job: BaseModel,
    folder: Path,
    stage: str,
    what: str = "",
    launcher: Literal["python", "accelerate"] = "python",
) -> dict[str, Any]:
    """Run a training job to its end and return its result; a job done before gives the same result at once.

    Progress is told under `stage`; `what` says what is counted where the job itself does not.

    A cancelled node stops its child. Raises what the job raises (TrainingError, GenerationError).
    """
    tell = get_stream_writer()
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
