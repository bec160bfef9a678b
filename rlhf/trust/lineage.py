"""Where an adapter, a pair or a response comes from: down to every verdict, its evidence, its judge and its time."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from rlhf.state.errors import InputError
from rlhf.state.files.atomic import sha256_file
from rlhf.state.ledger import Ledger
from rlhf.state.ledger.origins import Asked, MadeBy, PairRow
from rlhf.state.ledger.traces import Trace
from rlhf.state.recipe import choose_recipe
from rlhf.state.records import DimensionFeedback, ResponseRow, Review
from rlhf.state.run_index import known_ledgers
from rlhf.state.run_report import DatasetStage
from rlhf.training.dataset import read_dataset
from rlhf.training.registry import Version, find, list_adapters
from rlhf.trust.lineage_records import (
    AdapterOrigin,
    Origin,
    PairOrigin,
    PersonOrigin,
    ResponseOrigin,
    VerdictOrigin,
)

__all__ = [
    "AdapterOrigin",
    "Origin",
    "PairOrigin",
    "PersonOrigin",
    "ResponseOrigin",
    "VerdictOrigin",
    "lineage",
]

_KEY = re.compile(r"[0-9a-f]{4,24}")


def lineage(reference: str, *, recipe: str | None = None) -> Origin:
    """Where it comes from: NAME or NAME@VERSION (a deployed adapter), CHOSEN:REJECTED or FILE.jsonl#ROW (a pair),
    or a response's key; keys may be shortened to a beginning of four digits or more that no other has.

    Ledger and adapters are those of the recipe; left out, those of the recipe in use and then of every run noted
    in the working folder. Raises InputError that says what there is if nothing fits.
    """
    settings = choose_recipe(recipe).settings
    missed: list[InputError] = []
    for url in known_ledgers(recipe) or [settings.storage.ledger_url]:
        with closing(Ledger(url)) as ledger:
            for folder in _adapter_folders(ledger, settings.pipeline.output_dir, every_run=recipe is None):
                try:
                    return _Lookup(ledger, folder).origin(reference.strip())
                except InputError as error:
                    missed.append(error)
    raise missed[0]


def _adapter_folders(ledger: Ledger, usual: str, *, every_run: bool) -> Iterator[str]:
    """Where adapters of the ledger's runs may be; the runs are read only if the usual folder was not the one."""
    yield usual
    if every_run:
        others = dict.fromkeys(run.settings.pipeline.output_dir for run in ledger.runs())
        yield from (folder for folder in others if folder != usual)


class _Lookup:
    def __init__(self, ledger: Ledger, output_dir: str) -> None:
        self._ledger = ledger
        self._adapters = Path(output_dir)

    def origin(self, reference: str) -> Origin:
        file, _, row = reference.rpartition("#")
        if file.endswith(".jsonl"):
            return self._row(Path(file), row)
        if ":" in reference:
            return self._pair(reference)
        name, at, _ = reference.partition("@")
        if at or name in {version.name for version in list_adapters(self._adapters)}:
            return self._adapter(reference)
        if _KEY.fullmatch(reference):
            return self._response(reference)
        raise InputError(f"There is nothing called {reference!r}. {self._what_there_is()}")

    def _what_there_is(self) -> str:
        names = sorted({version.name for version in list_adapters(self._adapters)})
        adapters = f"Adapters: {', '.join(names)}" if names else f"There are no adapters in {self._adapters}"
        return (
            f"{adapters}. A response is named by the first digits of its key, a pair by CHOSEN:REJECTED or "
            "FILE.jsonl#ROW."
        )

    # --- adapters -----------------------------------------------------------------------------

    def _adapter(self, reference: str) -> AdapterOrigin:
        name, _, number = reference.partition("@")
        versions = [version for version in list_adapters(self._adapters) if version.name == name]
        if not versions:
            raise InputError(f"There is no adapter {name!r}. {self._what_there_is()}")
        champion = next((version for version in versions if "champion" in version.aliases), versions[-1])
        version = find(self._adapters, name, number) if number else champion
        manifest = version.manifest
        run_id, round = str(manifest["run_id"]), int(manifest["round"])
        if not self._ledger.has_run(run_id):
            raise InputError(
                f"{name} {version.version} comes from run {run_id}, which this ledger does not hold: "
                "name the recipe it was made with (--recipe)."
            )
        rows = self._ledger.origins.pairs(run_id, round)
        path = Path(str(manifest["dataset"]["path"]))
        return AdapterOrigin(
            name=name,
            version=version.version,
            aliases=list(version.aliases),
            path=str(version.path),
            created_at=str(manifest["created_at"]),
            run_id=run_id,
            round=round,
            derived_from=self._derived_from(run_id),
            base_model=str(manifest["base_model"]),
            parent=manifest.get("parent"),
            dataset=str(path),
            dataset_sha256=str(manifest["dataset"]["sha256"]),
            dataset_intact=_intact(path, version),
            judge=str(manifest["judge"]["model"]),
            evaluation=dict(manifest["evaluation"]),
            pairs=self._pairs(rows, _places(path)),
        )

    def _derived_from(self, run_id: str) -> list[str]:
        found: list[str] = []
        while (version := self._ledger.versions.of(run_id)) is not None:
            run_id = version.base_run_id
            found.append(run_id)
        return found

    # --- pairs --------------------------------------------------------------------------------

    def _row(self, file: Path, row: str) -> PairOrigin:
        rows, manifest = read_dataset(file)
        if not row.isdecimal() or not 1 <= int(row) <= len(rows):
            raise InputError(f"{file} has no row {row!r}: rows go from 1 to {len(rows)}.")
        found = rows[int(row) - 1]
        pair = PairRow(
            str(manifest["run_id"]),
            int(manifest["round"]),
            found.chosen_key,
            found.rejected_key,
            found.chosen_score - found.rejected_score,
        )
        if not self._ledger.has_run(pair.run_id):
            raise InputError(
                f"{file} was built by run {pair.run_id}, which this ledger does not hold: name the recipe it was "
                "made with (--recipe)."
            )
        return self._pairs([pair], {(pair.chosen_key, pair.rejected_key): f"{file}#{row}"})[0]

    def _pair(self, reference: str) -> PairOrigin:
        chosen, _, rejected = reference.partition(":")
        if not (_KEY.fullmatch(chosen) and _KEY.fullmatch(rejected)):
            raise InputError(
                f"{reference!r} names no pair: write CHOSEN_KEY:REJECTED_KEY, four digits of each or more, or "
                "FILE.jsonl#ROW."
            )
        rows = self._ledger.origins.pairs_like(chosen, rejected)
        keys = sorted({f"{row.chosen_key}:{row.rejected_key}" for row in rows})
        if not rows:
            raise InputError(
                f"No run has a pair {reference}. `rlhf datasets` lists what was selected; FILE.jsonl#1 is the "
                "first pair of a dataset."
            )
        if len(keys) > 1:
            raise InputError(
                f"{reference} is the beginning of {len(keys)} pairs, such as {', '.join(keys[:3])}."
            )
        path = self._dataset(rows[0].run_id, rows[0].round)
        return self._pairs(rows[:1], _places(path) if path else {})[0]

    def _dataset(self, run_id: str, round: int) -> Path | None:
        stage = self._ledger.stage(run_id, round, "dataset", DatasetStage)
        return Path(stage.path) if stage and stage.path else None

    def _pairs(self, rows: Sequence[PairRow], places: Mapping[tuple[str, str], str]) -> list[PairOrigin]:
        """The pairs, which are all of one run."""
        if not rows:
            return []
        keys = dict.fromkeys(key for row in rows for key in (row.chosen_key, row.rejected_key))
        found = self._responses(list(keys), rows[0].run_id)
        return [
            PairOrigin(
                run_id=row.run_id,
                round=row.round,
                margin=round(row.margin, 4),
                dataset=places.get((row.chosen_key, row.rejected_key)),
                chosen=found[row.chosen_key],
                rejected=found[row.rejected_key],
            )
            for row in rows
        ]

    # --- responses ----------------------------------------------------------------------------

    def _response(self, prefix: str) -> ResponseOrigin:
        keys = self._ledger.origins.responses_like(prefix)
        if not keys:
            raise InputError(f"The ledger holds no response {prefix}. {self._what_there_is()}")
        if len(keys) > 1:
            told = ", ".join(keys[:5]) + (", …" if len(keys) > 5 else "")
            raise InputError(f"{prefix} is the beginning of several responses' keys: {told}.")
        made = self._ledger.origins.made(keys).get(keys[0], [])
        runs = dict.fromkeys(row.run_id for row in made)
        judged = (run_id for run_id in runs if self._ledger.feedback(run_id, keys))
        run_id = next(judged, made[0].run_id if made else None)
        return self._responses(keys, run_id)[keys[0]]

    def _responses(self, keys: Sequence[str], run_id: str | None) -> dict[str, ResponseOrigin]:
        """The responses as the run has them, or as they were judged on their own (None)."""
        ledger = self._ledger
        texts, made = ledger.responses(keys), ledger.origins.made(keys)
        feedback = ledger.feedback(run_id, keys) if run_id else {}
        used = ledger.origins.used(run_id) if run_id else set()
        traces = ledger.traces.of(keys)
        verdicts = ledger.origins.verdicts(keys)
        people = self._people(keys, made)
        policy = ledger.run(run_id).settings.policy.model if run_id else ""
        found = {}
        for key in keys:
            asked = [a for a in verdicts.get(key, []) if a.verdict.key in used or not run_id]
            entry = feedback.get(key)
            checked = entry.dimensions if entry else _checked(texts[key])
            here = next((row for row in made.get(key, []) if row.run_id == run_id), None)
            found[key] = ResponseOrigin(
                **_of_response(texts[key]),
                run_id=run_id,
                made_by=None if here is None else _maker(here, policy),
                round=here.round if here else None,
                variation=here.variation if here else None,
                other_runs=list(dict.fromkeys(r.run_id for r in made.get(key, []) if r.run_id != run_id)),
                overall_score=entry.overall_score if entry else None,
                rating=entry.rating if entry else None,
                is_acceptable=bool(entry and entry.is_acceptable),
                coverage=entry.coverage if entry else None,
                review_reasons=entry.review_reasons if entry else [],
                verdicts=[
                    _verdict_origin(a, checked.get(a.verdict.dimension), traces.get((a.asked_by or "", key)))
                    for a in asked
                ],
                people=people.get(key, []),
                trace=traces.get((run_id or "", key)),
            )
        return found

    def _people(
        self, keys: Sequence[str], made: Mapping[str, Sequence[MadeBy]]
    ) -> dict[str, list[PersonOrigin]]:
        """What people said, in whichever run they were asked; each word once, where it was said first."""
        runs = dict.fromkeys(row.run_id for rows in made.values() for row in rows)
        found: dict[str, dict[tuple[str, datetime | None], PersonOrigin]] = {}
        for run_id in reversed(runs):
            reviews = self._ledger.reviews(run_id)
            for key in keys:
                if (review := reviews.get(key)) is not None:
                    said = found.setdefault(key, {})
                    said.setdefault((review.reviewer, review.created_at), _person(review, run_id))
        return {key: list(said.values()) for key, said in found.items()}


def _of_response(row: ResponseRow) -> dict[str, Any]:
    return {
        "response_key": row.key,
        "prompt_key": row.prompt_key,
        "prompt": row.prompt,
        "context": row.context,
        "task_type": row.task_type,
        "response": row.text,
    }


def _maker(made: MadeBy, policy: str) -> str:
    return f"policy {policy}" if made.policy == "policy" and made.round == 1 else made.policy


def _person(review: Review, run_id: str) -> PersonOrigin:
    return PersonOrigin(
        reviewer=review.reviewer,
        decision=review.decision,
        rating=review.rating,
        comment=review.comment,
        given_at=review.created_at,
        run_id=run_id,
    )


def _checked(response: ResponseRow) -> dict[str, DimensionFeedback]:
    """What the checks say of a response that was judged on its own: only its verdicts are in the ledger."""
    from rlhf.nodes.panel import evidence_for, pack_for

    return {
        name: DimensionFeedback(status="failed", evidence=found.notes, evidence_cap=found.cap)
        for name, found in evidence_for(pack_for(response.task_type), response).items()
    }


def _verdict_origin(asked: Asked, part: DimensionFeedback | None, trace: Trace | None) -> VerdictOrigin:
    verdict = asked.verdict
    return VerdictOrigin(
        key=verdict.key,
        dimension=verdict.dimension,
        status=verdict.status,
        judge_score=verdict.score,
        score=part.score if part else None,
        confidence=verdict.confidence,
        method=verdict.method,
        strengths=verdict.strengths,
        weaknesses=verdict.weaknesses,
        rationale=verdict.rationale,
        failure=verdict.failure,
        error=verdict.error,
        evidence=part.evidence if part else [],
        evidence_cap=part.evidence_cap if part else None,
        endpoint=verdict.model,
        rubric_version=verdict.rubric_version,
        template_version=verdict.template_version,
        judged_at=asked.created_at,
        asked_by=asked.asked_by,
        trace=trace,
    )


def _intact(path: Path, version: Version) -> bool:
    return path.is_file() and sha256_file(path) == version.manifest["dataset"]["sha256"]


def _places(path: Path) -> dict[tuple[str, str], str]:
    """FILE#ROW of each pair; empty where the file is gone or is not what it was."""
    try:
        rows, _ = read_dataset(path)
    except InputError:
        return {}
    return {(row.chosen_key, row.rejected_key): f"{path}#{number}" for number, row in enumerate(rows, 1)}
