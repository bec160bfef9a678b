"""Parting prompts: held-out ones are set aside for good, near-duplicates with them, whatever order the file has."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.split import split_notes, split_prompts
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import parse_rows
from rlhf.state.records import PromptRow
from rlhf.state.run_report import SplitStage
from rlhf.state.settings import Settings
from tests.nodes.builders import name, prompt_rows, settings


def keys(rows: list[PromptRow], split: str) -> set[str]:
    return {row.key for row in rows if row.split == split}


def split_of(rows: list[PromptRow], chosen: Settings) -> list[PromptRow]:
    return split_prompts(rows, chosen)[0]


def asking(texts: list[str]) -> list[PromptRow]:
    return parse_rows([{"prompt": text} for text in texts], "general", "rows")


@given(st.integers(2, 60), st.floats(0, 0.9), st.integers(0, 99))
def test_held_out_and_training_prompts_never_overlap(count: int, share: float, seed: int) -> None:
    rows = prompt_rows(count)
    chosen = settings(pipeline={"held_out_fraction": share, "seed": seed})
    if share > 0 and max(1, round(share * count)) >= count:
        with pytest.raises(InputError, match="too few"):
            split_of(rows, chosen)
        return
    split = split_of(rows, chosen)
    held, trained = keys(split, "held_out"), keys(split, "train")
    assert not held & trained
    assert held | trained == {row.key for row in rows}
    assert trained
    assert len(held) == (max(1, round(share * count)) if share > 0 else 0)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_decide_who_is_held_out(chance: random.Random) -> None:
    rows = prompt_rows(20)
    shuffled = list(rows)
    chance.shuffle(shuffled)
    chosen = settings(pipeline={"held_out_fraction": 0.3, "num_synthetic_examples": 40})
    one, other = split_of(rows, chosen), split_of(shuffled, chosen)
    assert keys(one, "held_out") == keys(other, "held_out")
    assert keys(one, "train") == keys(other, "train")
    kept = {row.key for row in other}
    assert [row.key for row in other] == [row.key for row in shuffled if row.key in kept]


def test_the_seed_decides_who_is_held_out() -> None:
    rows = prompt_rows(40)
    seeds = [settings(pipeline={"held_out_fraction": 0.5, "seed": seed}) for seed in (7, 7, 8)]
    first, again, other = (keys(split_of(rows, chosen), "held_out") for chosen in seeds)
    assert first == again
    assert first != other


def test_prompts_beyond_the_wanted_number_of_responses_are_left_out() -> None:
    bound = {"num_synthetic_examples": 10, "num_variations_per_prompt": 3, "held_out_fraction": 0.2}
    split = split_of(prompt_rows(20), settings(pipeline=bound))
    assert len(keys(split, "train")) == 3, "three times three responses are the most that fit into ten"
    assert len(keys(split, "held_out")) == 4


def test_at_least_one_prompt_is_trained_on_even_under_a_tiny_bound() -> None:
    bound = {"num_synthetic_examples": 1, "num_variations_per_prompt": 3, "held_out_fraction": 0.2}
    assert len(keys(split_of(prompt_rows(5), settings(pipeline=bound)), "train")) == 1


def test_too_few_prompts_are_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match=r"1 prompt\(s\) are too few.*held_out_fraction"):
        split_of(prompt_rows(1), settings())


def test_without_a_held_out_share_a_single_prompt_is_enough() -> None:
    assert len(split_of(prompt_rows(1), settings(pipeline={"held_out_fraction": 0.0}))) == 1


HALF = settings(pipeline={"held_out_fraction": 0.5})


def test_amounts_alone_never_part_two_prompts() -> None:
    shops = ("Amazon and CVS", "Ulta and Petco")
    used, split = split_prompts(
        asking([f"Split ${n}00 between {both}." for both in shops for n in (1, 2, 3)]), HALF
    )
    assert all(len({row.split for row in used if both in row.text}) == 1 for both in shops)
    assert (split.num_clusters, split.num_held_out, split.num_held_out_clusters) == (2, 3, 1)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=12), st.floats(0.05, 0.9), st.integers(0, 20))
def test_no_cluster_is_on_both_sides(sizes: list[int], share: float, seed: int) -> None:
    texts = [
        f"{name(kind)}{name(9 * kind + 4)}, in {n} words"
        for kind, size in enumerate(sizes)
        for n in range(size)
    ]
    chosen = settings(pipeline={"held_out_fraction": share, "seed": seed})
    wanted = max(1, round(share * len(texts)))
    if wanted >= len(texts):
        return
    used, split = split_prompts(asking(texts), chosen)
    kinds = [{row.text.split(",")[0] for row in used if row.split == side} for side in ("train", "held_out")]
    assert not kinds[0] & kinds[1]
    assert all(kinds), "something is trained on and something held out"
    assert 1 <= split.num_held_out <= wanted
    assert (split.num_clusters, split.num_held_out_clusters) == (len(sizes), len(kinds[1]))
    assert split.num_train + split.num_held_out + split.num_left_out == split.num_prompts == len(texts)


def test_a_file_of_one_prompt_over_and_over_proves_nothing_and_says_so() -> None:
    used, split = split_prompts(asking([f"Write {n} lines about soap." for n in range(40)]), HALF)
    assert {row.split for row in used} == {"train"}
    assert split.num_clusters == 1
    assert "nothing can be proved" in split_notes(split)[-1]


def test_where_no_cluster_fits_part_of_the_smallest_is_held_out_and_its_rest_left_out() -> None:
    texts = [f"Write {n} lines about soap." for n in range(30)] + [
        f"Where do {n} otters sleep?" for n in range(20)
    ]
    used, split = split_prompts(asking(texts), settings(pipeline={"held_out_fraction": 0.2}))
    assert (split.num_train, split.num_held_out, split.num_left_out) == (30, 10, 10)
    assert all("otters" in row.text for row in used if row.split == "held_out")
    assert "1 different held-out prompts prove no improvement: 12 are the fewest" in split_notes(split)[-1]


def test_contexts_do_not_part_what_is_asked_in_the_same_words() -> None:
    texts = ("Plan a launch.", "Name rivals.")
    rows = parse_rows(
        [{"prompt": t, "context": {"brand": b}} for t in texts for b in "abc"], "general", "rows"
    )
    assert split_prompts(rows, HALF)[1].num_clusters == 2


@pytest.mark.parametrize(("bound", "held"), [(0, 40), (7, 7), (500, 40)])
def test_the_number_of_held_out_prompts_has_a_bound(bound: int, held: int) -> None:
    chosen = settings(pipeline={"held_out_fraction": 0.4, "num_held_out": bound})
    assert split_prompts(prompt_rows(100), chosen)[1].num_held_out == held


def test_what_is_left_out_is_said() -> None:
    chosen = settings(pipeline={"num_synthetic_examples": 50, "num_held_out": 20})
    _, split = split_prompts(prompt_rows(200), chosen)
    assert split == SplitStage(
        num_prompts=200,
        num_clusters=200,
        num_train=10,
        num_held_out=20,
        num_held_out_clusters=20,
        num_left_out=170,
    )
    [note] = split_notes(split)
    assert note.startswith("170 of 200 prompts are left out: 10 are trained on")
