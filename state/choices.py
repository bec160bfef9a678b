"""Settings that can be chosen by one plain name: by a client for its run, from Python, or for `rlhf reweigh`."""

from collections.abc import Mapping
from typing import Any, Final

PLACES: Final[Mapping[str, str]] = {
    "task_type": "task_type",
    "weights": "acceptance.weights",
    "min_score_acceptable": "acceptance.min_score_acceptable",
    "min_rating_chosen": "acceptance.min_rating_chosen",
    "max_rating_rejected": "acceptance.max_rating_rejected",
    "selection": "dataset.selection",
    "min_margin": "dataset.min_margin",
    "evidence_weight": "judge.evidence_weight",
    "start_from": "policy.adapter",
    "review": "review.mode",
    "audit_fraction": "review.audit_fraction",
    "rounds": "pipeline.rounds",
    "num_synthetic_examples": "pipeline.num_synthetic_examples",
    "num_variations_per_prompt": "pipeline.num_variations_per_prompt",
    "output_dir": "pipeline.output_dir",
    "dataset_dir": "pipeline.dataset_dir",
    "seed": "pipeline.seed",
    "training_gate": "gates.training",
    "deployment_gate": "gates.deployment",
}
"""Where each stands in a recipe: `section.key`, or a key of the recipe itself."""


def by_section(choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices as changes of a recipe, {section: {key: value}} or {key: value}; None is no choice."""
    changes: dict[str, Any] = {}
    for name, value in choices.items():
        if value is None:
            continue
        section, _, key = PLACES[name].partition(".")
        if key:
            changes.setdefault(section, {})[key] = value
        else:
            changes[section] = value
    return changes


ASK_NOBODY: Final[Mapping[str, Any]] = by_section(
    {"training_gate": "auto", "deployment_gate": "auto", "review": "off"}
)
"""Changes of a recipe whose run goes from end to end by itself: `--yes`, and Python without `on_review`."""
