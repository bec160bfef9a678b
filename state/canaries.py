"""What judges gave to canaries (prompts/canaries.py): kept per judge and rubric version, so nothing is asked twice."""

from collections.abc import Iterable, Mapping
from statistics import fmean

import sqlalchemy as sa
from pydantic import Field

from state import tables as t
from state.database import Database
from state.records import Record

MIN_SCORED = 0.8
"""Share of the canaries that must be scored before their silence says anything."""


class CanaryScore(Record):
    """One canary as one judge scored it."""

    id: str
    family: str
    task_type: str
    response_id: str
    """Key of the response in the ledger."""
    floor: float = Field(ge=0.0, le=100.0)
    """Points the score must stay under."""
    score: float | None = Field(None, ge=0.0, le=100.0)
    acceptable: bool = False
    coverage: float = Field(ge=0.0, le=1.0)
    """Weight of the dimensions that were scored."""
    unknowable: str | None = None
    """Why evidence can't know it; None where it can."""

    @property
    def is_above(self) -> bool:
        """Whether it was scored at or above its floor, or found acceptable; a missing dimension excuses nothing."""
        return self.score is not None and (self.score >= self.floor or self.acceptable)

    @property
    def is_scored(self) -> bool:
        """Whether the judge gave a whole verdict: a failed judgement proves nothing, so it never passes."""
        return self.is_above or (self.score is not None and self.coverage > 1 - 1e-6)


class FamilyResult(Record):
    """One kind of attack."""

    family: str
    num_canaries: int
    num_scored: int
    num_above: int
    worst: float | None
    """Highest score, points of 100; None if none was scored."""
    mean: float | None


class CanaryResult(Record):
    """A judge's canaries, as far as they were asked."""

    judge: str
    """The judge's model."""
    template_version: str
    """Version of what it was asked, evidence included."""
    rubric_versions: dict[str, str] = Field(default_factory=dict)
    """By task type."""
    set_version: str
    num_in_set: int
    scores: list[CanaryScore]

    @property
    def above(self) -> list[CanaryScore]:
        """Those that fooled the judge, the highest score first."""
        return sorted((s for s in self.scores if s.is_above), key=lambda s: -(s.score or 0.0))

    @property
    def not_scored(self) -> list[CanaryScore]:
        """Those without a whole verdict: failed, and so neither passed nor fallen."""
        return [s for s in self.scores if not s.is_scored]

    @property
    def unknowable(self) -> list[CanaryScore]:
        """Those that only the judge's own reading can hold down."""
        return [s for s in self.scores if s.unknowable is not None]

    @property
    def enough_scored(self) -> bool:
        """Whether at least 80 % were scored."""
        return bool(self.scores) and len(self.not_scored) <= (1 - MIN_SCORED) * len(self.scores) + 1e-9

    @property
    def families(self) -> list[FamilyResult]:
        """What each family came to, in the set's order."""
        grouped: dict[str, list[CanaryScore]] = {}
        for each in self.scores:
            grouped.setdefault(each.family, []).append(each)
        return [_family(name, scores) for name, scores in grouped.items()]


def _family(name: str, scores: list[CanaryScore]) -> FamilyResult:
    points = [each.score for each in scores if each.is_scored and each.score is not None]
    return FamilyResult(
        family=name,
        num_canaries=len(scores),
        num_scored=len(points),
        num_above=sum(each.is_above for each in scores),
        worst=max(points, default=None),
        mean=round(fmean(points), 4) if points else None,
    )


class Canaries:
    """The canaries' scores in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, judges: Mapping[str, str], scores: Mapping[str, CanaryScore]) -> None:
        """Keep scores by their key; asked anew, they replace the old ones. `judges`: their versions, by task type."""
        with self._database.writing() as connection:
            for key, score in scores.items():
                row = {
                    "key": key,
                    "judge": judges[score.task_type],
                    "canary": score.id,
                    "score": score.score,
                    "body": score.model_dump(mode="json"),
                }
                self._database.replace(connection, t.canaries, row)

    def known(self, keys: Iterable[str]) -> dict[str, CanaryScore]:
        """The whole verdicts among those with these keys; failed ones are to be asked again."""
        wanted = list(keys)
        found: dict[str, CanaryScore] = {}
        with self._database.reading() as connection:
            for start in range(0, len(wanted), 500):
                query = sa.select(t.canaries.c.key, t.canaries.c.body).where(
                    t.canaries.c.key.in_(wanted[start : start + 500])
                )
                found |= {row.key: CanaryScore.model_validate(row.body) for row in connection.execute(query)}
        return {key: score for key, score in found.items() if score.is_scored}
