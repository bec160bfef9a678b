"""Preparing a run: held-out prompts are set aside for good, whatever order the file has."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.prepare import register_run, with_splits
from rlhf.state.errors import InputError
from rlhf.state.ledger import Ledger
from rlhf.state.records import PromptRow
from rlhf.state.settings import Settings
from tests.nodes.builders import prompt_rows, settings


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


def keys(rows: list[PromptRow], split: str) -> set[str]:
    return {row.key for row in rows if row.split == split}


@given(st.integers(2, 60), st.floats(0, 0.9), st.integers(0, 99))
def test_held_out_and_training_prompts_never_overlap(count: int, share: float, seed: int) -> None:
    rows = prompt_rows(count)
    chosen = settings(pipeline={"held_out_fraction": share, "seed": seed})
    if share > 0 and max(1, round(share * count)) >= count:
        with pytest.raises(InputError, match="too few"):
            with_splits(rows, chosen)
        return
    split = with_splits(rows, chosen)
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
    one, other = with_splits(rows, chosen), with_splits(shuffled, chosen)
    assert keys(one, "held_out") == keys(other, "held_out")
    assert keys(one, "train") == keys(other, "train")
    kept = {row.key for row in other}
    assert [row.key for row in other] == [row.key for row in shuffled if row.key in kept]


def test_the_seed_decides_who_is_held_out() -> None:
    rows = prompt_rows(40)
    seeds = [settings(pipeline={"held_out_fraction": 0.5, "seed": seed}) for seed in (7, 7, 8)]
    first, again, other = (keys(with_splits(rows, chosen), "held_out") for chosen in seeds)
    assert first == again
    assert first != other


def test_prompts_beyond_the_wanted_number_of_responses_are_left_out() -> None:
    bound = {"num_synthetic_examples": 10, "num_variations_per_prompt": 3, "held_out_fraction": 0.2}
    split = with_splits(prompt_rows(20), settings(pipeline=bound))
    assert len(keys(split, "train")) == 3, "three times three responses are the most that fit into ten"
    assert len(keys(split, "held_out")) == 4


def test_at_least_one_prompt_is_trained_on_even_under_a_tiny_bound() -> None:
    bound = {"num_synthetic_examples": 1, "num_variations_per_prompt": 3, "held_out_fraction": 0.2}
    assert len(keys(with_splits(prompt_rows(5), settings(pipeline=bound)), "train")) == 1


def test_too_few_prompts_are_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match=r"1 prompt\(s\) are too few.*held_out_fraction"):
        with_splits(prompt_rows(1), settings())


def test_without_a_held_out_share_a_single_prompt_is_enough() -> None:
    assert len(with_splits(prompt_rows(1), settings(pipeline={"held_out_fraction": 0.0}))) == 1


def test_a_run_is_registered_with_its_splits(ledger: Ledger) -> None:
    chosen = settings(pipeline={"held_out_fraction": 0.25})
    register_run(ledger, chosen, "run-1", "planner", prompt_rows(8), "prompts.jsonl")
    assert ledger.run("run-1").settings == chosen
    assert len(ledger.prompts("run-1", "train")) == 6
    assert len(ledger.prompts("run-1", "held_out")) == 2


@pytest.mark.parametrize(
    ("run_id", "adapter"), [("../up", "planner"), ("run", "a/b"), ("", "planner"), ("run", ".hidden")]
)
def test_names_that_are_paths_are_refused_and_nothing_is_written(
    ledger: Ledger, run_id: str, adapter: str
) -> None:
    with pytest.raises(InputError, match="not usable"):
        register_run(ledger, settings(), run_id, adapter, prompt_rows(8), "rows")
    assert ledger.runs() == []


def test_a_run_id_that_exists_is_refused(ledger: Ledger) -> None:
    chosen: Settings = settings()
    register_run(ledger, chosen, "run-1", "planner", prompt_rows(8), "rows")
    with pytest.raises(InputError, match="rlhf resume run-1"):
        register_run(ledger, chosen, "run-1", "other", prompt_rows(9), "rows")
    assert ledger.run("run-1").adapter_name == "planner"
    assert len(ledger.prompts("run-1", "train")) + len(ledger.prompts("run-1", "held_out")) == 8


def test_a_broken_rubric_pack_is_refused_before_the_run_exists(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brand_new.yaml").write_text("task_type: brand_new\nlevels: 7\n", encoding="utf-8")
    monkeypatch.setenv("RLHF_RUBRICS", str(tmp_path))
    rows = [row.model_copy(update={"task_type": "brand_new"}) for row in prompt_rows(8)]
    with pytest.raises(InputError, match=r"brand_new\.yaml, line 2"):
        register_run(ledger, settings(), "run-1", "planner", rows, "rows")
    assert ledger.runs() == []
