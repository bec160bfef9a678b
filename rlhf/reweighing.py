"""Other weights, thresholds or rules of selection for a run that is judged, without asking any model."""

from collections.abc import Mapping
from typing import Any, Literal

from nodes.reweigh import Reweighed
from nodes.reweigh import reweigh as reweighed
from state.ledger import Ledger
from state.settings import choose_recipe

__all__ = ["Reweighed", "reweigh"]


def reweigh(
    run_id: str,
    *,
    weights: Mapping[str, float] | None = None,
    threshold: float | None = None,
    min_margin: float | None = None,
    selection: Literal["threshold", "margin"] | None = None,
    min_rating_chosen: int | None = None,
    max_rating_rejected: int | None = None,
    evidence_weight: float | None = None,
    recipe: str | None = None,
) -> Reweighed:
    """Derive a run's ratings, pairs, review queue and dataset anew; the result is a run beside the old one.

    What is left out stays as it was. `weights` name all five dimensions and sum to 1; `threshold` (0–100) is
    acceptance.min_score_acceptable. The ledger is that of the recipe (the one in use if left out). No model is
    asked, and nothing of the old run changes; `rlhf resume NEW` goes on from review to training. Raises InputError
    if there is no such run or nothing of it is judged, SettingsError for a value that cannot be.
    """
    ledger = Ledger(choose_recipe(recipe).settings.storage.ledger_url)
    try:
        return reweighed(
            ledger,
            run_id,
            changes_of(
                weights=None if weights is None else dict(weights),
                min_score_acceptable=threshold,
                min_rating_chosen=min_rating_chosen,
                max_rating_rejected=max_rating_rejected,
                selection=selection,
                min_margin=min_margin,
                evidence_weight=evidence_weight,
            ),
        )
    finally:
        ledger.close()


_SECTIONS = {
    "weights": "acceptance",
    "min_score_acceptable": "acceptance",
    "min_rating_chosen": "acceptance",
    "max_rating_rejected": "acceptance",
    "selection": "dataset",
    "min_margin": "dataset",
    "evidence_weight": "judge",
}


def changes_of(**given: Any) -> dict[str, dict[str, Any]]:
    """What is given, by the section of the recipe it belongs to."""
    changes: dict[str, dict[str, Any]] = {}
    for key, value in given.items():
        if value is not None:
            changes.setdefault(_SECTIONS[key], {})[key] = value
    return changes
