"""`rlhf calibrate` with real crews against a scripted judge whose distortion is known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.state.recipe import load_recipe
from tests.rlhf.trust.quality import LINES, telling, written
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

pytestmark = pytest.mark.usefixtures("workplace")

LEVELS = (0, 0, 1, 1, 2, 3)
"""What the harsh judge says of quality 0 to 5."""


def answer(quality: int, number: int) -> str:
    return "\n".join([f"This plan has quality {quality} ({number}).", *LINES])


SCORES = [
    {
        "prompt": f"How should week {n // 2} be spent?",
        "response": answer(n % 6, n),
        "score": n % 6,
        "scale": [0, 5],
    }
    for n in range(36)
]


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(telling(lambda quality: LEVELS[quality])) as server:
        recipe(tmp_path / "mine.toml", server)
        yield server


def recipe(path: Path, server: ScriptedEndpoint, judge: str = "scripted") -> None:
    address = f'base_url = "{server.base_url}"\n'
    path.write_text(
        f'[policy]\nmodel = "vllm/scripted"\n{address}'
        f'[judge]  # the one to put right\nmodel = "vllm/{judge}"\n{address}workers = 1\n'
    )


def run(command: str, *arguments: str, using: str = "mine.toml") -> Result:
    result = CliRunner().invoke(app, [command, *arguments, "--recipe", using])
    assert result.exit_code == 0, result.output
    return result


def judged(quality: int, using: str = "mine.toml", **more: str) -> dict[str, Any]:
    options = [part for name, value in more.items() for part in (f"--{name.replace('_', '-')}", value)]
    question = ["--prompt", "How should week 0 be spent?", "--response", answer(quality, 99)]
    found: dict[str, Any] = json.loads(run("judge", *question, *options, "--json", using=using).stdout)
    return found


def test_a_distorted_judge_is_put_right_and_only_that_judge(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = str(written(SCORES))
    before = judged(4)
    assert before["overall_score"] < 55
    assert before["raw_overall_score"] is None

    dry = run("calibrate", file, "--dry-run")
    assert "Dry run: nothing is stored." in dry.stdout
    assert judged(4) == before

    told = run("calibrate", file)
    assert "Stored as" in told.stdout
    after = judged(4)
    assert after["overall_score"] == pytest.approx(80, abs=3)
    assert after["raw_overall_score"] == before["overall_score"]
    assert after["calibration"]
    clarity = after["dimensions"]["clarity"]
    assert clarity["raw_score"] == before["dimensions"]["clarity"]["score"]
    assert clarity["score"] == pytest.approx(80, abs=5)
    assert after["is_acceptable"]
    assert not before["is_acceptable"]

    # Another model, rubric or way of judging has not been calibrated.
    recipe(tmp_path / "other.toml", endpoint, judge="another")
    assert judged(4, using="other.toml")["raw_overall_score"] is None
    assert judged(4, task_type="creative")["raw_overall_score"] is None
    raw = Path("mine.toml").read_text().replace("workers = 1", "workers = 1\ncalibration = false")
    Path("raw.toml").write_text(raw)
    assert judged(4, using="raw.toml") == before

    agreed = run("agreement", file)
    assert "  uncalibrated" in agreed.stdout
    assert "its figures flatter them" in agreed.stdout

    # Fitted anew it finds the same, for it starts from raw scores. A judge that cannot tell 0 from 1, nor 2
    # from 3, is 6.7 points off at best.
    known = json.loads(run("calibrate", file, "--json").stdout)
    [calibration] = known["calibrations"]
    assert calibration["figures"]["overall"]["stored"]
    assert calibration["figures"]["overall"]["calibrated"] < 8 < 20 < calibration["figures"]["overall"]["raw"]
    assert judged(4) == after

    # Too few labels to test a map on leave what is there in use.
    told = run("calibrate", str(written(SCORES[:5], "few.jsonl")))
    assert "Too few labels" in told.stdout
    assert judged(4) == after


def test_margin_and_confidence_are_fitted_and_written(endpoint: ScriptedEndpoint) -> None:
    pairs = [
        {
            "prompt": f"How should week {n} be spent?",
            "response_a": answer(1 + n % 2, 1),
            "response_b": answer(4 + n % 2, 2),
            "label": "b",
        }
        for n in range(40)
    ]
    file = str(written(pairs))
    told = run("calibrate", file, "--agreement", "0.8", "--pair-accuracy", "0.8", "--write", "fitted.toml")
    assert "dataset.min_margin = " in told.stdout
    assert "review.min_confidence = " in told.stdout
    assert "100% of the labels are left to the judges" in told.stdout
    text, old = Path("fitted.toml").read_text(), Path("mine.toml").read_text()
    assert text.startswith(old), "the recipe's own text is unchanged"
    fitted = load_recipe("fitted.toml")
    assert fitted.dataset.min_margin > 5
    assert 0 < fitted.review.min_confidence < 1

    endpoint.forget()
    again = CliRunner().invoke(app, ["calibrate", file, "--write", "fitted.toml", "--recipe", "mine.toml"])
    assert again.exit_code == 2
    assert "fitted.toml exists" in again.stderr
    assert endpoint.count(is_judge_call) == 0

    found = json.loads(run("calibrate", file, "--json").stdout)
    assert found["min_confidence"] is None
    assert found["recommended"] == {"dataset": {"min_margin": fitted.dataset.min_margin}}
    assert found["margins"][0]["accuracy"]["value"] == 1.0


def test_a_judge_that_is_wrong_half_of_the_time_proves_nothing(endpoint: ScriptedEndpoint) -> None:
    pairs = [
        {
            "prompt": f"How should week {n} be spent?",
            "response_a": answer(1, n),
            "response_b": answer(4, n),
            "label": "ab"[n % 2],
        }
        for n in range(40)
    ]
    told = run("calibrate", str(written(pairs)), "--agreement", "0.8", "--write", "fitted.toml")
    assert "No dataset.min_margin proves pair accuracy 80%" in told.stdout
    assert "No review.min_confidence proves agreement 80%" in told.stdout
    assert "No map helps" in told.stdout
    assert not Path("fitted.toml").exists()
