"""The ledger: every prompt, response, verdict, decision and result of every run, in one SQL database.

All methods are synchronous and safe to call from several threads; asynchronous callers use a thread.
Writes are idempotent: a row that is there stays (verdicts: a scored one is never replaced).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from rlhf.state.errors import InputError, LedgerError
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.access_log import AccessLog
from rlhf.state.ledger.audits import Audited, audited
from rlhf.state.ledger.calibrations import Calibrations
from rlhf.state.ledger.canaries import Canaries
from rlhf.state.ledger.database import Database, chunks
from rlhf.state.ledger.failures import Failures
from rlhf.state.ledger.history import History
from rlhf.state.ledger.origins import Origins
from rlhf.state.ledger.pending import PendingReviews
from rlhf.state.ledger.rounds import Rounds
from rlhf.state.ledger.stored import read_verdict, stored, stored_or_none, stored_settings
from rlhf.state.ledger.totals import Totals, spent, totals
from rlhf.state.ledger.traces import Traces
from rlhf.state.ledger.versions import Versions
from rlhf.state.records import Feedback, PromptRow, Record, ResponseRow, Review, SampleRow, Usage, Verdict
from rlhf.state.run_report import RunStatus, SplitStage
from rlhf.state.settings import Settings

_Record = TypeVar("_Record", bound=Record)
Policy = Literal["policy", "baseline", "adapter", "champion"]


SERVED = "api"
"""The source of a run that a server started."""


@dataclass(frozen=True)
class RunRow:
    """A run as the ledger knows it."""

    run_id: str
    """The run, as commands take it."""
    adapter_name: str
    """Name that its adapter is deployed under."""
    kept_settings: Settings | LedgerError
    """The recipe it was started with, or why that cannot be read."""
    source: str
    """Where its prompts come from: a file, `python` for rows given there, `api` for a run that a server has."""
    status: RunStatus
    """running, waiting, finished or failed."""
    note: str
    """One line for people: why it waits, stopped early or failed."""
    round: int
    """Newest round, from 1; 0 before the first."""
    answered: bool
    """Whether it waits for no answer any more, so that `rlhf resume` goes on."""
    created_at: datetime
    """When it was registered."""
    unknown_settings: tuple[str, ...] = ()
    """Keys of its recipe that only another version knows: they are not heeded."""

    @property
    def settings(self) -> Settings:
        """The recipe it was started with; LedgerError naming the run if it cannot be read."""
        if isinstance(self.kept_settings, LedgerError):
            raise self.kept_settings
        return self.kept_settings

    @property
    def is_served(self) -> bool:
        """Whether a server has it: it moves there, and holds no lock here."""
        return self.source == SERVED


class Ledger:
    """One open ledger. Raises LedgerError when the database cannot be used."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Database(url)
        self._database.prepare()

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    # --- runs ---------------------------------------------------------------------------------

    def create_run(
        self,
        run_id: str,
        adapter_name: str,
        settings: Settings,
        source: str,
        rows: Sequence[PromptRow],
        split: SplitStage | None = None,
    ) -> None:
        """Write the run, its prompts and how they were parted in one transaction; InputError if the id is taken."""
        with self._database.writing() as connection:
            taken = connection.execute(sa.select(t.runs.c.run_id).where(t.runs.c.run_id == run_id)).first()
            if taken:
                raise InputError(
                    f"Run {run_id} exists: resume it with `rlhf resume {run_id}` or choose another id."
                )
            self._database.insert(
                connection,
                t.runs,
                [
                    {
                        "run_id": run_id,
                        "adapter_name": adapter_name,
                        "settings": settings.model_dump(mode="json"),
                        "source": source,
                        "status": "running",
                        "note": "",
                        "round": 0,
                    }
                ],
            )
            self._database.insert(
                connection,
                t.prompts,
                [_prompt_values(row) for row in rows],
            )
            self._database.insert(
                connection,
                t.run_prompts,
                [
                    {
                        "run_id": run_id,
                        "prompt_key": r.key,
                        "position": i,
                        "external_id": r.id,
                        "split": r.split,
                    }
                    for i, r in enumerate(rows)
                ],
            )
            if split is not None:
                body = split.model_dump(mode="json")
                stage = {"run_id": run_id, "round": 0, "stage": "split", "body": body}
                self._database.insert(connection, t.stages, [stage])

    def run(self, run_id: str) -> RunRow:
        """The run; InputError if there is none."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(t.runs).where(t.runs.c.run_id == run_id)).mappings().first()
        if row is None:
            raise InputError(f"There is no run {run_id!r}; `rlhf runs` lists them.")
        return _run_row(row)

    def has_run(self, run_id: str) -> bool:
        """Whether the run exists."""
        with self._database.reading() as connection:
            return (
                connection.execute(sa.select(t.runs.c.run_id).where(t.runs.c.run_id == run_id)).first()
                is not None
            )

    def runs(self) -> list[RunRow]:
        """All runs, newest first."""
        with self._database.reading() as connection:
            order = sa.select(t.runs).order_by(t.runs.c.created_at.desc(), t.runs.c.run_id.desc())
            return [_run_row(row) for row in connection.execute(order).mappings()]

    def set_run(
        self,
        run_id: str,
        *,
        status: RunStatus | None = None,
        note: str | None = None,
        round: int | None = None,
        answered: bool | None = None,
    ) -> None:
        """Change what is given of a run's status, note and round; a new status is one that was not answered yet."""
        if status is not None:
            answered = bool(answered)
        given = {"status": status, "note": note, "round": round, "answered": answered}
        values = {name: value for name, value in given.items() if value is not None}
        with self._database.writing() as connection:
            connection.execute(sa.update(t.runs).where(t.runs.c.run_id == run_id).values(**values))

    def prompts(self, run_id: str, split: Literal["train", "held_out"]) -> list[PromptRow]:
        """The run's prompts of one split, in their order in the input."""
        query = (
            sa.select(t.prompts, t.run_prompts.c.external_id, t.run_prompts.c.split)
            .join(t.run_prompts, t.run_prompts.c.prompt_key == t.prompts.c.key)
            .where(t.run_prompts.c.run_id == run_id, t.run_prompts.c.split == split)
            .order_by(t.run_prompts.c.position)
        )
        with self._database.reading() as connection:
            return [
                stored(PromptRow, {**row, "id": row["external_id"]}, f"prompt {row['key']}")
                for row in connection.execute(query).mappings()
            ]

    # --- responses ----------------------------------------------------------------------------

    def add_prompt(self, row: PromptRow) -> None:
        """Keep a prompt that belongs to no run (a single judgement)."""
        with self._database.writing() as connection:
            self._database.insert(connection, t.prompts, [_prompt_values(row)])

    def add_responses(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Keep responses given as (key, prompt key, text)."""
        with self._database.writing() as connection:
            self._database.insert(
                connection,
                t.responses,
                [dict(zip(("key", "prompt_key", "text"), r, strict=True)) for r in rows],
            )

    def add_samples(
        self, run_id: str, rows: Sequence[SampleRow], texts: Mapping[str, str], calls: int = 0
    ) -> None:
        """Keep samples with the texts of their responses (by response key) in one transaction.

        `calls` counts endpoint calls per sample (0 for models that run here).
        """
        owner = {row.response_key: row.prompt_key for row in rows if row.response_key}
        with self._database.writing() as connection:
            self._database.insert(
                connection,
                t.responses,
                [{"key": key, "prompt_key": owner[key], "text": text} for key, text in texts.items()],
            )
            self._database.insert(
                connection,
                t.samples,
                [{"run_id": run_id, "calls": calls, **row.model_dump()} for row in rows],
            )

    def samples(self, run_id: str, policy: Policy, round: int) -> list[SampleRow]:
        """Samples of one policy in one round, ordered by prompt position and variation."""
        query = (
            sa.select(t.samples)
            .join(
                t.run_prompts,
                sa.and_(
                    t.run_prompts.c.run_id == t.samples.c.run_id,
                    t.run_prompts.c.prompt_key == t.samples.c.prompt_key,
                ),
            )
            .where(t.samples.c.run_id == run_id, t.samples.c.policy == policy, t.samples.c.round == round)
            .order_by(t.run_prompts.c.position, t.samples.c.variation)
        )
        with self._database.reading() as connection:
            fields = SampleRow.model_fields
            return [
                SampleRow(**{name: row[name] for name in fields})
                for row in connection.execute(query).mappings()
            ]

    def response(self, key: str) -> ResponseRow:
        """A response with its prompt; LedgerError if it was never stored."""
        return self.responses([key])[key]

    def responses(self, keys: Iterable[str]) -> dict[str, ResponseRow]:
        """Responses by key; LedgerError if one was never stored."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, ResponseRow] = {}
        with self._database.reading() as connection:
            for part in chunks(wanted):
                query = (
                    sa.select(
                        t.responses.c.key,
                        t.responses.c.prompt_key,
                        t.responses.c.text,
                        t.prompts.c.text.label("prompt"),
                        t.prompts.c.turns,
                        t.prompts.c.context,
                        t.prompts.c.task_type,
                    )
                    .join(t.prompts, t.prompts.c.key == t.responses.c.prompt_key)
                    .where(t.responses.c.key.in_(part))
                )
                for row in connection.execute(query).mappings():
                    found[row["key"]] = stored(ResponseRow, row, f"response {row['key']} with its prompt")
        if missing := [key for key in wanted if key not in found]:
            raise LedgerError(
                f"The ledger does not hold response {missing[0]}: was another ledger in use before?"
            )
        return found

    # --- verdicts and feedback ----------------------------------------------------------------

    def add_verdict(self, run_id: str | None, verdict: Verdict) -> None:
        """Keep a verdict; a scored one already there is left untouched. What it cost is added to the run's usage."""
        row = {
            "key": verdict.key,
            "response_key": verdict.response_key,
            "dimension": verdict.dimension,
            "status": verdict.status,
            "score": verdict.score,
            "body": verdict.model_dump(mode="json"),
        }
        with self._database.writing() as connection:
            self._database.replace(connection, t.verdicts, row, unless=t.verdicts.c.status == "scored")
            if run_id is not None:
                counted = ("calls", "input_tokens", "output_tokens")
                usage = {name: getattr(verdict.usage, name) for name in counted}
                asked = {"run_id": run_id, "verdict_key": verdict.key, "cached": False}
                self._database.add_up(connection, t.run_verdicts, asked | usage, list(usage))

    def note_found(self, run_id: str, keys: Iterable[str]) -> None:
        """Keep that the run uses these verdicts, which the ledger had already; they cost it nothing."""
        free = {"calls": 0, "input_tokens": 0, "output_tokens": 0}
        rows = [{"run_id": run_id, "verdict_key": key, "cached": True, **free} for key in keys]
        with self._database.writing() as connection:
            self._database.insert(connection, t.run_verdicts, rows)

    def verdicts(self, keys: Iterable[str]) -> list[Verdict]:
        """The verdicts with these keys that exist, scored or failed."""
        found: list[Verdict] = []
        with self._database.reading() as connection:
            for part in chunks(list(keys)):
                query = sa.select(t.verdicts).where(t.verdicts.c.key.in_(part))
                found += filter(None, map(read_verdict, connection.execute(query)))
        return found

    def add_feedback(self, run_id: str, response_key: str, feedback: Feedback) -> None:
        """Keep a response's feedback in a run; derived anew, it replaces the old one."""
        row = {
            "run_id": run_id,
            "response_key": response_key,
            "overall_score": feedback.overall_score,
            "rating": feedback.rating,
            "coverage": feedback.coverage,
            "needs_review": feedback.needs_review,
            "body": feedback.model_dump(mode="json", exclude=set(_OF_RESPONSE)),
        }
        with self._database.writing() as connection:
            self._database.replace(connection, t.feedback, row)

    def feedback(self, run_id: str, keys: Iterable[str]) -> dict[str, Feedback]:
        """Feedback by response key, for those of `keys` that have one."""
        wanted = list(dict.fromkeys(keys))
        rows: dict[str, Any] = {}
        with self._database.reading() as connection:
            for part in chunks(wanted):
                query = sa.select(t.feedback).where(
                    t.feedback.c.run_id == run_id, t.feedback.c.response_key.in_(part)
                )
                rows |= {row.response_key: row for row in connection.execute(query)}
        texts = self.responses(rows)
        read = ((key, _feedback(rows[key], texts[key])) for key in wanted if key in rows)
        return {key: feedback for key, feedback in read if feedback is not None}

    # --- people -------------------------------------------------------------------------------

    def add_reviews(self, run_id: str, reviews: Iterable[Review]) -> None:
        """Keep people's decisions; the first answer to a response stands."""
        now = datetime.now(UTC)
        rows = [
            {"run_id": run_id, **row.model_dump(), "created_at": row.created_at or now} for row in reviews
        ]
        with self._database.writing() as connection:
            self._database.insert(connection, t.reviews, rows)

    def reviews(self, run_id: str) -> dict[str, Review]:
        """A run's reviews by response key."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(t.reviews).where(t.reviews.c.run_id == run_id)).mappings()
            return {row["response_key"]: _review(row) for row in rows}

    def audited(self, run_id: str, round: int) -> list[Audited]:
        """A round's judged responses with their reasons for review and people's answers."""
        return audited(self._database, run_id, round)

    # --- results ------------------------------------------------------------------------------

    def set_pairs(self, run_id: str, round: int, rows: Iterable[tuple[str, str, float]]) -> None:
        """Keep a round's pairs as (chosen key, rejected key, margin in points), in place of any old ones."""
        new = [
            {"run_id": run_id, "round": round, "chosen_key": c, "rejected_key": r, "margin": m}
            for c, r, m in rows
        ]
        with self._database.writing() as connection:
            connection.execute(sa.delete(t.pairs).where(t.pairs.c.run_id == run_id, t.pairs.c.round == round))
            self._database.insert(connection, t.pairs, new)

    def set_stage(self, run_id: str, round: int, stage: str, result: Record) -> None:
        """Keep a stage's result; done anew, it replaces the old one."""
        row = {"run_id": run_id, "round": round, "stage": stage, "body": result.model_dump(mode="json")}
        with self._database.writing() as connection:
            self._database.replace(connection, t.stages, row)

    def stage(self, run_id: str, round: int, stage: str, kind: type[_Record]) -> _Record | None:
        """A stage's result as `kind`, or None if it was not reached in that round."""
        query = sa.select(t.stages.c.body).where(
            t.stages.c.run_id == run_id, t.stages.c.round == round, t.stages.c.stage == stage
        )
        with self._database.reading() as connection:
            body = connection.execute(query).scalar()
        if body is None:
            return None
        return stored(kind, body, f"stage {stage} in round {round} of run {run_id}")

    def usage(self, run_id: str) -> Usage:
        """What the run spent on generating and judging."""
        with self._database.reading() as connection:
            return spent(connection, t.run_verdicts, run_id) + spent(connection, t.samples, run_id)

    def totals(self) -> Totals:
        """What the whole ledger adds up to."""
        return totals(self._database)

    @property
    def rounds(self) -> Rounds:
        """What a round holds and adds up to."""
        return Rounds(self._database)

    @property
    def pending(self) -> PendingReviews:
        """What waits for a person."""
        return PendingReviews(self._database)

    @property
    def calibrations(self) -> Calibrations:
        """Score maps and which run uses which."""
        return Calibrations(self._database)

    @property
    def failures(self) -> Failures:
        """What failed and may be asked again."""
        return Failures(self._database)

    @property
    def canaries(self) -> Canaries:
        """What judges gave to canaries."""
        return Canaries(self._database)

    @property
    def traces(self) -> Traces:
        """Which trace shows how a response was judged."""
        return Traces(self._database)

    @property
    def origins(self) -> Origins:
        """Where responses, pairs and verdicts come from."""
        return Origins(self._database)

    @property
    def versions(self) -> Versions:
        """Runs derived from others."""
        return Versions(self._database)

    @property
    def access_log(self) -> AccessLog:
        """Who did what on the served app."""
        return AccessLog(self._database)

    @property
    def history(self) -> History:
        """The history of feedback quality."""
        return History(self._database)


_OF_RESPONSE = ("prompt", "response", "prompt_id", "response_id", "task_type")
"""What feedback tells about its response: stored with the response, not with the feedback."""


def _of_response(row: ResponseRow) -> dict[str, str]:
    return dict(
        zip(_OF_RESPONSE, (row.prompt, row.text, row.prompt_key, row.key, row.task_type), strict=True)
    )


def _feedback(row: Any, response: ResponseRow) -> Feedback | None:
    columns = {name: getattr(row, name) for name in ("overall_score", "rating", "coverage", "needs_review")}
    where = f"feedback on response {row.response_key} in run {row.run_id}"
    return stored_or_none(Feedback, row.body, where, columns | _of_response(response))


def _review(row: Mapping[Any, Any]) -> Review:
    return Review(**{name: row[name] for name in Review.model_fields})


def _prompt_values(row: PromptRow) -> dict[str, Any]:
    turns = None if row.turns is None else [dict(turn) for turn in row.turns]
    return {
        "key": row.key,
        "text": row.text,
        "context": row.context,
        "task_type": row.task_type,
        "turns": turns,
    }


def _run_row(row: Mapping[Any, Any]) -> RunRow:
    names = ("adapter_name", "source", "status", "note", "round", "answered", "created_at")
    known = {name: row[name] for name in names}
    settings: Settings | LedgerError
    unknown: tuple[str, ...] = ()
    try:
        settings, unknown = stored_settings(row["settings"], f"the settings of run {row['run_id']}")
    except LedgerError as error:  # the run is listed all the same
        settings = error
    return RunRow(run_id=row["run_id"], kept_settings=settings, unknown_settings=unknown, **known)
