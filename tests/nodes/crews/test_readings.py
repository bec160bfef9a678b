"""How a level is read from an answer: strictly, and weighed by log-probabilities."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.crews.readings import Reading, Unreadable, parse_answer, read_choice, scored
from prompts.messages import VerdictAnswer
from state.records import FailureKind, Usage


def answer(level: Any = 4, **changes: Any) -> str:
    return json.dumps({"level": level, "strengths": [], "weaknesses": [], "rationale": "so", **changes})


def choice(content: str | None, tokens: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    result = {"finish_reason": "stop", "message": {"content": content}, **changes}
    return result | ({"logprobs": {"content": tokens}} if tokens is not None else {})


def token(text: str, shares: dict[str, float] | None = None) -> dict[str, Any]:
    top = [{"token": other, "logprob": math.log(share)} for other, share in (shares or {}).items()]
    return {"token": text, "logprob": -0.1, "top_logprobs": top}


def plain(level: int) -> Reading:
    return Reading(VerdictAnswer(level=level, strengths=[], weaknesses=[], rationale=""), None)


def kind_of(content: str | None, compact: bool = False, **changes: Any) -> FailureKind:
    with pytest.raises(Unreadable) as caught:
        read_choice(choice(content, **changes), compact)
    return caught.value.kind


def test_a_verdict_is_read_as_it_stands_even_from_a_code_fence() -> None:
    assert parse_answer(f"```json\n{answer(3)}\n```").level == 3
    assert read_choice(choice(answer(5)), compact=False).levels is None


@pytest.mark.parametrize("level", [-1, 6, 99])
def test_a_level_outside_the_scale_is_a_failure_not_a_clamp(level: int) -> None:
    assert kind_of(answer(level)) is FailureKind.OUT_OF_RANGE
    assert kind_of(str(level), compact=True) is FailureKind.OUT_OF_RANGE


@pytest.mark.parametrize(
    "content",
    [
        "",
        None,
        "{",
        "[]",
        "7.5",
        answer(4, bonus=1),
        answer("4"),
        answer(4.5),
        answer(True),
        '{"level": 4}',
        "<html>",
    ],
)
def test_what_is_no_verdict_is_unparsable(content: str | None) -> None:
    assert kind_of(content) is FailureKind.UNPARSABLE


def test_a_cut_off_verdict_is_unparsable_even_if_it_parses() -> None:
    assert kind_of(answer(4), finish_reason="length") is FailureKind.UNPARSABLE


def test_refusals_are_told_apart_in_words_and_by_protocol() -> None:
    assert kind_of("I'm sorry, but I can't help with that.") is FailureKind.REFUSED
    assert kind_of("I cannot judge this.", compact=True) is FailureKind.REFUSED
    assert kind_of(None, message={"refusal": "no"}) is FailureKind.REFUSED
    assert kind_of("", finish_reason="content_filter") is FailureKind.REFUSED


def test_the_level_is_the_expectation_over_its_token() -> None:
    text = answer(4)
    start = text.index("4")
    tokens = [
        token(text[:start]),
        token("4", {"4": 0.6, "5": 0.2, "3": 0.1, "x": 0.1}),
        token(text[start + 1 :]),
    ]
    reading = read_choice(choice(text, tokens), compact=False)
    assert reading.levels is not None
    reply = scored([reading], Usage())
    assert reply.method == "logprobs"
    assert reply.score == pytest.approx(20 * (4 * 0.6 + 5 * 0.2 + 3 * 0.1) / 0.9)


def test_a_level_quoted_in_the_rationale_is_not_taken_for_the_level() -> None:
    text = answer(2, rationale='it says "level": 5')
    quoted = text.replace("\\", "")
    tokens = [token(quoted[:-1]), token("5", {"5": 1.0})]
    assert read_choice(choice(text, tokens), compact=False).levels is None


def test_a_distribution_that_is_hardly_about_digits_is_not_believed() -> None:
    text = answer(4)
    start = text.index("4")
    tokens = [token(text[:start]), token("4", {"4": 0.2, "x": 0.8}), token(text[start + 1 :])]
    assert read_choice(choice(text, tokens), compact=False).levels is None
    assert kind_of("4", compact=True, logprobs={"content": [token("4", {"4": 0.001, "x": 0.9})]}) is (
        FailureKind.UNPARSABLE
    )


def test_a_compact_answer_is_one_digit() -> None:
    tokens = [token("4", {" 4": 0.3, "4": 0.3, "0": 0.2, "Well": 0.2})]
    reading = read_choice(choice("4", tokens, finish_reason="length"), compact=True)
    assert reading.levels == pytest.approx({0: 0.25, 1: 0, 2: 0, 3: 0, 4: 0.75, 5: 0})
    assert read_choice(choice(" 3.\n"), compact=True).answer.level == 3
    for text in ("", "four", "10 out", "4 5", "٤"):
        assert kind_of(text, compact=True) is FailureKind.UNPARSABLE


def test_samples_are_averaged_and_never_quite_certain() -> None:
    reply = scored([plain(4), plain(2), plain(3)], Usage())
    assert reply.method == "samples"
    assert reply.score == pytest.approx(60)
    agreed = scored([plain(4)] * 4, Usage())
    assert agreed.confidence is not None
    assert reply.confidence is not None
    assert reply.confidence < agreed.confidence < 1


def test_a_plain_level_has_middling_confidence() -> None:
    reply = scored([plain(5)], Usage())
    assert (reply.method, reply.score) == ("level", 100.0)
    assert reply.confidence == pytest.approx(0.5)


@given(st.dictionaries(st.sampled_from("012345"), st.floats(1e-6, 1.0), min_size=1))
def test_any_distribution_gives_a_score_and_a_confidence_in_range(shares: dict[str, float]) -> None:
    total = sum(shares.values())
    tokens = [token("3", {digit: share / total for digit, share in shares.items()})]
    reply = scored([read_choice(choice("3", tokens), compact=True)], Usage())
    assert reply.score is not None
    assert 20 * int(min(shares)) - 1e-6 <= reply.score <= 20 * int(max(shares)) + 1e-6


@given(
    st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_no_text_crashes_the_parser(text: str) -> None:
    for compact in (False, True):
        try:
            reading = read_choice(choice(text), compact)
        except Unreadable:
            continue
        assert reading.answer.level in range(6)
