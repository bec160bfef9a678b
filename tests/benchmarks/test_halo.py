"""The measurement of both judge modes, at an endpoint whose combined judge has a known halo."""

import json
from pathlib import Path

import pytest

from benchmarks.halo import main, mean_correlation, wilson
from tests.chaos import questions
from tests.scripted_endpoint import (
    Reply,
    Request,
    ScriptedEndpoint,
    combined_dimensions,
    combined_reply,
    level_of,
    verdict_reply,
)


def haloed(request: Request) -> Reply:
    """Separate judges see steps, and one dimension has a mind of its own; the combined judge gives one level to all."""
    [(response, dimension), *_] = questions(request.body)
    level = min(5, response.count("Step"))
    if names := combined_dimensions(request.body):
        return combined_reply(request, dict.fromkeys(names, level))
    return verdict_reply(request, level_of(response[::-1]) if dimension == "clarity" else level)


def test_both_modes_are_measured_on_the_same_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "prompt": f"Plan week {number}.",
            "response_a": "\n".join(f"Step {step}: do {number}." for step in range(1 + number % 4)),
            "response_b": "\n".join(f"Step {step}: do {number}." for step in range(2 + number % 4)),
            "label": ("b", "b", "b", "a", "tie")[number % 5],
        }
        for number in range(10)
    ]
    labels, recipe = tmp_path / "labels.jsonl", tmp_path / "recipe.toml"
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ScriptedEndpoint(haloed) as endpoint:
        section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
        recipe.write_text(f"[policy]\n{section}[judge]\n{section}workers = 1\n")
        assert main(["--recipe", str(recipe), "--labels", str(labels), "--limit", "10"]) == 0
        assert endpoint.count() == 20 * 6
    heading, separate, combined, saved = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["pairs", "agrees"]
    assert combined.split()[:3] == ["combined", "8", "0.750"]
    assert separate.split()[:2] == ["separate", "8"]
    halo = {line.split()[0]: float(line.split()[5]) for line in (separate, combined)}
    assert halo["separate"] < halo["combined"] == 1.0
    assert [line.split()[9] for line in (separate, combined)] == ["5.0", "1.0"]
    assert "0/100" in separate
    assert saved.startswith("combined saves ")


def test_the_figures_are_the_textbooks() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 4)[0] == 0.0
    assert mean_correlation([[1, 2, 7], [2, 4, 7], [3, 6, 7]]) == pytest.approx(1.0)
    assert mean_correlation([[1, 5], [2, 4], [3, 3]]) == pytest.approx(-1.0)
    assert mean_correlation([[1, 2]] * 5) is None
