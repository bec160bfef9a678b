"""What a trained adapter is compared with: what serves now under its name, and what its run started from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhf.nodes.generate import starting_adapter
from rlhf.nodes.generation.sampling import Plan, Weights
from rlhf.nodes.services import Services
from rlhf.state.errors import InputError
from rlhf.state.files.atomic import sha256_file
from rlhf.state.ledger import RunRow
from rlhf.state.records import PromptRow
from rlhf.state.run_report import TrainingStage
from rlhf.training.local_model import resolve_model
from rlhf.training.registry import WEIGHTS, Version, champion_before


@dataclass(frozen=True)
class Side:
    """One model of the evaluation: which samples it makes, and from which weights."""

    plan: Plan
    weights: Weights


@dataclass(frozen=True)
class Contestants:
    """The models of an evaluation. `serving` is None where the start is what would be replaced, or cannot be run."""

    adapter: Side
    start: Side
    serving: Side | None
    champion: Version | None
    """What serves now, if anything does; the start itself where `serving` is None and `objection` empty."""
    objection: str = ""
    """Why what serves now could not be compared with."""

    @property
    def sides(self) -> list[Side]:
        """Those that answer, the baseline of the decision first."""
        return [*([self.serving] if self.serving else []), self.start, self.adapter]


def contestants(services: Services, run: RunRow, round: int, prompts: Sequence[PromptRow]) -> Contestants:
    """Who is compared in the round. Blocking.

    Samples of a champion are kept under the number of its version, which never changes; a champion that an earlier
    round of this run trained has answered already.
    """
    trained = services.ledger.stage(run.run_id, round, "training", TrainingStage)
    assert trained is not None, "training comes before evaluation"
    assert trained.adapter_path is not None, "training stores where the adapter is"
    options = run.settings.pipeline
    base, variations = run.settings.training.base_model, options.num_held_out_variations
    begun = starting_adapter(run.settings)
    start = Side(Plan("baseline", 0, prompts, variations), Weights(base, begun))
    adapter = Side(Plan("adapter", round, prompts, variations), Weights(base, Path(trained.adapter_path)))
    champion = champion_before(Path(options.output_dir), run.adapter_name, run.run_id, round)
    if champion is None or (begun is not None and _same_weights(champion, begun)):
        return Contestants(adapter, start, None, champion)
    if champion.manifest["run_id"] == run.run_id:
        plan = Plan("adapter", champion.manifest["round"], prompts, variations)
    else:
        plan = Plan("champion", champion.number, prompts, variations)
    try:
        weights = Weights(str(resolve_model(champion.manifest["base_model"])), champion.path)
    except InputError as error:
        why = f"{run.adapter_name} {champion.version}, which serves now, could not be compared with: {error}"
        return Contestants(adapter, start, None, champion, why)
    return Contestants(adapter, start, Side(plan, weights), champion)


def _same_weights(version: Version, adapter: Path) -> bool:
    return bool(version.manifest["sha256"][WEIGHTS] == sha256_file(adapter / WEIGHTS))
