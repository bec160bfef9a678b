"""Calibrated scores: what the maps change, what they must not, and who uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rlhf.nodes.aggregate import VETO_BELOW, aggregate_verdicts
from rlhf.nodes.judge_version import calibration_for, judge_version
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.measures import Calibration, ScoreMap
from rlhf.state.records import Feedback
from rlhf.state.settings import Settings
from tests.nodes.builders import PACK, RESPONSE, evidence, no_evidence, settings, verdicts

KIND = ScoreMap(x=[0.0, 50.0, 100.0], y=[40.0, 80.0, 100.0])
LOW = ScoreMap(x=[0.0, 100.0], y=[0.0, 50.0])


def calibration(
    chosen: Settings, dimensions: dict[str, ScoreMap] | None = None, overall: ScoreMap | None = None
) -> Calibration:
    return Calibration(
        judge=judge_version("general", chosen),
        weights=dict(chosen.acceptance.weights or PACK.weights),
        dimensions=dimensions or {},
        overall=overall,
        kind="scores",
        labels="labels",
    )


def judged(score: float, maps: Calibration | None, chosen: Settings | None = None) -> Feedback:
    given = verdicts(dict.fromkeys(DIMENSIONS, score))
    return aggregate_verdicts(RESPONSE, given, no_evidence(), PACK, chosen or settings(), maps)


def test_without_a_map_there_is_no_raw_score() -> None:
    for maps in (None, calibration(settings())):
        found = judged(50, maps)
        assert (found.overall_score, found.raw_overall_score, found.calibration) == (50, None, None)
        assert all(part.raw_score is None for part in found.dimensions.values())


def test_maps_change_scores_and_keep_the_raw_ones() -> None:
    maps = calibration(settings(), {"clarity": KIND}, overall=LOW)
    found = judged(50, maps)
    clarity, accuracy = found.dimensions["clarity"], found.dimensions["accuracy"]
    assert (clarity.score, clarity.raw_score) == (80, 50)
    assert (accuracy.score, accuracy.raw_score) == (50, None)
    mean = 50 + 30 * PACK.weights["clarity"]
    assert found.overall_score == pytest.approx(mean / 2)
    assert found.raw_overall_score == 50
    assert found.calibration == maps.key


def test_a_dimensions_map_moves_the_overall_score_where_that_has_none() -> None:
    found = judged(50, calibration(settings(), {"clarity": KIND}))
    assert found.overall_score == pytest.approx(50 + 30 * PACK.weights["clarity"])
    assert found.raw_overall_score == 50


def test_other_weights_leave_the_overall_map_out() -> None:
    maps = calibration(settings(), {"clarity": KIND}, overall=LOW)
    weights = dict.fromkeys(DIMENSIONS, 0.2)
    found = judged(50, maps, settings(acceptance={"weights": weights}))
    assert found.overall_score == pytest.approx(56)


def test_no_map_lifts_a_cap() -> None:
    marks = {**no_evidence(), "clarity": evidence(cap=30.0)}
    maps = calibration(settings(), {"clarity": KIND})
    given = verdicts(dict.fromkeys(DIMENSIONS, 90.0))
    found = aggregate_verdicts(RESPONSE, given, marks, PACK, settings(), maps)
    assert (found.dimensions["clarity"].score, found.dimensions["clarity"].raw_score) == (30, 30)


def test_no_map_lifts_a_veto_but_one_may_set_it() -> None:
    [veto] = [name for name, rubric in PACK.dimensions.items() if rubric.veto][:1]
    assert judged(VETO_BELOW - 10, calibration(settings(), {veto: KIND})).vetoed
    assert judged(VETO_BELOW + 10, calibration(settings(), {veto: LOW})).vetoed
    assert not judged(VETO_BELOW + 10, calibration(settings(), {veto: KIND})).vetoed


def test_a_failed_dimension_stays_without_a_number() -> None:
    maps = calibration(settings(), dict.fromkeys(DIMENSIONS, KIND), overall=LOW)
    scores: dict[str, float | None] = {**dict.fromkeys(DIMENSIONS, 50.0), "clarity": None}
    found = aggregate_verdicts(RESPONSE, verdicts(scores), no_evidence(), PACK, settings(), maps)
    assert (found.dimensions["clarity"].score, found.dimensions["clarity"].raw_score) == (None, None)
    nothing = aggregate_verdicts(RESPONSE, {}, no_evidence(), PACK, settings(), maps)
    assert (nothing.overall_score, nothing.raw_overall_score, nothing.calibration) == (None, None, None)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = Services(settings(storage={"ledger_url": f"sqlite:///{tmp_path / 'ledger.sqlite'}"}))
    yield opened
    opened.close()


def test_a_single_judgement_uses_the_newest_and_a_run_its_own(services: Services) -> None:
    chosen = services.settings
    old, new = calibration(chosen, overall=LOW), calibration(chosen, overall=KIND)
    services.ledger.calibrations.add(old)
    assert calibration_for(services, "run", "general", chosen) == old
    services.ledger.calibrations.add(new)
    assert calibration_for(services, None, "general", chosen) == new
    assert calibration_for(services, "run", "general", chosen) == old
    assert calibration_for(services, "next", "general", chosen) == new


@pytest.mark.parametrize(
    "change",
    [
        {"model": "openai/other"},
        {"temperature": 0.5},
        {"samples": 3},
        {"evidence_weight": 0.5},
        {"calibration": False},
    ],
)
def test_another_way_of_judging_uses_no_map(services: Services, change: dict[str, object]) -> None:
    services.ledger.calibrations.add(calibration(services.settings, overall=LOW))
    changed = services.settings.replace({"judge": change}, "test")
    assert calibration_for(services, None, "general", changed) is None


def test_another_rubric_uses_no_map(services: Services) -> None:
    services.ledger.calibrations.add(calibration(services.settings, overall=LOW))
    assert calibration_for(services, None, "budgeting", services.settings) is None
