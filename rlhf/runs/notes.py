"""What a person should know of a run before it spends anything."""

from rlhf.nodes.split import split_notes
from rlhf.state.ledger import Ledger
from rlhf.state.run_report import SplitStage
from rlhf.state.settings import Settings


def first_notes(ledger: Ledger, run_id: str) -> list[str]:
    """A sentence about each weakness of the run's prompts and settings that shows before it begins."""
    settings = ledger.run(run_id).settings
    split = ledger.stage(run_id, 0, "split", SplitStage) or SplitStage()
    return [*split_notes(split), *([self_judging(settings)] if settings.self_judged else [])]


def self_judging(settings: Settings) -> str:
    """What it means that the judge is also the model that answers, or the one that learns."""
    deeds = "answers and judges"
    if settings.gates.deployment == "auto":
        deeds = "answers, judges and approves"
    share = settings.judge.evidence_weight
    checks = f" Deterministic checks carry {share:.0%} of each score." if share else ""
    return (
        f"{settings.judge.model} {deeds}: a judge may favour its own writing.{checks} Name another model in [judge], "
        "or measure this one against people: rlhf agreement LABELS"
    )
