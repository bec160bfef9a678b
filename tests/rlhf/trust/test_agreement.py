"""`rlhf agreement` with real crews against the scripted endpoint, and on finished verdicts without any call."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.prompts.rubric import load_pack
from rlhf.state.files.labels import read_labels
from rlhf.trust.agreement import agreement_on
from rlhf.trust.labels import Verdicts
from tests.rlhf.trust.quality import LINES, honest, written
from tests.scripted_endpoint import (
    ScriptedEndpoint,
    is_judge_call,
    refusal,
    status,
)

pytestmark = pytest.mark.usefixtures("judge_recipe")

SCALE = [0, 5]


def answer(quality: int) -> str:
    """A response of the quality it names; the better, the longer."""
    return "\n".join([f"This plan has quality {quality}.", *LINES[:quality]])


def pair(number: int, first: int, second: int, label: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"q{number}",
        "prompt": f"How should week {number} be spent?",
        "response_a": answer(first),
        "response_b": answer(second),
        "label": label,
        **more,
    }


PAIRS = [
    pair(1, 5, 1, "a", category="x", votes=["a", "a", "b"]),
    pair(2, 1, 4, "b", category="x", votes=["b", "b", "b"]),
    pair(3, 4, 1, "a", category="y", votes=["a", "a", "a"]),
    pair(4, 5, 2, "b", category="y", votes=["b", "b", "a"]),
    pair(5, 3, 3, "tie"),
]


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(honest) as server:
        yield server


def agreement(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["agreement", *arguments, "--recipe", "mine.toml"])


def test_pairs_are_judged_once_and_told_beside_baselines(endpoint: ScriptedEndpoint) -> None:
    file = str(written(PAIRS))
    result = agreement(file, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    pairs = found["pairs"]
    assert (found["num_labels"], found["num_failed"], found["scores"]) == (5, 0, None)
    assert (pairs["overall"]["accuracy"]["value"], pairs["overall"]["accuracy"]["number"]) == (0.75, 4)
    assert pairs["overall"]["accuracy_with_ties"]["value"] == 0.8
    assert pairs["overall"]["tie_share"] == 0.2
    assert pairs["baselines"]["longer wins"]["accuracy"]["value"] == 0.75
    assert pairs["baselines"]["always first"]["accuracy"]["value"] == 0.5
    assert pairs["baselines"]["random"]["accuracy"]["value"] == 0.5
    assert set(pairs["categories"]) == {"x", "y"}
    assert set(pairs["dimensions"]) == set(load_pack("general").dimensions)
    assert pairs["orders"] is None
    assert "judged by itself" in pairs["order_note"]
    assert pairs["length_matched"]["num_labels"] == 1
    assert pairs["human"]["num_votes"] > 0
    assert pairs["without_calibration"] is None

    asked = endpoint.count(is_judge_call)
    told = agreement(file)
    assert told.exit_code == 0, told.output
    assert endpoint.count(is_judge_call) == asked, "finished verdicts are in the ledger"
    for words in ("75.0", "longer wins", "always first", "random", "one person", "length-matched", "clarity"):
        assert words in told.stdout


def test_a_failed_judgement_is_missing_and_never_wrong(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda request: refusal(request) if "week 4" in request.text else honest(request)
    result = agreement(str(written(PAIRS)), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["num_failed"] == 1
    assert found["pairs"]["overall"]["accuracy"]["value"] == 1.0
    assert found["pairs"]["overall"]["num_judged"] == 4
    assert "1 could not be judged" in agreement(str(written(PAIRS))).stdout


def test_scores_are_compared_on_one_scale(endpoint: ScriptedEndpoint) -> None:
    rows = [
        {"prompt": f"Week {n}?", "response": answer(n % 6), "score": n % 6, "scale": SCALE}
        for n in range(1, 9)
    ]
    result = agreement(str(written(rows)), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["scores"]
    assert found["overall"]["spearman"]["value"] > 0.8
    assert found["overall"]["mae"]["value"] < found["mean_for_all"]
    assert found["overall"]["weighted_kappa"] > 0.5
    assert found["length"]["value"] > 0.9
    table = agreement(str(written(rows))).stdout
    assert "Spearman" in table
    assert "one score for all" in table


def test_a_limit_draws_by_the_seed(endpoint: ScriptedEndpoint) -> None:
    file = str(written(PAIRS))
    first, second = (agreement(file, "--limit", "2", "--json") for _ in range(2))
    assert first.stdout == second.stdout
    assert json.loads(first.stdout)["num_labels"] == 2
    assert "2 of 5 labels, drawn with seed 7" in first.stderr


def test_finished_feedback_needs_no_call(endpoint: ScriptedEndpoint) -> None:
    file = str(written(PAIRS))
    rows = [
        {"prompt": row["prompt"], "response": row[side]}
        for row in PAIRS
        for side in ("response_a", "response_b")
    ]
    judged = CliRunner().invoke(
        app, ["judge", str(written(rows, "r.jsonl")), "--json", "--recipe", "mine.toml"]
    )
    assert judged.exit_code == 0, judged.output
    Path("verdicts.jsonl").write_text(judged.stdout)
    expected = json.loads(agreement(file, "--json").stdout)
    endpoint.script = status(500)
    endpoint.forget()
    for arguments in ((), ("--task-type", "budgeting")):  # found by its key, or by its text
        found = json.loads(agreement(file, "--verdicts", "verdicts.jsonl", "--json", *arguments).stdout)
        assert found["pairs"] == expected["pairs"]
        assert found["source"] == "verdicts.jsonl"
    lines = judged.stdout.splitlines(keepends=True)
    Path("some.jsonl").write_text("".join(lines[:-2]))
    assert json.loads(agreement(file, "--verdicts", "some.jsonl", "--json").stdout)["num_failed"] == 1
    assert endpoint.calls == []


def test_choices_of_a_pairwise_judge_are_compared_in_both_orders(endpoint: ScriptedEndpoint) -> None:
    file = str(written(PAIRS))
    rows: list[dict[str, Any]] = [
        {"id": "q1", "verdict": "a", "verdict_swapped": "a"},
        {"id": "q2", "verdict": "a", "verdict_swapped": "b"},
        {"id": "q3", "verdict": "a", "verdict_swapped": "a"},
        {"id": "q4", "verdict": None},
    ]
    result = agreement(file, "--verdicts", str(written(rows, "choices.jsonl")), "--json")
    found = json.loads(result.stdout)
    pairs = found["pairs"]
    assert (found["num_failed"], pairs["overall"]["num_judged"]) == (2, 3)
    assert pairs["orders"]["num_pairs"] == 3
    assert pairs["orders"]["consistent"] == pytest.approx(2 / 3, abs=1e-4)
    assert pairs["overall"]["accuracy"]["value"] == pytest.approx(2.5 / 3, abs=1e-4)
    assert "Told alike in both orders: 66.7%" in agreement(file, "--verdicts", "choices.jsonl").stdout

    Path("choices.json").write_text(json.dumps({"q1": "a", "q2": "b", "q3": "tie", "q4": None}))
    one = json.loads(agreement(file, "--verdicts", "choices.json", "--json").stdout)
    assert one["pairs"]["orders"] is None
    assert one["pairs"]["overall"]["tie_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert "one order only" in one["pairs"]["order_note"]
    assert endpoint.calls == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"id": "q1", "verdict": "left"}', "line 1: a verdict must be a, b or tie"),
        ('{"id": "q1"}\n{"id": "q2"}', "line 1: neither feedback"),
        ('{"id": "q1", "verdict": "a"}\nno', "line 2: not valid JSON"),
        ('{"id": "q1", "verdict": "a"}\n{"id": "q1", "verdict": "a"}', "line 2: the id 'q1' has a verdict"),
        ('{"id": "other", "verdict": "a"}', "no id in it is an id of the labels"),
        ('{"dimensions": {}}', "line 1: not feedback"),
        ("", "no id in it"),
    ],
)
def test_a_bad_file_of_verdicts_is_refused(endpoint: ScriptedEndpoint, content: str, complaint: str) -> None:
    Path("bad.jsonl").write_text(content)
    result = agreement(str(written(PAIRS)), "--verdicts", "bad.jsonl")
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_bad_label_is_refused_with_its_line(endpoint: ScriptedEndpoint) -> None:
    result = agreement(str(written([PAIRS[0], PAIRS[1] | {"label": "both"}])))
    assert result.exit_code == 2
    assert "labels.jsonl, line 2: label must be a, b or tie" in result.stderr
    assert endpoint.calls == []


def test_a_close_call_is_a_tie_where_the_rule_says_so(endpoint: ScriptedEndpoint) -> None:
    found = json.loads(agreement(str(written(PAIRS)), "--tie-within", "100", "--json").stdout)["pairs"]
    assert found["overall"]["tie_share"] == 1.0
    assert found["overall"]["accuracy"]["value"] == 0.5
    assert found["overall"]["accuracy_with_ties"]["value"] == 0.2


def test_nothing_judged_leaves_every_figure_open(tmp_path: Path) -> None:
    labels = read_labels(written(PAIRS), "general")
    found = agreement_on(labels, Verdicts(), "nobody")
    assert found.pairs is not None
    assert (found.num_failed, found.pairs.overall.accuracy, found.pairs.human) == (5, None, None)
