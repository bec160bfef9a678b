"""Versions of a run: the same responses, verdicts and answers under other settings, kept beside the run itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import model_validator

from rlhf.state.errors import InputError
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.ledger.stored import stored, stored_text
from rlhf.state.records import DimensionFeedback, Feedback, Record, ResponseRow, Review, Verdict
from rlhf.state.run_report import DatasetStage
from rlhf.state.settings import Settings

_TEXTS = {"prompt", "response", "prompt_id", "response_id", "task_type"}
"""Fields of a feedback that are stored with its response."""


class Kept(Record):
    """What a run's feedback says of a response, without its texts."""

    overall_score: float | None
    """Points of 100; None if no dimension was scored."""
    rating: int | None
    """1–5 stars; None without a score."""
    is_acceptable: bool = False
    """Whether it was acceptable."""
    needs_review: bool
    """Whether a person should see it."""
    dimensions: dict[str, DimensionFeedback]
    """By dimension."""
    has_figures: bool = True
    """Whether what the checks alone give was kept with it: older versions kept their sentences only."""

    @model_validator(mode="before")
    @classmethod
    def _look_for_figures(cls, body: Any) -> Any:
        if isinstance(body, Mapping) and isinstance(parts := body.get("dimensions"), Mapping):
            kept = all(isinstance(part, Mapping) and "evidence_score" in part for part in parts.values())
            return {**body, "has_figures": kept}
        return body


@dataclass
class Material:
    """All that a round's ratings, pairs and review queue are derived from, by response key."""

    by_prompt: dict[str, list[str]]
    """Keys of a prompt's responses in the order of variations, by prompt key; prompts in the run's order."""
    baseline: list[str]
    """Keys of the held-out responses that an adapter of this round is compared with."""
    responses: dict[str, ResponseRow]
    """Texts, with their prompts."""
    feedback: dict[str, Kept]
    """What the run's feedback says."""
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    """By response key and dimension; of several to one question a scored one, and of these the newest."""
    pairs: set[tuple[str, str]] = field(default_factory=set)
    """Chosen and rejected key of the pairs that the round selected."""


class Derivation(Record):
    """Where a run comes from that was derived from another."""

    run_id: str
    """The derived run."""
    base_run_id: str
    """The run it was derived from."""
    base_round: int
    """The round of the base run whose responses are this run's first round."""
    changes: dict[str, Any]
    """What differs from the base run's settings: `section.key` → new value."""


@dataclass(frozen=True)
class NewVersion:
    """A run to be written: everything that is not shared with its base."""

    version: Derivation
    """What it is derived from."""
    settings: Settings
    """Its whole recipe."""
    note: str
    """One line for people about where it comes from."""
    feedback: Mapping[str, Feedback]
    """Derived anew, by response key."""
    reviews: Sequence[Review]
    """People's answers, taken over."""
    pairs: Iterable[tuple[str, str, float]]
    """Chosen key, rejected key and margin in points."""
    dataset: DatasetStage
    """What was written of them."""
    calibrations: Mapping[str, str | None]
    """Key of the calibration in use (None: none) by the key of the judge's version."""


class Versions:
    """Reads a run whole and writes derived runs. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, run_id: str) -> Derivation | None:
        """Where the run comes from; None if it is not derived."""
        query = sa.select(t.versions).where(t.versions.c.run_id == run_id)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Derivation(**{name: row[name] for name in Derivation.model_fields})

    def derived_from(self, run_id: str) -> list[str]:
        """Ids of the runs derived from this one."""
        query = sa.select(t.versions.c.run_id).where(t.versions.c.base_run_id == run_id)
        with self._database.reading() as connection:
            return sorted(connection.execute(query).scalars())

    def material(self, run_id: str, round: int) -> Material:
        """A round's responses with feedback and verdicts, in five queries. About 50 kB of memory per response."""
        with self._database.reading() as connection:
            samples = connection.execute(_samples(run_id, round)).all()
            shared = {row.response_key for row in samples}
            prompts = {row.key: row for row in connection.execute(_prompts(run_id))}
            responses = {
                row.key: stored(
                    ResponseRow,
                    {
                        **prompts[row.prompt_key]._mapping,
                        **row._mapping,
                        "prompt": prompts[row.prompt_key].text,
                    },
                    f"response {row.key} with its prompt",
                )
                for row in connection.execute(_responses(run_id))
                if row.key in shared
            }
            feedback = {
                row.response_key: stored_text(
                    Kept, row.text, f"feedback on response {row.response_key} in run {run_id}", row._asdict()
                )
                for row in connection.execute(_feedback(run_id)).all()
                if row.response_key in shared
            }
            verdicts: dict[str, dict[str, Verdict]] = {}
            won: dict[tuple[str, str], tuple[bool, datetime]] = {}
            for key, dimension, status, created_at, body in connection.execute(_verdicts(run_id)).all():
                rank = (status == "scored", created_at)
                before = won.get((key, dimension))
                if key in shared and (before is None or rank > before):
                    won[key, dimension] = rank
                    where = f"a verdict on {dimension} of response {key}"
                    verdicts.setdefault(key, {})[dimension] = stored_text(Verdict, body, where)
            pairs = connection.execute(
                sa.select(t.pairs.c.chosen_key, t.pairs.c.rejected_key).where(
                    t.pairs.c.run_id == run_id, t.pairs.c.round == round
                )
            )
            found = Material({}, [], responses, feedback, verdicts, {(c, r) for c, r in pairs})
        for row in samples:
            if row.policy == "policy":
                found.by_prompt.setdefault(row.prompt_key, []).append(row.response_key)
            else:
                found.baseline.append(row.response_key)
        return found

    def add(self, new: NewVersion) -> None:
        """Write the derived run in one transaction; the base is only read. InputError if its id is taken."""
        run_id, base, round = new.version.run_id, new.version.base_run_id, new.version.base_round
        with self._database.writing() as connection:
            if connection.execute(sa.select(t.runs.c.run_id).where(t.runs.c.run_id == run_id)).first():
                raise InputError(f"Run {run_id} exists already.")
            for table, query in _shared(run_id, base, round):
                connection.execute(sa.insert(table).from_select(list(query.selected_columns.keys()), query))
            name = connection.execute(
                sa.select(t.runs.c.adapter_name).where(t.runs.c.run_id == base)
            ).scalar()
            run = {
                "run_id": run_id,
                "adapter_name": name,
                "settings": new.settings.model_dump(mode="json"),
                "source": f"reweighed {base}",
                "status": "waiting",
                "note": new.note,
                "answered": True,
                "round": 1,
            }
            rows: list[tuple[sa.Table, list[dict[str, Any]]]] = [
                (t.runs, [run]),
                (t.versions, [new.version.model_dump(mode="json")]),
                (t.reviews, [{"run_id": run_id, **review.model_dump()} for review in new.reviews]),
                (
                    t.pairs,
                    [
                        {"run_id": run_id, "round": 1, "chosen_key": c, "rejected_key": r, "margin": margin}
                        for c, r, margin in new.pairs
                    ],
                ),
                (
                    t.stages,
                    [
                        {
                            "run_id": run_id,
                            "round": 1,
                            "stage": "dataset",
                            "body": new.dataset.model_dump(mode="json"),
                        }
                    ],
                ),
                (
                    t.run_calibrations,
                    [
                        {"run_id": run_id, "judge": judge, "calibration_key": key}
                        for judge, key in new.calibrations.items()
                    ],
                ),
            ]
            for table, values in rows:
                if values:
                    connection.execute(sa.insert(table), values)
            feedback = sa.insert(t.feedback).values(body=self._database.json_text("text"))
            connection.execute(feedback, [_feedback_row(run_id, *entry) for entry in new.feedback.items()])


def _feedback_row(run_id: str, key: str, feedback: Feedback) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "response_key": key,
        "overall_score": feedback.overall_score,
        "rating": feedback.rating,
        "coverage": feedback.coverage,
        "needs_review": feedback.needs_review,
        "text": feedback.model_dump_json(exclude=_TEXTS),
    }


def _of_round(run_id: str, round: int) -> sa.ColumnElement[bool]:
    """The round's samples, and those of the model that an adapter of the first round is compared with."""
    made = sa.and_(t.samples.c.policy == "policy", t.samples.c.round == round)
    if round == 1:
        made = sa.or_(made, t.samples.c.policy == "baseline")
    return sa.and_(t.samples.c.run_id == run_id, made)


def _samples(run_id: str, round: int) -> sa.Select[Any]:
    return (
        sa.select(t.samples.c.policy, t.samples.c.prompt_key, t.samples.c.response_key)
        .join(
            t.run_prompts,
            sa.and_(
                t.run_prompts.c.run_id == t.samples.c.run_id,
                t.run_prompts.c.prompt_key == t.samples.c.prompt_key,
            ),
        )
        .where(_of_round(run_id, round), t.samples.c.response_key.is_not(None))
        .order_by(t.run_prompts.c.position, t.samples.c.variation)
    )


def _prompts(run_id: str) -> sa.Select[Any]:
    return sa.select(t.prompts).join(
        t.run_prompts,
        sa.and_(t.run_prompts.c.prompt_key == t.prompts.c.key, t.run_prompts.c.run_id == run_id),
    )


def _responses(run_id: str) -> sa.Select[Any]:
    keys = sa.select(t.samples.c.response_key).where(t.samples.c.run_id == run_id)
    return sa.select(t.responses).where(t.responses.c.key.in_(keys))


def _feedback(run_id: str) -> sa.Select[Any]:
    # As text: pydantic reads JSON several times faster than json and pydantic one after the other.
    body = sa.cast(t.feedback.c.body, sa.Text).label("text")
    columns = [t.feedback.c[name] for name in ("response_key", "overall_score", "rating", "needs_review")]
    return sa.select(*columns, body).where(t.feedback.c.run_id == run_id)


def _verdicts(run_id: str) -> sa.Select[Any]:
    # Not ordered: sorting fifty thousand bodies takes the database longer than reading them.
    body = sa.cast(t.verdicts.c.body, sa.Text).label("body")
    columns = [t.verdicts.c[name] for name in ("response_key", "dimension", "status", "created_at")]
    return (
        sa.select(*columns, body)
        .join(t.run_verdicts, t.run_verdicts.c.verdict_key == t.verdicts.c.key)
        .where(t.run_verdicts.c.run_id == run_id)
    )


def _shared(run_id: str, base: str, round: int) -> list[tuple[sa.Table, sa.Select[Any]]]:
    """What a derived run has in common with its base. It spent nothing, so what was spent stays with the base."""
    run = sa.literal(run_id, t.RUN).label("run_id")
    nothing = [sa.literal(0).label(name) for name in ("calls", "input_tokens", "output_tokens")]
    responses = sa.select(t.samples.c.response_key).where(_of_round(base, round))
    sampled = [t.samples.c[name] for name in ("policy", "prompt_key", "variation", "response_key", "error")]
    first = sa.case((t.samples.c.policy == "policy", 1), else_=0).label("round")
    prompts = [t.run_prompts.c[name] for name in ("prompt_key", "position", "external_id", "split")]
    split = [t.stages.c[name] for name in ("round", "stage", "body")]
    asked = sa.select(run, t.run_verdicts.c.verdict_key, sa.literal(True).label("cached"), *nothing).join(
        t.verdicts, t.verdicts.c.key == t.run_verdicts.c.verdict_key
    )
    return [
        (t.run_prompts, sa.select(run, *prompts).where(t.run_prompts.c.run_id == base)),
        (t.stages, sa.select(run, *split).where(t.stages.c.run_id == base, t.stages.c.stage == "split")),
        (t.samples, sa.select(run, *sampled, first, *nothing).where(_of_round(base, round))),
        (
            t.run_verdicts,
            asked.where(t.run_verdicts.c.run_id == base, t.verdicts.c.response_key.in_(responses)),
        ),
    ]
