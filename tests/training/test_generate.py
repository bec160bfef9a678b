"""Batch generation: over-long prompts are rows, empty texts stay, and neither order nor company changes a text."""

from pathlib import Path

import pytest

from rlhf.state.errors import GenerationError
from rlhf.training.generate import GeneratedRow, GenerateJob, GenerateTask, generate, read_rows


def rows_of(job: GenerateJob, place: Path) -> list[GeneratedRow]:
    place.mkdir(exist_ok=True)
    return read_rows(generate(job, place, lambda line: None))


def job_for(model: Path, tasks: list[GenerateTask], **changes: object) -> GenerateJob:
    return GenerateJob.model_validate(
        {"model": str(model), "tasks": tasks, "max_new_tokens": 8, "seed": 5, "batch_size": 4, **changes}
    )


def test_a_prompt_longer_than_the_context_is_a_failed_row(tiny_model: Path, tmp_path: Path) -> None:
    tasks = [
        GenerateTask(id="long", prompt="budget " * 125, variation=0),
        GenerateTask(id="short", prompt="budget", variation=0),
    ]
    long, short = rows_of(job_for(tiny_model, tasks), tmp_path)
    assert long.finish_reason == "failed"
    assert long.error is not None
    assert "context of 128" in long.error
    assert short.error is None
    assert short.input_tokens == 6


def test_a_conversation_is_rendered_turn_by_turn(tiny_model: Path, tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "budget"},
        {"role": "assistant", "content": "100 ."},
        {"role": "user", "content": "because"},
    ]
    [row] = rows_of(job_for(tiny_model, [GenerateTask(id="c", prompt=turns, variation=0)]), tmp_path)
    assert row.error is None
    assert row.input_tokens == 15


def test_every_prompt_too_long_still_gives_its_rows(tiny_model: Path, tmp_path: Path) -> None:
    tasks = [GenerateTask(id="long", prompt="budget " * 125, variation=v) for v in range(3)]
    assert [row.variation for row in rows_of(job_for(tiny_model, tasks), tmp_path)] == [0, 1, 2]


def test_the_order_of_tasks_changes_no_text(tiny_model: Path, tmp_path: Path) -> None:
    tasks = [GenerateTask(id=f"p{n}", prompt="spend 100" + " ." * n, variation=0) for n in range(10)]
    forth = rows_of(job_for(tiny_model, tasks), tmp_path / "forth")
    back = rows_of(job_for(tiny_model, tasks[::-1]), tmp_path / "back")
    assert forth == back[::-1]


def test_variations_differ_and_seeds_differ(tiny_model: Path, tmp_path: Path) -> None:
    tasks = [GenerateTask(id="p", prompt="spend 100 to amazon", variation=v) for v in range(8)]
    first = rows_of(job_for(tiny_model, tasks, temperature=1.0), tmp_path / "first")
    other = rows_of(job_for(tiny_model, tasks, temperature=1.0, seed=6), tmp_path / "other")
    assert len({row.text for row in first}) > 4
    assert [row.text for row in first] != [row.text for row in other]


def test_temperature_zero_takes_the_likeliest_token(tiny_model: Path, tmp_path: Path) -> None:
    tasks = [GenerateTask(id="p", prompt="spend 100 to amazon", variation=v) for v in range(3)]
    rows = rows_of(job_for(tiny_model, tasks, temperature=0.0), tmp_path)
    assert len({row.text for row in rows}) == 1


def test_the_same_task_twice_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    tasks = [GenerateTask(id="p", prompt="budget", variation=0)] * 2
    with pytest.raises(GenerationError, match="same id and variation"):
        rows_of(job_for(tiny_model, tasks), tmp_path)


def test_a_model_without_chat_template_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    from rlhf.state.errors import InputError

    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="no chat template"):
        rows_of(job_for(bare, [GenerateTask(id="p", prompt="budget", variation=0)]), tmp_path / "out")
