"""Batch generation with a local model: wide batches, one seed per batch, each batch on disk before the next.

Batches are decided from the whole list of tasks, so a killed run makes the missing ones only and ends with the
texts of an undisturbed one.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from rlhf.state.conversation import Asked
from rlhf.state.errors import GenerationError
from rlhf.state.files.atomic import write_atomic
from rlhf.state.files.lines import json_lines
from rlhf.state.keys import derived_seed
from rlhf.training.child import Report, work
from rlhf.training.local_model import resolve_model
from rlhf.training.registry import check_adapter

if TYPE_CHECKING:
    from rlhf.training.weights import Loaded

TOP_K = 50
"""Sampling looks at this many tokens: the far tail of a small model is noise."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GenerateTask(_Record):
    """One response to make: variation `variation` to the prompt with this id."""

    id: str
    """Whatever tells the prompts apart."""
    prompt: Asked
    """What is asked: a question, or a conversation."""
    variation: int = Field(ge=0)
    """Number of this response among those to the prompt, from 0."""


class GenerateJob(_Record):
    """What to generate. `model` is "local", "hf:PATH" or PATH; a temperature of 0 takes the likeliest token."""

    model: str
    """`local`, `hf:PATH` or PATH."""
    adapter: str | None = None
    """Folder of a PEFT adapter on top of it; None for none."""
    tasks: list[GenerateTask]
    """Responses to make."""
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    """Sampling temperature; 0 takes the likeliest token."""
    max_new_tokens: int = Field(default=96, ge=1)
    """Longest response, in tokens."""
    seed: int = 0
    """Seed of the sampling."""
    batch_size: int = Field(default=64, ge=1)
    """Responses made at once."""


class GeneratedRow(_Record):
    """One response, or in `error` why there is none. Tokens are counted without padding and end marks."""

    id: str
    """The task's id."""
    variation: int
    """The task's variation."""
    text: str = ""
    """The response; empty if it failed."""
    finish_reason: str = "stop"
    """"stop": the model ended; "length": max_new_tokens cut it off; "failed": there is no text."""
    error: str | None = None
    """Why there is none; None where there is."""
    input_tokens: int = 0
    """Tokens of the prompt."""
    output_tokens: int = 0
    """Tokens of the response."""


def read_rows(result: dict[str, Any]) -> list[GeneratedRow]:
    """The rows behind the result of a generation job, in the order of its tasks."""
    lines = json_lines(Path(result["path"]).read_text(encoding="utf-8"))
    rows = {(row.id, row.variation): row for row in map(GeneratedRow.model_validate_json, lines)}
    return [rows[key] for key in map(tuple, result["order"])]


def generate(job: GenerateJob, place: Path, report: Report) -> dict[str, Any]:
    """Make what is missing in `place`/responses.jsonl; returns {"path", "order"} for `read_rows`."""
    from rlhf.training.weights import load

    order = [(task.id, task.variation) for task in job.tasks]
    if len(set(order)) < len(order):
        raise GenerationError("Two tasks have the same id and variation.")
    if job.adapter:
        check_adapter(Path(job.adapter))
    model = load(resolve_model(job.model), job.adapter)
    lengths = [len(model.encode(task.prompt)) for task in job.tasks]
    fitting = [i for i in range(len(order)) if lengths[i] + job.max_new_tokens <= model.context]
    too_long = sorted(set(range(len(order))) - set(fitting))
    # Alike lengths share a batch: less padding. Id and variation settle the order, whatever the list's was.
    fitting.sort(key=lambda i: (lengths[i], *order[i]))
    batches = [fitting[i : i + job.batch_size] for i in range(0, len(fitting), job.batch_size)]
    path = place / "responses.jsonl"
    done = _whole_batches(path, [{order[i] for i in batch} for batch in [*batches, too_long]])
    report({"stage": "generate", "done": len(done), "total": len(order)})
    if too_long and order[too_long[0]] not in done:
        _append(path, [_refused(job, model, job.tasks[i], lengths[i]) for i in too_long])
        done |= {order[i] for i in too_long}
    for number, batch in enumerate(batches):
        if order[batch[0]] in done:
            continue
        tasks = [job.tasks[i] for i in batch]
        _append(path, list(_made(model, job, tasks, derived_seed(job.seed, "batch", number))))
        done |= {order[i] for i in batch}
        report({"stage": "generate", "done": len(done), "total": len(order)})
    return {"path": str(path.absolute()), "order": order}


def _made(
    model: "Loaded", job: GenerateJob, tasks: Sequence[GenerateTask], seed: int
) -> Iterator[GeneratedRow]:
    answers = model.complete(
        [model.encode(task.prompt) for task in tasks],
        temperature=job.temperature,
        max_new_tokens=job.max_new_tokens,
        top_k=TOP_K,
        seed=seed,
    )
    for task, answer in zip(tasks, answers, strict=True):
        yield GeneratedRow(id=task.id, variation=task.variation, **answer)


def _refused(job: GenerateJob, model: "Loaded", task: GenerateTask, length: int) -> GeneratedRow:
    reason = (
        f"the prompt has {length} tokens: with {job.max_new_tokens} new ones it exceeds the model's "
        f"context of {model.context}"
    )
    return GeneratedRow(
        id=task.id, variation=task.variation, finish_reason="failed", error=reason, input_tokens=length
    )


def _whole_batches(path: Path, batches: Sequence[set[tuple[str, int]]]) -> set[tuple[str, int]]:
    """Keys of the batches that are on disk whole; what a killed run left of another is cut off."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    rows = [(line, json.loads(line)) for line in lines if line.endswith(b"\n")]
    there = {(row["id"], row["variation"]) for _, row in rows}
    done = set().union(*(batch for batch in batches if batch <= there))
    kept = [line for line, row in rows if (row["id"], row["variation"]) in done]
    if len(kept) < len(lines):
        write_atomic(path, b"".join(kept))
    return done


def _append(path: Path, rows: Sequence[GeneratedRow]) -> None:
    with path.open("ab") as stream:
        stream.write("".join(row.model_dump_json() + "\n" for row in rows).encode())
        stream.flush()
        os.fsync(stream.fileno())


if __name__ == "__main__":
    work(GenerateJob, generate)
