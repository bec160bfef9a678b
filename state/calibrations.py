"""Calibrations: monotone maps from a judge's scores to people's, bound to the judge and rubric they were fitted on."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Literal, Self

import sqlalchemy as sa
from pydantic import Field, model_validator

from state import tables as t
from state.database import Database
from state.errors import LedgerError
from state.keys import content_key
from state.records import Record


class ScoreMap(Record):
    """A monotone map of scores (0–100) by its corners: straight lines between them, flat beyond."""

    x: list[float] = Field(min_length=1)
    """Scores before, strictly rising."""
    y: list[float] = Field(min_length=1)
    """Scores after, never falling."""

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        if len(self.x) != len(self.y):
            raise ValueError("x and y differ in length")
        if any(left >= right for left, right in zip(self.x, self.x[1:], strict=False)):
            raise ValueError("x does not rise")
        if any(left > right for left, right in zip(self.y, self.y[1:], strict=False)):
            raise ValueError("y falls")
        if not all(0.0 <= value <= 100.0 for value in self.y):
            raise ValueError("y leaves 0 to 100")
        return self

    def __call__(self, score: float) -> float:
        """The calibrated score, 0–100."""
        right = bisect_right(self.x, score)
        if right == 0:
            return self.y[0]
        if right == len(self.x):
            return self.y[-1]
        share = (score - self.x[right - 1]) / (self.x[right] - self.x[right - 1])
        return self.y[right - 1] + share * (self.y[right] - self.y[right - 1])


class JudgeVersion(Record):
    """Everything a raw score depends on, but for the response: a map is right for this and nothing else."""

    task_type: str
    rubric_version: str
    model: str
    template_version: str
    evidence_weight: float

    @property
    def key(self) -> str:
        """The same for the same judge and rubric."""
        return content_key("judge", *self.model_dump().values())


class CrossValidated(Record):
    """What a map changes on labels it was not fitted on, over all folds."""

    num_labels: int
    raw: float | None = None
    """Error of the raw scores: absolute distance in points for scores, Brier score for pairs."""
    constant: float | None = None
    """The same error if every response got the same score: a map that is no better says nothing."""
    calibrated: float | None = None
    gain_low: float | None = None
    """Lower end of the 95 % interval of `raw` minus `calibrated`, bootstrapped over labels."""
    raw_accuracy: float | None = None
    """Share of pairs put in people's order, ties half; None for scores."""
    calibrated_accuracy: float | None = None
    stored: bool = False
    note: str
    """Why the map is stored, or why not."""


class Calibration(Record):
    """The maps fitted on one set of labels for one judge; without maps it says that raw scores are the best."""

    judge: JudgeVersion
    weights: dict[str, float]
    """Weights the overall map was fitted with; with others it is not applied."""
    dimensions: dict[str, ScoreMap] = Field(default_factory=dict)
    overall: ScoreMap | None = None
    """Maps the weighted mean of the calibrated dimension scores."""
    kind: Literal["pairs", "scores"]
    labels: str
    """Key of the labels' content."""
    figures: dict[str, CrossValidated] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """From the content, so the same fit is stored once."""
        return content_key("calibration", self.model_dump(mode="json"))

    @property
    def is_tested(self) -> bool:
        """Whether there were labels enough to tell if maps help."""
        return any(found.raw is not None for found in self.figures.values())

    def overall_map(self, weights: Mapping[str, float]) -> ScoreMap | None:
        """The overall map, if it belongs to these weights."""
        same = self.weights.keys() == weights.keys() and all(
            abs(self.weights[name] - weights[name]) < 1e-9 for name in weights
        )
        return self.overall if same else None


class Calibrations:
    """The calibrations in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, calibration: Calibration) -> str:
        """Keep the calibration as its judge's newest one; returns its key. Older ones stay for their runs."""
        key = calibration.key
        row = {"key": key, "judge": calibration.judge.key, "body": calibration.model_dump(mode="json")}
        with self._database.writing() as connection:
            connection.execute(sa.delete(t.calibrations).where(t.calibrations.c.key == key))
            self._database.insert(connection, t.calibrations, [row])
        return key

    def get(self, key: str) -> Calibration:
        """The calibration with this key; LedgerError if there is none."""
        with self._database.reading() as connection:
            body = connection.execute(
                sa.select(t.calibrations.c.body).where(t.calibrations.c.key == key)
            ).scalar()
        if body is None:
            raise LedgerError(
                f"The ledger does not hold calibration {key}: was another ledger in use before?"
            )
        return Calibration.model_validate(body)

    def newest(self, judge: JudgeVersion) -> Calibration | None:
        """The judge's newest calibration."""
        with self._database.reading() as connection:
            newest = connection.execute(_newest(judge)).scalar()
        return None if newest is None else self.get(newest)

    def of_run(self, run_id: str, judge: JudgeVersion) -> Calibration | None:
        """The calibration the run uses for this judge: what was newest when the run first asked, and that for good."""
        with self._database.reading() as connection:
            known = connection.execute(_chosen(run_id, judge)).first()
        if known is None:
            with self._database.writing() as connection:
                newest = connection.execute(_newest(judge)).scalar()
                row = {"run_id": run_id, "judge": judge.key, "calibration_key": newest}
                self._database.insert(connection, t.run_calibrations, [row])
                known = connection.execute(_chosen(run_id, judge)).one()
        return None if known.calibration_key is None else self.get(known.calibration_key)

    def kept(self, run_id: str, judge: JudgeVersion) -> Calibration | None:
        """The one `of_run` would give, without settling it for the run."""
        with self._database.reading() as connection:
            known = connection.execute(_chosen(run_id, judge)).first()
        if known is None:
            return self.newest(judge)
        return None if known.calibration_key is None else self.get(known.calibration_key)

    def used_by(self, run_id: str) -> list[str]:
        """Keys of the calibrations that the run uses."""
        query = sa.select(t.run_calibrations.c.calibration_key).where(
            t.run_calibrations.c.run_id == run_id, t.run_calibrations.c.calibration_key.is_not(None)
        )
        with self._database.reading() as connection:
            return sorted(connection.execute(query).scalars())


def _newest(judge: JudgeVersion) -> sa.Select[str]:
    return (
        sa.select(t.calibrations.c.key)
        .where(t.calibrations.c.judge == judge.key)
        .order_by(t.calibrations.c.created_at.desc(), t.calibrations.c.key.desc())
        .limit(1)
    )


def _chosen(run_id: str, judge: JudgeVersion) -> sa.Select[str | None]:
    return sa.select(t.run_calibrations.c.calibration_key).where(
        t.run_calibrations.c.run_id == run_id, t.run_calibrations.c.judge == judge.key
    )
