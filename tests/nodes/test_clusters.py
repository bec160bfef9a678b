"""Near-duplicates found together: numbers and case apart, in any order, and in time that grows with the text."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rlhf.nodes.clusters import PIECE, SIMILAR, near_duplicates
from rlhf.state.files.prompts import read_prompts

LONG = "Split a $1.2M retail media budget for Lumora's spring sunscreen launch between CVS, Amazon, Walmart and {}."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$100 between Amazon and CVS", "$120 between Amazon and CVS"),
        ("Split $750K between Amazon and CVS.", "split  $1.2M between amazon and cvs."),
        ("Teile 1.200,50 € auf DM und Rossmann auf.", "Teile 900 € auf DM und Rossmann auf."),
        ("１００ yen for tea", "200 yen for tea"),
        (LONG.format("Target"), LONG.format("Kroger")),
        ("把预算分给亚马逊和沃尔玛，并说明每一家的理由。", "把预算分给亚马逊和沃尔玛，并说明每一家的理由！"),
    ],
)
def test_what_differs_in_numbers_case_or_a_word_of_many_is_alike(one: str, other: str) -> None:
    assert near_duplicates([one, other]) == [0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Split $100 between Amazon and CVS", "Split $100 between Ulta and Petco"),
        ("What is the capital of France?", "Who wrote the play Hamlet?"),
        ("", "a"),
        ("把预算分给亚马逊和沃尔玛。", "为新款防晒霜写一句广告语。"),
    ],
)
def test_what_asks_something_else_is_not(one: str, other: str) -> None:
    assert near_duplicates([one, other]) == [0, 1]


def test_a_chain_of_small_changes_is_one_cluster() -> None:
    words = [f"{letter}word{letter * 3}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    chain = [" ".join(words[start : start + 16]) for start in range(11)]
    assert near_duplicates([chain[0], chain[-1]]) == [0, 1]
    assert set(near_duplicates(chain)) == {0}


def test_texts_shorter_than_a_piece_and_empty_ones_stay_apart() -> None:
    assert near_duplicates(["cat", "dog", "", "cat", "犬"]) == [0, 1, 2, 0, 3]
    assert near_duplicates([]) == []


def test_instructions_before_every_question_do_not_make_the_questions_alike() -> None:
    frame = "You plan retail media. Name each retailer with its amount, give one reason for each. " * 4
    questions = [row.text for row in read_prompts(Path("examples", "prompts", "budgeting.jsonl"), "general")]
    assert len(set(near_duplicates([frame + question for question in questions]))) > 45


def test_a_frame_with_one_word_to_fill_in_is_the_same_question_each_time() -> None:
    words = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "some",
    ]
    assert set(
        near_duplicates([f"Write {word} short lines about our new soap for dry skin." for word in words])
    ) == {0}


@pytest.mark.parametrize("file", ["budgeting", "creative"])
def test_the_shipped_prompts_are_all_different(file: str) -> None:
    rows = read_prompts(Path("examples", "prompts", f"{file}.jsonl"), "general")
    assert near_duplicates([row.text for row in rows]) == list(range(48))


def _exact(one: str, other: str) -> float:
    first, second = (
        {text[i : i + PIECE] for i in range(max(1, len(text) - PIECE + 1))} for text in (one, other)
    )
    return len(first & second) / len(first | second)


parts = st.sampled_from(["plan", "a spring", "launch", "for tea", "in Ohio", "now"])
sentences = st.lists(parts, min_size=1, max_size=6)


@hypothesis_settings(max_examples=60)
@given(st.lists(sentences.map(" ".join), max_size=8), st.randoms(use_true_random=False))
def test_order_decides_nothing_and_what_is_clearly_alike_is_together(
    texts: list[str], chance: random.Random
) -> None:
    found = dict(zip(texts, near_duplicates(texts), strict=True))
    shuffled = chance.sample(texts, len(texts))
    again = dict(zip(shuffled, near_duplicates(shuffled), strict=True))
    for one in found:
        for other in found:
            assert (found[one] == found[other]) == (again[one] == again[other])
            if _exact(one.casefold(), other.casefold()) >= SIMILAR + 0.2:
                assert found[one] == found[other]
