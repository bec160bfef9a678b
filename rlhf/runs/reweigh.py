"""Derives a run's ratings, pairs, review queue and dataset anew under other settings, without asking any model."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from rlhf.nodes.accept import accepted
from rlhf.nodes.aggregate import Graded, aggregate_verdicts
from rlhf.nodes.build_dataset import RoundFeedback, nothing_left, pairs_of, written
from rlhf.nodes.judge_version import judge_version
from rlhf.nodes.panel import evidence_for, pack_for
from rlhf.nodes.report import round_or_none
from rlhf.state.choices import by_section
from rlhf.state.errors import InputError
from rlhf.state.ledger import Ledger, RunRow
from rlhf.state.ledger.versions import Derivation, Kept, Material, NewVersion
from rlhf.state.measures import Calibration
from rlhf.state.records import EvidenceNote, Feedback, Record, ResponseRow, Review
from rlhf.state.run_index import ledger_of_run, note_run
from rlhf.state.run_report import DatasetStage, TrainingStage
from rlhf.state.settings import Settings
from rlhf.training.pairs import Pair

Changes = Mapping[str, Mapping[str, Any]]
"""New settings by section and key."""


class Reweighed(Record):
    """What became of a run under other settings. The run itself stays as it is."""

    run_id: str
    """The new run."""
    base_run_id: str
    """The run it was derived from."""
    base_round: int
    """The round of that run whose responses it has."""
    changes: dict[str, Any]
    """`section.key` → new value."""
    num_responses: int
    """Judged training responses."""
    num_calls: int = 0
    """Model calls that were made: none."""
    mean_score_before: float | None
    """Mean overall score in the base run, points of 100; None without any."""
    mean_score_after: float | None
    """Mean overall score now."""
    ratings_up: int
    """Responses with a higher rating now."""
    ratings_down: int
    """Responses with a lower rating now."""
    newly_accepted: list[str]
    """Keys of the responses that are acceptable now and were not."""
    newly_rejected: list[str]
    """Keys of the responses that were acceptable and are not any more."""
    review_before: int
    """Responses that wait for a person in the base run."""
    review_after: int
    """Responses that wait for a person now."""
    review_added: list[str]
    """Keys of those that did not wait before."""
    review_removed: list[str]
    """Keys of those that no longer wait."""
    pairs_kept: int
    """Pairs that both runs have."""
    pairs_new: list[str]
    """Pairs as CHOSEN_KEY:REJECTED_KEY."""
    pairs_gone: list[str]
    """Pairs of the base run that are none any more, as CHOSEN_KEY:REJECTED_KEY."""
    dataset: DatasetStage
    """The new run's dataset."""
    notes: list[str]
    """What a reader must know: no pair was left, evidence was read anew, a rubric has changed."""


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
    acceptance.min_score_acceptable. The ledger is that of the recipe, or the one that holds the run. No model is
    asked, and nothing of the old run changes; `rlhf resume NEW` goes on from review to training. Raises InputError
    if there is no such run or nothing of it is judged, SettingsError for a value that cannot be.
    """
    with ledger_of_run(run_id, recipe) as ledger:
        return derive(
            ledger,
            run_id,
            by_section(
                {
                    "weights": None if weights is None else dict(weights),
                    "min_score_acceptable": threshold,
                    "min_rating_chosen": min_rating_chosen,
                    "max_rating_rejected": max_rating_rejected,
                    "selection": selection,
                    "min_margin": min_margin,
                    "evidence_weight": evidence_weight,
                }
            ),
        )


def derive(ledger: Ledger, run_id: str, changes: Changes) -> Reweighed:
    """Keep the run's newest round as a new run under the changed settings, and say what differs. Blocking.

    Everything is derived from the ledger: verdicts, evidence, people's answers. An approval stays what the person
    saw: where the judges' rating changes, it becomes that person's rating. Raises InputError if there is no such
    run or nothing of it is judged, SettingsError for a setting that cannot be.
    """
    with _uncollected():
        return _reweighed(ledger, ledger.run(run_id), changes)


def _reweighed(ledger: Ledger, base: RunRow, changes: Changes) -> Reweighed:
    run_id, round = base.run_id, max(base.round, 1)
    material = ledger.versions.material(run_id, round)
    if not material.feedback:
        raise InputError(f"Run {run_id} has no judged responses yet: there is nothing to weigh.")
    settings = base.settings.replace(changes, "reweigh")
    told = {
        f"{section}.{key}": value
        for section, values in changes.items()
        for key, value in values.items()
        if base.settings.model_dump()[section][key] != value
    }
    version = Derivation(run_id=_new_id(ledger, run_id), base_run_id=run_id, base_round=round, changes=told)
    work = _Work(ledger, version, settings.replace(_starting_point(ledger, base, round), "reweigh"))
    feedback = work.feedback(material)
    before = ledger.reviews(run_id)
    reviews = {key: _carried(before[key], material.feedback.get(key), feedback.get(key)) for key in before}
    reviews = {key: review for key, review in reviews.items() if key in material.responses}
    made = [key for keys in material.by_prompt.values() for key in keys if key in feedback]
    waiting = {key for key in made if feedback[key].needs_review and key not in reviews}
    run = replace(base, run_id=version.run_id, kept_settings=work.settings)
    pairs, dataset = work.dataset(run, material, feedback, reviews, provisional=bool(waiting))
    ledger.versions.add(
        NewVersion(
            version=version,
            settings=work.settings,
            note=f"Derived from {run_id}; go on to review and training with `rlhf resume {version.run_id}`.",
            feedback=feedback,
            reviews=list(reviews.values()),
            pairs=[(pair.chosen.key, pair.rejected.key, pair.margin) for pair in pairs],
            dataset=dataset,
            calibrations=work.calibrations,
        )
    )
    note_run(version.run_id, ledger.url)
    waited = {key for key in made if material.feedback[key].needs_review and key not in before}
    return _compared(version, material, made, feedback, waited, waiting, pairs, dataset, work.notes)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: going through a million new records again and again doubles the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@dataclass(frozen=True)
class _KeptEvidence:
    """A dimension's evidence as an earlier feedback holds it."""

    score: float | None
    cap: float | None
    notes: list[EvidenceNote]


class _Work:
    """One derivation: its settings, the calibrations in use, and what is worth a note."""

    def __init__(self, ledger: Ledger, version: Derivation, settings: Settings) -> None:
        self.settings = settings
        self.calibrations: dict[str, str | None] = {}
        self.notes: list[str] = []
        self._ledger = ledger
        self._version = version
        self._read_anew = 0

    def feedback(self, material: Material) -> dict[str, Feedback]:
        """The feedback of every response that had one, derived anew."""
        packs = {name: pack_for(name) for name in {row.task_type for row in material.responses.values()}}
        calibrations = {name: self._calibration(name) for name in packs}
        other: dict[str, set[str]] = {}
        found: dict[str, Feedback] = {}
        versions = {name: pack.version for name, pack in packs.items()}
        for key, kept in material.feedback.items():
            response, verdicts = material.responses[key], material.verdicts.get(key, {})
            pack = packs[response.task_type]
            entry = aggregate_verdicts(
                response,
                verdicts,
                self._evidence(kept, response),
                pack,
                self.settings,
                calibrations[response.task_type],
            )
            found[key] = accepted(entry, self.settings, key)
            for verdict in verdicts.values():
                if verdict.rubric_version != versions[response.task_type]:
                    other.setdefault(response.task_type, set()).add(verdict.rubric_version)
        if self._read_anew:
            self.notes.append(
                f"The evidence on {self._read_anew} responses was kept without its figures by an older version: "
                "it was read from their texts anew."
            )
        for name, olds in sorted(other.items()):
            self.notes.append(
                f"Verdicts on {name} were given by rubric version {', '.join(sorted(olds))}; its weights and "
                f"vetoes are now those of version {versions[name]}."
            )
        return found

    def dataset(
        self,
        run: RunRow,
        material: Material,
        feedback: Mapping[str, Feedback],
        reviews: Mapping[str, Review],
        *,
        provisional: bool,
    ) -> tuple[list[Pair], DatasetStage]:
        """The pairs and their dataset; without any pair no file is written and a note says why."""
        made = {key: material.responses[key] for keys in material.by_prompt.values() for key in keys}
        judged = RoundFeedback(
            material.by_prompt, made, {key: feedback[key] for key in made if key in feedback}, reviews
        )
        pairs, dropped = pairs_of(run, judged)
        if not pairs:
            self.notes.append(nothing_left(dropped, len(judged.by_prompt)))
            return [], DatasetStage(dropped=dropped)
        base = {"run_id": self._version.base_run_id, "round": self._version.base_round}
        stage = written(run, 1, judged, pairs, dropped, reweighed_from=base)
        return pairs, stage.model_copy(update={"provisional": provisional})

    def _calibration(self, task_type: str) -> Calibration | None:
        """The one the base uses; the newest if other settings make another judge of it."""
        if not self.settings.judge.calibration:
            return None
        judge, known = judge_version(task_type, self.settings), self._ledger.calibrations
        found = known.kept(self._version.base_run_id, judge)
        self.calibrations[judge.key] = None if found is None else found.key
        return found

    def _evidence(self, kept: Kept, response: ResponseRow) -> Mapping[str, Graded]:
        if kept.has_figures:
            return {
                name: _KeptEvidence(part.evidence_score, part.evidence_cap, part.evidence)
                for name, part in kept.dimensions.items()
            }
        self._read_anew += 1
        return evidence_for(pack_for(response.task_type), response)


def _carried(review: Review, before: Kept | None, after: Feedback | None) -> Review:
    """A person's answer as it counts under the new rating: an approval was given to the old one."""
    approved = before.rating if before else None
    if review.own_rating is not None or approved is None or (after is not None and after.rating == approved):
        return review
    return review.model_copy(update={"decision": "edit", "rating": approved})


def _starting_point(ledger: Ledger, base: RunRow, round: int) -> Changes:
    """A later round began from the adapter of the round before it: so does the run made of it."""
    if round == 1:
        return {}
    trained = ledger.stage(base.run_id, round - 1, "training", TrainingStage)
    if trained is None or trained.adapter_path is None:
        return {}
    model = base.settings.training.base_model
    model = model if model == "local" or model.startswith("hf:") else f"hf:{model}"
    return {"policy": {"model": model, "adapter": trained.adapter_path}}


def _new_id(ledger: Ledger, run_id: str) -> str:
    """RUN-w1, RUN-w2, … beside the run that was the first of all."""
    root = run_id
    while (version := ledger.versions.of(root)) is not None:
        root = version.base_run_id
    number = 1
    while ledger.has_run(new := f"{root[:56]}-w{number}"):
        number += 1
    return new


def _compared(
    version: Derivation,
    material: Material,
    made: Sequence[str],
    feedback: Mapping[str, Feedback],
    waited: set[str],
    waiting: set[str],
    pairs: Sequence[Pair],
    dataset: DatasetStage,
    notes: list[str],
) -> Reweighed:
    old, keys = material.feedback, list(dict.fromkeys(made))
    moves = [
        (after.rating - before.rating)
        for before, after in ((old[key], feedback[key]) for key in keys)
        if before.rating is not None and after.rating is not None
    ]
    now = {(pair.chosen.key, pair.rejected.key) for pair in pairs}
    return Reweighed(
        run_id=version.run_id,
        base_run_id=version.base_run_id,
        base_round=version.base_round,
        changes=version.changes,
        num_responses=len(keys),
        mean_score_before=_mean([old[key].overall_score for key in keys]),
        mean_score_after=_mean([feedback[key].overall_score for key in keys]),
        ratings_up=sum(move > 0 for move in moves),
        ratings_down=sum(move < 0 for move in moves),
        newly_accepted=[k for k in keys if feedback[k].is_acceptable and not old[k].is_acceptable],
        newly_rejected=[k for k in keys if old[k].is_acceptable and not feedback[k].is_acceptable],
        review_before=len(waited),
        review_after=len(waiting),
        review_added=sorted(waiting - waited),
        review_removed=sorted(waited - waiting),
        pairs_kept=len(now & material.pairs),
        pairs_new=[f"{chosen}:{rejected}" for chosen, rejected in sorted(now - material.pairs)],
        pairs_gone=[f"{chosen}:{rejected}" for chosen, rejected in sorted(material.pairs - now)],
        dataset=dataset,
        notes=notes,
    )


def _mean(scores: Sequence[float | None]) -> float | None:
    return round_or_none([score for score in scores if score is not None])
