"""Jobs in child processes: done once, killed with their parent, failures in one plain line."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from state.errors import GenerationError, TrainingError
from tests.training.builders import child_of
from training.fit import FitJob
from training.generate import GenerateJob, GenerateTask, read_rows
from training.process import Launcher, run_job

ROOT = Path(__file__).resolve().parents[2]


def generation(model: Path, *, prompts: int = 6, batch_size: int = 2, new_tokens: int = 8) -> GenerateJob:
    words = ["amazon", "walmart", "cvs", "target"]
    return GenerateJob(
        model=str(model),
        tasks=[
            GenerateTask(id=f"p{n}", prompt=f"spend 100 to {words[n % 4]}" + " ." * (n % 3), variation=v)
            for n in range(prompts)
            for v in range(2)
        ],
        temperature=1.0,
        max_new_tokens=new_tokens,
        seed=3,
        batch_size=batch_size,
    )


def test_a_finished_job_is_not_run_again(tiny_model: Path, tmp_path: Path) -> None:
    job = generation(tiny_model)
    lines: list[dict[str, object]] = []
    first = run_job("training.generate", job, tmp_path, lines.append)
    assert lines[0] == {"stage": "generate", "done": 0, "total": 12}
    assert lines[-1]["done"] == 12
    again: list[dict[str, object]] = []
    assert run_job("training.generate", job, tmp_path, again.append) == first
    assert not again
    rows = read_rows(first)
    assert [(row.id, row.variation) for row in rows] == [(task.id, task.variation) for task in job.tasks]
    assert all(row.finish_reason in ("stop", "length") and row.output_tokens <= 8 for row in rows)


def test_another_job_in_the_same_folder_gets_its_own_result(tiny_model: Path, tmp_path: Path) -> None:
    first = run_job("training.generate", generation(tiny_model), tmp_path, print)
    other = run_job("training.generate", generation(tiny_model, new_tokens=4), tmp_path, print)
    assert first["path"] != other["path"]
    assert all(row.output_tokens <= 4 for row in read_rows(other))


def test_a_failing_child_says_why_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    job = FitJob(base_model=str(tiny_model), dataset_path=str(tmp_path / "none.jsonl"))
    with pytest.raises(TrainingError, match=r"^The dataset .*none\.jsonl cannot be read: .* Log: "):
        run_job("training.fit", job, tmp_path, print)


@pytest.mark.parametrize("launcher", ["python", "accelerate"])
def test_a_missing_model_is_named(tmp_path: Path, launcher: Launcher) -> None:
    with pytest.raises(GenerationError, match=r"^nowhere holds no model"):
        run_job("training.generate", generation(Path("nowhere")), tmp_path, print, launcher=launcher)


def test_a_stopped_job_leaves_no_child(tiny_model: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[dict[str, object]] = []

    def stop_after_the_first_batch(line: dict[str, object]) -> None:
        seen.append(line)
        if line["done"] == 2:
            stop.set()

    job = generation(tiny_model, prompts=40, new_tokens=100)
    with pytest.raises(GenerationError, match="Stopped before"):
        run_job("training.generate", job, tmp_path, stop_after_the_first_batch, stop=stop)
    # The lock is free again at once, and what was made is kept.
    result = run_job("training.generate", job, tmp_path, seen.append)
    assert len(read_rows(result)) == 80


def test_an_error_while_progress_is_told_ends_the_child(tiny_model: Path, tmp_path: Path) -> None:
    def broken(line: dict[str, object]) -> None:
        raise KeyError("stream is gone")

    with pytest.raises(KeyError):
        run_job("training.generate", generation(tiny_model), tmp_path, broken)
    assert len(read_rows(run_job("training.generate", generation(tiny_model), tmp_path, print))) == 12


def test_generation_killed_twice_ends_with_the_texts_of_an_undisturbed_run(
    tiny_model: Path, tmp_path: Path
) -> None:
    job = generation(tiny_model, prompts=12)
    calm = read_rows(run_job("training.generate", job, tmp_path / "calm", print))

    def kill_after(batches: int) -> None:
        def on_progress(line: dict[str, object]) -> None:
            if line["done"] == 2 * batches:
                os.kill(child_of(tmp_path / "rough"), signal.SIGKILL)

        with pytest.raises(GenerationError, match=r"killed by SIGKILL .*Log: "):
            run_job("training.generate", job, tmp_path / "rough", on_progress)

    kill_after(2)
    kill_after(7)
    [place] = (tmp_path / "rough").iterdir()
    with (place / "responses.jsonl").open("a") as torn:
        torn.write('{"id": "p1", "variat')
    done: list[int] = []
    result = run_job("training.generate", job, tmp_path / "rough", lambda line: done.append(line["done"]))
    assert done[0] >= 14
    assert read_rows(result) == calm


def test_a_child_ends_when_its_parent_is_killed(tiny_model: Path, tmp_path: Path) -> None:
    job = generation(tiny_model, prompts=64, batch_size=1, new_tokens=100)
    code = (
        "import sys; from pathlib import Path; from training.generate import GenerateJob; "
        "from training.process import Launcher, run_job; "
        "job = GenerateJob.model_validate_json(sys.stdin.read()); "
        f"run_job('training.generate', job, Path({str(tmp_path)!r}), lambda line: print(line['done'], flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(job.model_dump_json())
        parent.stdin.close()
        assert parent.stdout.readline() == "0\n"
        child = child_of(tmp_path)
        parent.kill()
    # The next run waits for the lock that the child holds until its end; then nothing is left of it.
    result = run_job("training.generate", job, tmp_path, print)
    assert len(read_rows(result)) == 128
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and "(zombie)" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline


def test_importing_a_job_loads_no_heavy_library() -> None:
    code = (
        "import sys, training.fit, training.generate, training.process, training.registry, training.statistics; "
        "print(sorted({'torch', 'trl', 'transformers', 'datasets', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout) == []
