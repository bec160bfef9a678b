"""How a level is read from an answer: strictly, and weighed by log-probabilities."""

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.crews.levels import Reading, scored
from rlhf.nodes.crews.readings import parse_answer, read_choice, read_combined
from rlhf.nodes.crews.shapes import Unreadable
from rlhf.prompts.messages import VerdictAnswer
from rlhf.state.records import FailureKind


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
        answer("high"),
        answer(4.5),
        answer(True),
        answer(None),
        '{"level": 1, "level": 5, "strengths": [], "weaknesses": [], "rationale": ""}',
        "<html>",
    ],
)
def test_what_is_no_verdict_is_unparsable(content: str | None) -> None:
    assert kind_of(content) is FailureKind.UNPARSABLE


def test_a_cut_off_verdict_is_unparsable_even_if_it_parses() -> None:
    assert kind_of(answer(4), finish_reason="length") is FailureKind.UNPARSABLE


@pytest.mark.parametrize("names", [["verdict", "verdict"], ["shell"]])
def test_tool_calls_that_are_not_one_verdict_are_unparsable(names: list[str]) -> None:
    calls = [{"function": {"name": name, "arguments": answer(n)}} for n, name in enumerate(names)]
    assert kind_of(None, message={"tool_calls": calls}) is FailureKind.UNPARSABLE
    one = {"function": {"name": "verdict", "arguments": answer(4)}}
    assert read_choice({"message": {"tool_calls": [one]}}, compact=False).answer.level == 4


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
    reply = scored([reading])
    assert reply.method == "logprobs"
    assert reply.score == pytest.approx(20 * (4 * 0.6 + 5 * 0.2 + 3 * 0.1) / 0.9)


def test_a_level_quoted_in_the_rationale_is_not_taken_for_the_level() -> None:
    text = answer(2, rationale='it says "level": 5')
    quoted = text.replace("\\", "")
    tokens = [token(quoted[:-1]), token("5", {"5": 1.0})]
    assert read_choice(choice(text, tokens), compact=False).levels is None


def entries(**levels: Any) -> str:
    parts = [
        f'"{name}": {level if isinstance(level, str) else answer(level)}' for name, level in levels.items()
    ]
    return "{" + ", ".join(parts) + "}"


def test_a_bad_or_missing_entry_fails_its_dimension_alone() -> None:
    doubled = '{"level": 1, "level": 5, "strengths": [], "weaknesses": [], "rationale": ""}'
    text = entries(a=4, b=9, c=answer(3, bonus=1), d=doubled, e="3")
    read = read_combined(choice(text), ["a", "b", "c", "d", "e", "f"])
    assert isinstance(read["a"], Reading)
    assert read["a"].answer.level == 4
    failures = {name: each.kind for name, each in read.items() if isinstance(each, Unreadable)}
    assert failures == {
        "b": FailureKind.OUT_OF_RANGE,
        **dict.fromkeys("def", FailureKind.UNPARSABLE),
    }
    assert "twice" in str(read["d"])


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        ("[]", {}),
        (entries(a=4)[:-1], {}),
        (entries(a=4, b=3), {"finish_reason": "length"}),
        ("I'm sorry, but I can't help with that.", {}),
        (f'{{"a": {answer(1)}, "a": {answer(2)}, "b": {answer(2)}}}', {}),
    ],
)
def test_an_answer_that_is_none_as_a_whole_fails_every_dimension(
    content: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unreadable):
        read_combined(choice(content, **changes), ["a", "b"])


def test_each_entrys_level_has_its_own_distribution() -> None:
    decoy = answer(2, rationale='as in {"level": 5}, "level": 1')
    text = '\n{ "a" :' + decoy + ',\n"b":\t' + answer(4) + " }"
    first, second = text.index('"level": 2') + 9, text.rindex('"level": 4') + 9
    tokens = [
        token(text[:first]),
        token("2", {"2": 0.5, "3": 0.5}),
        token(text[first + 1 : second]),
        token("4", {"4": 0.75, "0": 0.25}),
        token(text[second + 1 :]),
    ]
    read = read_combined(choice(text, tokens), ["a", "b"])
    replies = {name: scored([each]) for name, each in read.items() if isinstance(each, Reading)}
    assert {name: reply.method for name, reply in replies.items()} == {"a": "logprobs", "b": "logprobs"}
    assert replies["a"].score == pytest.approx(50)
    assert replies["b"].score == pytest.approx(60)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 5), min_size=1), st.text(), st.integers(1, 7))
def test_levels_are_found_however_the_text_is_cut_into_tokens(
    levels: dict[str, int], rationale: str, size: int
) -> None:
    text = json.dumps(
        {name: json.loads(answer(level, rationale=rationale)) for name, level in levels.items()}
    )
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    read = read_combined(choice(text, [token(piece, {"3": 1.0}) for piece in pieces]), ["a", "b", "c"])
    for name, each in read.items():
        assert isinstance(each, Reading) == (name in levels)
        if isinstance(each, Reading):
            assert each.levels == pytest.approx({0: 0, 1: 0, 2: 0, 3: 1, 4: 0, 5: 0})


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
    reply = scored([plain(4), plain(2), plain(3)])
    assert reply.method == "samples"
    assert reply.score == pytest.approx(60)
    agreed = scored([plain(4)] * 4)
    assert agreed.confidence is not None
    assert reply.confidence is not None
    assert reply.confidence < agreed.confidence < 1


def test_a_plain_level_has_middling_confidence() -> None:
    reply = scored([plain(5)])
    assert (reply.method, reply.score) == ("level", 100.0)
    assert reply.confidence == pytest.approx(0.5)


@given(st.dictionaries(st.sampled_from("012345"), st.floats(1e-6, 1.0), min_size=1))
def test_any_distribution_gives_a_score_and_a_confidence_in_range(shares: dict[str, float]) -> None:
    total = sum(shares.values())
    tokens = [token("3", {digit: share / total for digit, share in shares.items()})]
    reply = scored([read_choice(choice("3", tokens), compact=True)])
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
    with contextlib.suppress(Unreadable):
        assert all(isinstance(each, Unreadable) for each in read_combined(choice(text), ["a"]).values())
