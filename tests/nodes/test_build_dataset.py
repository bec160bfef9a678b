"""The dataset node on a real ledger: people's word wins, what is dropped is told, nothing is written twice."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, StateGraph

from rlhf.nodes.build_dataset import build_dataset
from rlhf.nodes.prepare import register_run
from rlhf.nodes.services import Services
from rlhf.state.errors import DatasetError
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.records import Review
from rlhf.state.run_report import DatasetStage
from rlhf.state.scores import points_of_rating
from tests.nodes.builders import LedgerRun, feedback, prompt_rows, settings

RUN = "run-1"


class Judged:
    """A registered run whose responses to the first training prompt have the scores given."""

    def __init__(self, folder: Path, model: Path, **sections: Mapping[str, Any]) -> None:
        fixed: dict[str, Any] = {
            "storage": {
                "ledger_url": f"sqlite:///{folder / 'ledger.sqlite'}",
                "checkpoint_url": f"sqlite:///{folder / 'checkpoints.sqlite'}",
            },
            "training": {"base_model": str(model)},
            "pipeline": {"dataset_dir": str(folder / "data"), "held_out_fraction": 0.25},
        }
        self.services = Services(settings(**fixed | sections))
        self.ledger = self.services.ledger
        register_run(self.ledger, self.services.settings, RUN, "planner", prompt_rows(4), "rows")
        self.run = LedgerRun(self.ledger, RUN)
        self.prompt = self.ledger.prompts(RUN, "train")[0]
        self.folder = folder / "data"

    def add(self, text: str, score: float | None, **changes: Any) -> str:
        """A response with the judges' score; returns its key."""
        rating = None if score is None else min(5, 1 + int(score // 20))
        return self.run.add(self.prompt, text, feedback(score, rating=rating, **changes))

    def say(self, key: str, decision: str, rating: int | None = None) -> None:
        """A person's word."""
        review = Review.model_validate({"response_key": key, "decision": decision, "rating": rating})
        self.ledger.add_reviews(RUN, [review])

    async def build(self) -> tuple[DatasetStage, list[dict[str, Any]]]:
        """Run the node in a graph of its own; returns its result and the dataset's rows."""
        graph = StateGraph(PipelineState, RunContext)
        graph.add_node("build_dataset", partial(build_dataset, services=self.services))
        graph.add_edge(START, "build_dataset")
        await graph.compile().ainvoke({"run_id": RUN, "round": 1})
        stage = self.ledger.stage(RUN, 1, "dataset", DatasetStage)
        assert stage is not None
        assert stage.path is not None
        return stage, [json.loads(line) for line in Path(stage.path).read_text().splitlines()]


@pytest.fixture
def judged(tmp_path: Path, model: Path) -> Iterator[Judged]:
    made = Judged(tmp_path, model)
    yield made
    made.services.close()


async def test_a_pair_is_written_with_where_it_comes_from(judged: Judged) -> None:
    good, bad = judged.add("Call the client today.", 90.0), judged.add("No idea at all.", 20.0)
    stage, (row,) = await judged.build()
    assert (row["chosen_key"], row["rejected_key"]) == (good, bad)
    assert row["prompt"] == [{"role": "user", "content": judged.prompt.text}]
    assert stage.num_examples == 1
    manifest = json.loads(next(judged.folder.glob("planner_dpo_*.manifest.json")).read_text())
    assert manifest["run_id"] == RUN
    assert manifest["num_examples"] == 1
    assert manifest["rubric_versions"].keys() == {"general"}


async def test_a_persons_word_wins_over_the_judges(judged: Judged) -> None:
    praised, fair = judged.add("Call the client today.", 95.0), judged.add("No idea at all.", 30.0)
    vetoed = judged.add("Ask the press office first.", 75.0, vetoed=True)
    judged.say(praised, "reject")
    judged.say(vetoed, "edit", 5)
    judged.say(fair, "approve")
    _, (row,) = await judged.build()
    assert (row["chosen_key"], row["chosen_score"]) == (vetoed, points_of_rating(5))
    assert (row["rejected_key"], row["rejected_score"]) == (praised, points_of_rating(1))


async def test_built_once_the_dataset_is_left_as_it_is(judged: Judged) -> None:
    judged.add("Call the client today.", 90.0)
    judged.add("No idea at all.", 20.0)
    first, _ = await judged.build()
    judged.add("Ask the press office first.", 100.0)
    again, _ = await judged.build()
    assert again == first
    assert len(list(judged.folder.glob("*.jsonl"))) == 1


async def test_when_no_pair_survives_the_error_says_what_took_how_many_and_the_way_out(
    judged: Judged,
) -> None:
    judged.add("Call the client today.", 55.0)
    judged.add("No idea at all.", 50.0)
    with pytest.raises(DatasetError, match=r"No pair survived.*no_chosen 1.*min_rating_chosen"):
        await judged.build()
    assert not judged.folder.exists()
    assert judged.ledger.stage(RUN, 1, "dataset", DatasetStage) is None


async def test_a_response_that_was_never_scored_is_no_side_of_a_pair(judged: Judged) -> None:
    judged.add("Call the client today.", 90.0)
    judged.add("No idea at all.", None)
    with pytest.raises(DatasetError, match="no_score 1"):
        await judged.build()


async def test_a_pair_longer_than_the_recipe_allows_is_dropped(tmp_path: Path, model: Path) -> None:
    made = Judged(tmp_path, model, dataset={"max_length": 64})
    made.add("give " * 200, 90.0)
    made.add("No idea at all.", 20.0)
    with pytest.raises(DatasetError, match=r"too_long 1.*max_length"):
        await made.build()
    made.services.close()
