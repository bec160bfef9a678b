"""What a response's evidence is, and what a check says about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from nodes.evidence.allocations import Allocation
from nodes.evidence.facts import Facts
from nodes.evidence.money import Amount

CheckKind = Literal["money", "brand", "claims", "language", "action", "safety"]
Severity = Literal["info", "minor", "major"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read from one prompt and response; the checks grade it, nothing reads the texts twice."""

    prompt: str
    response: str
    facts: Facts
    words: tuple[str, ...]
    """Every word of the response, in lower case."""
    prompt_words: tuple[str, ...]
    sentences: tuple[str, ...]
    amounts: tuple[Amount, ...]
    allocations: dict[str, Allocation]
    """Retailer → its place, amount and reason, for those the response names."""

    @property
    def given(self) -> dict[str, float]:
        """The amounts of the retailers that have one."""
        return {name: a.amount for name, a in self.allocations.items() if a.amount is not None}


class Grade(NamedTuple):
    """A check's judgement: `value` 0 to 1, or None where the check doesn't apply."""

    value: float | None
    sentence: str
    span: tuple[int, int] | None = None


GradeFunction = Callable[[Evidence], Grade]


class CheckResult(BaseModel):
    """One check on one response, ready to be stored and shown.

    `grade` is 0 to 1, None where the check does not apply; `span` is a range of the response's characters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: CheckKind
    severity: Severity
    grade: float | None = Field(ge=0, le=1)
    sentence: str
    span: tuple[int, int] | None = None


class DimensionEvidence(BaseModel):
    """What the checks say about one dimension.

    `score` is 0 to 100, the weighted mean of the grades that apply, None if none does; it is not yet capped.
    `cap` is the lowest ceiling (0 to 100) that a grade has set: whoever blends scores applies it last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: float | None = Field(ge=0, le=100)
    cap: float | None = Field(ge=0, le=100)
    checks: tuple[CheckResult, ...]

    @property
    def capped(self) -> float | None:
        """`score` under its cap."""
        return self.score if self.score is None or self.cap is None else min(self.score, self.cap)

    @property
    def findings(self) -> list[str]:
        """The sentences of the checks that apply, the worst grade first."""
        applied = [check for check in self.checks if check.grade is not None]
        return [check.sentence for check in sorted(applied, key=lambda check: check.grade or 0.0)]
