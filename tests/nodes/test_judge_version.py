"""Calibrated scores: what the maps change, what they must not, and who uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rlhf.nodes.aggregate import VETO_BELOW, aggregate_verdicts
from rlhf.nodes.judge_version import calibration_for, judge_version, key_of, keys_of, known_verdicts
from rlhf.nodes.services import Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.files.prompts import parse_rows
from rlhf.state.measures import Calibration, ScoreMap
from rlhf.state.records import Feedback, ResponseRow, Verdict
from rlhf.state.settings import JudgeSettings, Settings
from tests.nodes.builders import PACK, RESPONSE, evidence, new_run, no_evidence, settings, verdict, verdicts

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


def asked_by(services: Services, run_id: str, chosen: Settings) -> None:
    """A run of these settings whose judge has answered, with a key as versions before made it."""
    new_run(services.ledger, PROMPTS, chosen, run_id)
    _, older = keys_of(RESPONSE, "clarity", chosen.judge)
    given = verdict("clarity", 80.0).model_copy(update={"key": older})
    services.ledger.add_verdict(run_id, given)


PROMPTS = parse_rows([{"prompt": "What next?"}], "general", "test")
HERE = "http://127.0.0.1:1/v1"
THERE = "http://127.0.0.1:2/v1"


def found_by(
    services: Services, response: ResponseRow, dimension: str, judge: JudgeSettings
) -> Verdict | None:
    """What the ledger has of the judge on one dimension."""
    return known_verdicts(services.ledger, response, [dimension], judge).get(dimension)


def judge_at(address: str, **changes: object) -> Settings:
    return settings(judge={"base_url": address, **changes})


def test_a_judge_at_another_address_is_another_judge() -> None:
    here = key_of(RESPONSE, "clarity", judge_at(HERE).judge)
    assert key_of(RESPONSE, "clarity", judge_at(f"{HERE}/").judge) == here
    others = [
        judge_at(THERE),
        judge_at(HERE, model="vllm/scripted"),
        judge_at(HERE, extra_body={"reasoning_effort": "high"}),
        settings(),
    ]
    assert len({here, *(key_of(RESPONSE, "clarity", other.judge) for other in others)}) == 5


def test_an_operator_may_say_that_two_addresses_are_one_judge() -> None:
    pair = [judge_at(address, identity="the big one") for address in (HERE, THERE)]
    assert len({key_of(RESPONSE, "clarity", each.judge) for each in pair}) == 1
    assert judge_version("general", pair[0]).model == "the big one"


def test_the_embedded_judge_keeps_its_keys() -> None:
    local = settings(judge={"model": "local"}).judge
    assert len(set(keys_of(RESPONSE, "clarity", local))) == 1


def test_a_verdict_with_an_older_key_is_found_by_the_judge_that_gave_it_alone(services: Services) -> None:
    asked_by(services, "run-1", judge_at(HERE))
    found = found_by(services, RESPONSE, "clarity", judge_at(HERE).judge)
    assert found is not None
    assert found.score == 80.0
    for other in (judge_at(THERE), settings(), judge_at(HERE, extra_body={"top_k": 1})):
        assert found_by(services, RESPONSE, "clarity", other.judge) is None


def test_a_verdict_with_an_older_key_that_came_from_two_places_or_nobody_knows_where_is_asked_again(
    services: Services,
) -> None:
    _, older = keys_of(RESPONSE, "clarity", judge_at(HERE).judge)
    alone = verdict("clarity", 80.0).model_copy(update={"key": older})
    services.ledger.add_verdict(None, alone)
    assert found_by(services, RESPONSE, "clarity", judge_at(HERE).judge) is None
    asked_by(services, "run-1", judge_at(HERE))
    asked_by(services, "run-2", judge_at(THERE))
    assert found_by(services, RESPONSE, "clarity", judge_at(HERE).judge) is None
