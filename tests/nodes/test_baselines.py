"""Who a trained adapter is compared with: what serves now, and what its run started from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rlhf.nodes.approve_deployment import approve_deployment
from rlhf.nodes.baselines import Contestants, contestants
from rlhf.nodes.prepare import register_run
from rlhf.nodes.services import Services
from rlhf.state.run_report import EvaluationStage, TrainingStage
from rlhf.training.registry import promote, resolve_adapter, store
from tests.nodes.builders import prompt_rows, settings

RUN = "run-1"


class Workshop:
    """A registered run of two rounds, both trained, and the registry of its adapters."""

    def __init__(self, folder: Path, model: Path, policy: Mapping[str, Any] | None = None) -> None:
        self.folder, self.model, self.registry = folder, model, folder / "adapters"
        sections: dict[str, Mapping[str, Any]] = {
            "policy": policy or {},
            "storage": {
                "ledger_url": f"sqlite:///{folder / 'ledger.sqlite'}",
                "checkpoint_url": f"sqlite:///{folder / 'checkpoints.sqlite'}",
            },
            "training": {"base_model": str(model)},
            "pipeline": {"output_dir": str(self.registry), "rounds": 2},
            "gates": {"deployment": "auto"},
        }
        self.services = Services(settings(**sections))
        self.ledger = self.services.ledger
        register_run(self.ledger, self.services.settings, RUN, "planner", prompt_rows(20), "rows")
        for round in (1, 2):
            trained = TrainingStage(adapter_path=str(self.made(f"round {round}")))
            self.ledger.set_stage(RUN, round, "training", trained)

    def made(self, weights: str) -> Path:
        """A trained adapter with these weights."""
        path = self.folder / "made" / weights
        path.mkdir(parents=True, exist_ok=True)
        (path / "adapter_model.safetensors").write_text(weights)
        (path / "adapter_config.json").write_text("{}")
        return path

    def champion(self, weights: str, run_id: str, round: int = 1, base: Path | None = None) -> None:
        """Make this adapter serve."""
        manifest = {"run_id": run_id, "round": round, "base_model": str(base or self.model)}
        version = store(self.registry, "planner", self.made(weights), manifest)
        promote(self.registry, "planner", version.version)

    def compared(self, round: int) -> Contestants:
        return contestants(self.services, self.ledger.run(RUN), round, self.ledger.prompts(RUN, "held_out"))

    async def gate(self, result: EvaluationStage) -> tuple[str, str]:
        """The automatic gate's answer and note in the first round."""
        self.ledger.set_stage(RUN, 1, "evaluation", result)
        runtime: Any = None
        command = await approve_deployment({"run_id": RUN, "round": 1}, runtime, services=self.services)
        assert isinstance(command.update, dict)
        return command.update["deployment"], command.update["note"]


@pytest.fixture
def workshop(tmp_path: Path, model: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path, model)
    yield made
    made.services.close()


def test_without_a_champion_the_start_is_the_baseline(workshop: Workshop) -> None:
    found = workshop.compared(1)
    assert (found.serving, found.champion) == (None, None)
    assert (found.start.plan.policy, found.start.plan.round) == ("baseline", 0)
    assert found.start.weights.adapter is None


def test_a_later_round_meets_the_earlier_one_that_serves_by_the_answers_it_gave(workshop: Workshop) -> None:
    workshop.champion("round 1", RUN)
    found = workshop.compared(2)
    assert found.serving is not None
    assert (found.serving.plan.policy, found.serving.plan.round) == ("adapter", 1)
    assert found.serving.weights.adapter == workshop.registry / "planner" / "v1"
    assert (found.adapter.plan.policy, found.adapter.plan.round) == ("adapter", 2)


def test_another_runs_champion_answers_under_its_version(workshop: Workshop) -> None:
    workshop.champion("old", "long ago")
    workshop.champion("other", "another run")
    for round in (1, 2):
        found = workshop.compared(round)
        assert found.serving is not None
        assert (found.serving.plan.policy, found.serving.plan.round) == ("champion", 2), (
            "made once for all rounds"
        )
        assert found.champion is not None
        assert found.champion.version == "v2"


def test_an_adapter_that_serves_already_is_compared_with_what_it_replaced(workshop: Workshop) -> None:
    workshop.champion("old", "long ago")
    workshop.champion("round 1", RUN)
    found = workshop.compared(1)
    assert found.champion is not None
    assert found.champion.version == "v1"


def test_a_run_that_started_from_the_champion_is_compared_once(tmp_path: Path, model: Path) -> None:
    begun = Workshop(tmp_path, model, {"model": f"hf:{model}", "adapter": "planner"})
    begun.champion("old", "long ago")
    found = begun.compared(1)
    assert found.serving is None
    assert found.champion is not None
    assert found.start.weights.adapter == resolve_adapter("planner", begun.registry)
    begun.services.close()


def test_a_champion_whose_base_is_gone_holds_the_adapter(workshop: Workshop) -> None:
    workshop.champion("old", "long ago", base=workshop.folder / "gone")
    found = workshop.compared(1)
    assert found.serving is None
    assert found.objection.startswith("planner v1, which serves now, could not be compared with: ")


async def test_the_gate_promotes_only_over_what_it_was_compared_with(workshop: Workshop) -> None:
    workshop.champion("old", "long ago")
    assert await workshop.gate(EvaluationStage(verdict="ship", champion="v1")) == ("approved", "")
    workshop.champion("newer", "another run")
    answer, note = await workshop.gate(EvaluationStage(verdict="ship", champion="v1"))
    assert answer == "rejected"
    assert note == "Not promoted: v2 serves by now, and the adapter was not compared with it."
