"""Preparing a run: registered whole or not at all."""

from pathlib import Path

import pytest

from rlhf.nodes.prepare import register_run
from rlhf.state.errors import InputError
from rlhf.state.ledger import Ledger
from rlhf.state.run_report import SplitStage
from rlhf.state.settings import Settings
from tests.nodes.builders import prompt_rows, settings


def test_a_run_is_registered_with_its_splits(ledger: Ledger) -> None:
    chosen = settings(pipeline={"held_out_fraction": 0.25})
    register_run(ledger, chosen, "run-1", "planner", prompt_rows(8), "prompts.jsonl")
    assert ledger.run("run-1").settings == chosen
    assert len(ledger.prompts("run-1", "train")) == 6
    assert len(ledger.prompts("run-1", "held_out")) == 2
    told = ledger.stage("run-1", 0, "split", SplitStage)
    assert told is not None
    assert (told.num_prompts, told.num_train, told.num_held_out) == (8, 6, 2)


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


def test_more_or_longer_prompts_than_the_operator_allows_are_refused(ledger: Ledger) -> None:
    few = settings(pipeline={"max_prompts": 7})
    with pytest.raises(
        InputError, match=r"There are 8 prompts, and pipeline\.max_prompts is 7: leave some out"
    ):
        register_run(ledger, few, "run-1", "planner", prompt_rows(8), "rows")
    short = settings(pipeline={"max_prompt_chars": 5})
    with pytest.raises(InputError, match=r"pipeline\.max_prompt_chars is 5: shorten it, or raise it"):
        register_run(ledger, short, "run-1", "planner", prompt_rows(8), "rows")
    assert ledger.runs() == []
