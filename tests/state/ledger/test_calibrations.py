"""Calibrations in the ledger: bound to their judge, kept for their runs, refused when they are no map."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlhf.state.errors import LedgerError
from rlhf.state.ledger import Ledger
from rlhf.state.measures import Calibration, JudgeVersion, ScoreMap

JUDGE = JudgeVersion(
    task_type="general", rubric_version="1", model="openai/x", template_version="t1", evidence_weight=0.0
)
WEIGHTS = {"accuracy": 0.5, "clarity": 0.5}


def calibration(top: float = 90.0, judge: JudgeVersion = JUDGE) -> Calibration:
    return Calibration(
        judge=judge,
        weights=WEIGHTS,
        overall=ScoreMap(x=[0.0, 100.0], y=[10.0, top]),
        kind="scores",
        labels="labels",
    )


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1), st.floats(-10, 110))
def test_a_map_never_falls_and_never_leaves_the_scale(corners: list[tuple[int, int]], score: float) -> None:
    x = sorted({float(a) for a, _ in corners})
    y = sorted(float(b) for _, b in corners)[: len(x)]
    found = ScoreMap(x=x, y=y)
    assert 0 <= found(score) <= found(score + 1) <= 100
    assert [found(corner) for corner in x] == pytest.approx(y)


@pytest.mark.parametrize(
    ("x", "y"),
    [([], []), ([1.0], [1.0, 2.0]), ([2.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [2.0, 1.0]), ([1.0], [101.0])],
)
def test_what_is_no_monotone_map_is_refused(x: list[float], y: list[float]) -> None:
    with pytest.raises(ValidationError):
        ScoreMap(x=x, y=y)


def test_a_map_is_kept_as_plain_numbers_and_comes_back_the_same(ledger: Ledger) -> None:
    key = ledger.calibrations.add(calibration())
    assert ledger.calibrations.get(key) == calibration()
    assert ledger.calibrations.newest(JUDGE) == calibration()
    with pytest.raises(LedgerError, match="does not hold calibration"):
        ledger.calibrations.get("0" * 24)


@pytest.mark.parametrize(
    "change",
    [
        {"task_type": "budgeting"},
        {"rubric_version": "2"},
        {"model": "openai/y"},
        {"template_version": "t2"},
        {"evidence_weight": 0.5},
    ],
)
def test_another_judge_or_rubric_does_not_find_it(ledger: Ledger, change: dict[str, object]) -> None:
    ledger.calibrations.add(calibration())
    assert ledger.calibrations.newest(JUDGE.model_copy(update=change)) is None


def test_the_newest_counts_also_when_an_old_one_is_fitted_again(ledger: Ledger) -> None:
    for top in (80.0, 90.0, 80.0):
        ledger.calibrations.add(calibration(top))
        assert ledger.calibrations.newest(JUDGE) == calibration(top)


def test_a_run_keeps_the_one_it_began_with(ledger: Ledger) -> None:
    known = ledger.calibrations
    assert known.of_run("early", JUDGE) is None
    known.add(calibration(80.0))
    assert known.of_run("middle", JUDGE) == calibration(80.0)
    known.add(calibration(90.0))
    assert known.of_run("early", JUDGE) is None
    assert known.of_run("middle", JUDGE) == calibration(80.0)
    assert known.of_run("late", JUDGE) == calibration(90.0)
    assert known.used_by("middle") == [calibration(80.0).key]
    assert known.used_by("early") == []


def test_the_overall_map_is_for_its_weights_alone() -> None:
    found = calibration()
    assert found.overall_map(dict(WEIGHTS)) == found.overall
    assert found.overall_map({"accuracy": 0.4, "clarity": 0.6}) is None
    assert found.overall_map({"accuracy": 1.0}) is None
