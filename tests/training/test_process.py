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

from rlhf.state.errors import GenerationError, TrainingError
from rlhf.state.locks import file_lock
from rlhf.training.child import CHILD_LOCK
from rlhf.training.fit import FitJob
from rlhf.training.generate import GenerateJob, GenerateTask, generate, read_rows
from rlhf.training.process import Launcher, run_job
from tests.training.builders import child_of

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


def test_a_finished_job_is_not_run_again_and_another_gets_its_own_result(
    tiny_model: Path, tmp_path: Path
) -> None:
    job = generation(tiny_model)
    lines: list[dict[str, object]] = []
    first = run_job("rlhf.training.generate", job, tmp_path, lines.append)
    assert lines[0] == {"stage": "generate", "done": 0, "total": 12}
    assert lines[-1]["done"] == 12
    again: list[dict[str, object]] = []
    assert run_job("rlhf.training.generate", job, tmp_path, again.append) == first
    assert not again
    rows = read_rows(first)
    assert [(row.id, row.variation) for row in rows] == [(task.id, task.variation) for task in job.tasks]
    assert all(row.finish_reason in ("stop", "length") and row.output_tokens <= 8 for row in rows)
    other = run_job("rlhf.training.generate", generation(tiny_model, new_tokens=4), tmp_path, print)
    assert other["path"] != first["path"]
    assert all(row.output_tokens <= 4 for row in read_rows(other))
    assert not list(tmp_path.glob("*/scratch-*"))


def test_a_failing_child_says_why_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    job = FitJob(base_model=str(tiny_model), dataset_path=str(tmp_path / "none.jsonl"))
    with pytest.raises(TrainingError, match=r"^The dataset .*none\.jsonl cannot be read: .* Log: "):
        run_job("rlhf.training.fit", job, tmp_path, print)


@pytest.mark.parametrize("launcher", ["python", "accelerate"])
def test_a_missing_model_is_named(tmp_path: Path, launcher: Launcher) -> None:
    with pytest.raises(GenerationError, match=r"^nowhere holds no model"):
        run_job("rlhf.training.generate", generation(Path("nowhere")), tmp_path, print, launcher=launcher)


def test_stopped_or_told_of_an_error_a_job_leaves_no_child_and_keeps_its_rows(
    tiny_model: Path, tmp_path: Path
) -> None:
    job = generation(tiny_model, prompts=40, new_tokens=100)
    stop = threading.Event()

    def stop_after_a_batch(line: dict[str, object]) -> None:
        if line["done"] == 2:
            stop.set()

    def broken(line: dict[str, object]) -> None:
        raise KeyError("the stream is gone")

    with pytest.raises(GenerationError, match="Stopped before"):
        run_job("rlhf.training.generate", job, tmp_path, stop_after_a_batch, stop=stop)
    with pytest.raises(KeyError):
        run_job("rlhf.training.generate", job, tmp_path, broken)
    # The lock is free again at once, and what was made is kept.
    done: list[int] = []
    result = run_job("rlhf.training.generate", job, tmp_path, lambda line: done.append(line["done"]))
    assert done[0] >= 2
    assert len(read_rows(result)) == 80


def test_generation_killed_twice_ends_with_the_texts_of_an_undisturbed_run(
    tiny_model: Path, tmp_path: Path
) -> None:
    job = generation(tiny_model, prompts=12)

    def kill_after(batches: int) -> None:
        def on_progress(line: dict[str, object]) -> None:
            if line["done"] == 2 * batches:
                os.kill(child_of(tmp_path), signal.SIGKILL)

        with pytest.raises(GenerationError, match=r"killed by SIGKILL .*Log: "):
            run_job("rlhf.training.generate", job, tmp_path, on_progress)

    kill_after(2)
    kill_after(7)
    [place] = tmp_path.iterdir()
    with (place / "responses.jsonl").open("a") as torn:
        torn.write('{"id": "p1", "variat')
    done: list[int] = []
    result = run_job("rlhf.training.generate", job, tmp_path, lambda line: done.append(line["done"]))
    assert done[0] >= 14
    (tmp_path / "calm").mkdir()
    assert read_rows(result) == read_rows(generate(job, tmp_path / "calm", lambda line: None))


def test_a_child_ends_when_its_parent_is_killed(tiny_model: Path, tmp_path: Path) -> None:
    job = generation(tiny_model, prompts=64, batch_size=1, new_tokens=100)
    code = (
        "import sys; from pathlib import Path; from rlhf.training.generate import GenerateJob; "
        "from rlhf.training.process import Launcher, run_job; "
        "job = GenerateJob.model_validate_json(sys.stdin.read()); "
        f"run_job('rlhf.training.generate', job, Path({str(tmp_path)!r}), lambda line: print(line['done'], flush=True))"
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
    result = run_job("rlhf.training.generate", job, tmp_path, print)
    assert len(read_rows(result)) == 128
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and "(zombie)" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline


def test_a_child_at_work_keeps_others_out_though_its_parent_is_gone(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = generation(tiny_model)
    run_job("rlhf.training.generate", job, tmp_path, print)
    [place] = tmp_path.iterdir()
    (place / "result.json").unlink()
    monkeypatch.setattr("rlhf.training.process.LOCK_WAIT", 0.2)
    with (
        file_lock(place / CHILD_LOCK),
        pytest.raises(GenerationError, match=f"^Another process is at work in {place}"),
    ):
        run_job("rlhf.training.generate", job, tmp_path, print)
    assert len(read_rows(run_job("rlhf.training.generate", job, tmp_path, print))) == 12


def test_a_child_whose_folder_is_taken_gives_up(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = generation(tiny_model)
    run_job("rlhf.training.generate", job, tmp_path, print)
    [place] = tmp_path.iterdir()
    code = (
        "import rlhf.training.child as child; child.LOCK_WAIT = 0.2; "
        "from rlhf.training.generate import GenerateJob, generate; child.work(GenerateJob, generate)"
    )
    with (
        file_lock(place / CHILD_LOCK),
        subprocess.Popen(
            [sys.executable, "-c", code, str(place)],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # open: its parent is there
            stderr=subprocess.PIPE,
            text=True,
        ) as late,
    ):
        assert late.wait() == 1
        assert late.stderr is not None
        assert late.stderr.read().startswith(f"Another process is at work in {place}")


def test_importing_a_job_loads_no_heavy_library() -> None:
    code = (
        "import sys, rlhf.training.fit, rlhf.training.generate, rlhf.training.process, rlhf.training.registry; "
        "import rlhf.training.statistics.comparison; "
        "print(sorted({'torch', 'trl', 'transformers', 'datasets', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout) == []
