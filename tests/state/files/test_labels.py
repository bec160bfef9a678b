"""Label files: what is read, and what is refused with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.state.errors import InputError
from rlhf.state.files.labels import PairLabel, ScoreLabel, labels_key, read_labels, sampled

PAIR: dict[str, Any] = {"prompt": "Which?", "response_a": "this", "response_b": "that", "label": "a"}
SCORE: dict[str, Any] = {"prompt": "How good?", "response": "so", "score": 4, "scale": [1, 5]}


def written(folder: Path, *rows: object) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_pairs_are_read_with_everything_they_may_have(tmp_path: Path) -> None:
    more = {
        "id": "x",
        "votes": ["a", "tie"],
        "category": "mail",
        "criterion": "clarity",
        "context": {"brand": "B"},
    }
    plain, full = read_labels(written(tmp_path, PAIR, PAIR | more), "general")
    assert isinstance(plain, PairLabel)
    assert (plain.id, plain.label, plain.votes, plain.prompt.task_type) == ("1", "a", (), "general")
    assert plain.responses == ("this", "that")
    assert isinstance(full, PairLabel)
    assert (full.id, full.votes, full.category, full.criterion) == ("x", ("a", "tie"), "mail", "clarity")
    assert full.prompt.context == {"brand": "B"}


@pytest.mark.parametrize(
    ("scale", "points"),
    [([1, 5], 75.0), ("1-5", 75.0), ("1 to 5", 75.0), ("[0, 8]", 50.0), ([0.0, 16.0], 25.0), ("0–100", 4.0)],
)
def test_scores_are_read_on_the_scale_they_name(tmp_path: Path, scale: object, points: float) -> None:
    [label] = read_labels(written(tmp_path, SCORE | {"scale": scale}), "general")
    assert isinstance(label, ScoreLabel)
    assert label.points == points


def test_a_table_without_types_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('prompt,response,score,scale\nHow?,so,"4.5",1-5\n')
    [label] = read_labels(path, "general")
    assert isinstance(label, ScoreLabel)
    assert label.score == 4.5


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (PAIR | {"label": "c"}, "label must be a, b or tie, not 'c'"),
        (PAIR | {"label": None}, "label is missing"),
        (PAIR | {"response_b": 3}, "response_b must be text"),
        ({"prompt": "p", "response_a": "x", "label": "a"}, "response_b is missing"),
        (PAIR | {"votes": ["a", "no"]}, "a vote must be a, b or tie"),
        (PAIR | {"votes": "a,b"}, "votes must be a list"),
        (PAIR | {"prompt": " "}, "prompt is empty"),
        (PAIR | {"task_type": "nonsense"}, "unknown task type"),
        (PAIR | {"id": "1"}, "stands at"),
        (PAIR | {"category": "x" * 201}, "category has more than 200"),
        (SCORE, "pairs and scores are mixed"),
        ([1], "must be an object"),
    ],
)
def test_a_bad_pair_is_refused_with_its_line(tmp_path: Path, row: object, complaint: str) -> None:
    first = PAIR | {"id": "1"}
    with pytest.raises(InputError, match=r"line 2: .*" + complaint.replace("(", r"\(")):
        read_labels(written(tmp_path, first, row), "general")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"score": None}, "score is missing"),
        ({"score": True}, "score must be a number"),
        ({"score": "good"}, "score must be a number"),
        ({"score": "nan"}, "score must be a number"),
        ({"score": 6}, "6 is not on the scale from 1 to 5"),
        ({"scale": None}, "scale is missing"),
        ({"scale": 5}, "scale is unclear"),
        ({"scale": [5, 1]}, "does not rise"),
        ({"scale": [1, 2, 3]}, "scale is unclear"),
        ({"scale": "high"}, "scale must be a list"),
        ({"response": 3}, "response must be text"),
    ],
)
def test_a_bad_score_is_refused_with_its_line(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=f"line 2: .*{complaint}"):
        read_labels(written(tmp_path, SCORE, SCORE | change), "general")


def test_a_response_that_is_null_or_an_empty_cell_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("Prompt;Response;Score;Scale\nHow?;;2;1-5\n")
    [cell] = read_labels(path, "general")
    [null] = read_labels(written(tmp_path, SCORE | {"response": None}), "general")
    assert (cell.responses, null.responses) == (("",), ("",))
    with pytest.raises(InputError, match="line 1: response is missing"):
        read_labels(written(tmp_path, {"prompt": "p", "score": 1, "scale": [1, 5]}), "general")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        read_labels(written(tmp_path), "general")


@given(st.integers(1, 30), st.integers(0, 3))
def test_a_sample_is_drawn_by_the_seed_and_keeps_the_order(limit: int, seed: int) -> None:
    from rlhf.state.files.prompts import parse_prompt

    prompt = parse_prompt({"prompt": "p"}, "general", "test")
    labels = [
        PairLabel(id=str(n), prompt=prompt, response_a="x", response_b="y", label="a") for n in range(20)
    ]
    drawn = sampled(labels, limit, seed)
    assert len(drawn) == min(limit, 20)
    assert [label.id for label in drawn] == sorted((label.id for label in drawn), key=int)
    assert drawn == sampled(labels, limit, seed)
    assert sampled(labels, None, seed) == labels


def test_labels_are_the_same_whatever_their_order_and_ids(tmp_path: Path) -> None:
    other = PAIR | {"label": "b"}
    one = read_labels(written(tmp_path, PAIR, other), "general")
    two = read_labels(written(tmp_path, other | {"id": "7"}, PAIR), "general")
    three = read_labels(written(tmp_path, PAIR, PAIR), "general")
    assert labels_key(one) == labels_key(two) != labels_key(three)
