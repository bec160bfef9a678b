"""Aggregation: what is missing stays missing, caps and vetoes bite, the score is a weighted mean."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.aggregate import VETO_BELOW, aggregate_verdicts
from rlhf.prompts.dimensions import DEFAULT_WEIGHTS, DIMENSIONS
from rlhf.state.records import Feedback
from tests.nodes.builders import PACK, RESPONSE, evidence, no_evidence, settings, verdict, verdicts

SETTINGS = settings()

scores = st.floats(0.0, 100.0)
maybe_scores = st.fixed_dictionaries({name: st.none() | scores for name in DIMENSIONS})


def aggregated(given_scores: Mapping[str, float | None]) -> Feedback:
    return aggregate_verdicts(RESPONSE, verdicts(given_scores), no_evidence(), PACK, SETTINGS)


def test_the_overall_score_is_the_weighted_mean_of_the_dimensions() -> None:
    parts = dict(zip(DIMENSIONS, (100.0, 80.0, 60.0, 40.0, 20.0), strict=True))
    result = aggregated(parts)
    expected = sum(DEFAULT_WEIGHTS[name] * score for name, score in parts.items())
    assert result.overall_score == pytest.approx(expected)
    assert result.coverage == 1.0
    assert result.confidence == pytest.approx(0.8)


def test_the_recipes_weights_win_over_the_packs() -> None:
    weights = dict.fromkeys(DIMENSIONS, 0.0) | {"clarity": 1.0}
    given_verdicts = verdicts(dict.fromkeys(DIMENSIONS, 20.0) | {"clarity": 90.0})
    chosen = settings(acceptance={"weights": weights})
    result = aggregate_verdicts(RESPONSE, given_verdicts, no_evidence(), PACK, chosen)
    assert result.overall_score == 90.0


def test_a_failed_dimension_lowers_coverage_and_is_never_a_number() -> None:
    result = aggregated(dict.fromkeys(DIMENSIONS, 60.0) | {"accuracy": None})
    assert result.overall_score == pytest.approx(60.0)
    assert result.coverage == pytest.approx(0.70)
    part = result.dimensions["accuracy"]
    assert (part.status, part.score, part.confidence) == ("failed", None, None)
    assert (part.error, part.rationale) == ("timed out", "")


def test_a_verdict_that_is_not_there_counts_as_failed() -> None:
    given_verdicts = verdicts(dict.fromkeys(DIMENSIONS, 60.0))
    del given_verdicts["compliance"]
    result = aggregate_verdicts(RESPONSE, given_verdicts, no_evidence(), PACK, SETTINGS)
    assert result.dimensions["compliance"].status == "failed"
    assert result.coverage == pytest.approx(0.75)


def test_nothing_scored_means_no_score_at_all() -> None:
    result = aggregated(dict.fromkeys(DIMENSIONS, None))
    assert (result.overall_score, result.confidence, result.coverage) == (None, None, 0.0)
    assert not result.vetoed


def test_only_dimensions_without_weight_scored_means_no_score_at_all() -> None:
    weights = dict.fromkeys(DIMENSIONS, 0.0) | {"accuracy": 1.0}
    given_verdicts = verdicts(dict.fromkeys(DIMENSIONS, 50.0) | {"accuracy": None})
    chosen = settings(acceptance={"weights": weights})
    result = aggregate_verdicts(RESPONSE, given_verdicts, no_evidence(), PACK, chosen)
    assert (result.overall_score, result.coverage) == (None, 0.0)


@pytest.mark.parametrize(("score", "vetoed"), [(VETO_BELOW - 0.1, True), (VETO_BELOW, False)])
def test_a_low_score_on_a_veto_dimension_vetoes(score: float, vetoed: bool) -> None:
    assert [name for name in DIMENSIONS if PACK.dimensions[name].veto] == ["compliance"]
    assert aggregated(dict.fromkeys(DIMENSIONS, 100.0) | {"compliance": score}).vetoed is vetoed


def test_a_low_score_elsewhere_does_not_veto() -> None:
    assert not aggregated(dict.fromkeys(DIMENSIONS, 100.0) | {"clarity": 0.0}).vetoed


def test_evidence_is_blended_in_by_its_weight() -> None:
    found = no_evidence() | {"accuracy": evidence(score=100.0)}
    given_verdicts = verdicts(dict.fromkeys(DIMENSIONS, 40.0))
    for weight, expected in ((0.0, 40.0), (0.25, 55.0), (1.0, 100.0)):
        chosen = settings(judge={"evidence_weight": weight})
        result = aggregate_verdicts(RESPONSE, given_verdicts, found, PACK, chosen)
        assert result.dimensions["accuracy"].score == pytest.approx(expected)
        assert result.dimensions["clarity"].score == pytest.approx(40.0), "no check applies here"


def test_a_cap_holds_even_where_evidence_has_no_weight() -> None:
    found = no_evidence() | {"accuracy": evidence(score=90.0, cap=30.0)}
    result = aggregate_verdicts(
        RESPONSE,
        verdicts(dict.fromkeys(DIMENSIONS, 100.0)),
        found,
        PACK,
        settings(judge={"evidence_weight": 0}),
    )
    assert result.dimensions["accuracy"].score == 30.0
    assert result.overall_score == pytest.approx(100.0 - 0.3 * 70.0)


def test_evidence_cannot_stand_in_for_a_failed_judge() -> None:
    found = no_evidence() | {"accuracy": evidence(score=100.0, grades={"amounts": 1.0})}
    given_verdicts = verdicts(dict.fromkeys(DIMENSIONS, 50.0) | {"accuracy": None})
    chosen = settings(judge={"evidence_weight": 0.9})
    result = aggregate_verdicts(RESPONSE, given_verdicts, found, PACK, chosen)
    assert result.dimensions["accuracy"].score is None
    assert result.dimensions["accuracy"].evidence[0].check == "amounts"
    assert result.overall_score == pytest.approx(50.0)


def test_strengths_and_weaknesses_come_from_judges_and_checks_once_each() -> None:
    given_verdicts = {
        name: verdict(name, 50.0, strengths=["Short."], weaknesses=[f"Weak {name}."]) for name in DIMENSIONS
    }
    found = no_evidence() | {
        "clarity": evidence(score=50.0, grades={"steps": 1.0, "dates": 0.2, "amounts": None, "tone": 0.7})
    }
    result = aggregate_verdicts(RESPONSE, given_verdicts, found, PACK, SETTINGS)
    assert result.strengths == ["Short.", "steps."]
    assert result.weaknesses == [*(f"Weak {name}." for name in DIMENSIONS), "dates."]


@given(maybe_scores)
def test_the_overall_score_lies_between_the_worst_and_the_best_dimension(
    parts: dict[str, float | None],
) -> None:
    result = aggregated(parts)
    scored = [score for score in parts.values() if score is not None]
    if not scored:
        assert result.overall_score is None
        return
    assert result.overall_score is not None
    assert 0.0 <= result.overall_score <= 100.0
    assert min(scored) - 1e-3 <= result.overall_score <= max(scored) + 1e-3
    covered = sum(DEFAULT_WEIGHTS[name] for name, score in parts.items() if score is not None)
    assert result.coverage == pytest.approx(covered, abs=1e-6)


@given(maybe_scores, st.permutations(DIMENSIONS))
def test_the_order_of_the_verdicts_does_not_matter(parts: dict[str, float | None], order: list[str]) -> None:
    assert aggregated({name: parts[name] for name in order}) == aggregated(parts)


@given(scores, st.sets(st.sampled_from(DIMENSIONS), max_size=4))
def test_equal_scores_give_that_score_whichever_dimensions_fail(score: float, failed: set[str]) -> None:
    result = aggregated({name: None if name in failed else score for name in DIMENSIONS})
    assert result.overall_score == pytest.approx(score, abs=1e-3)
