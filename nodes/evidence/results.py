"""What a response's evidence is, and what a check says about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from rlhf.nodes.evidence.findings import MOST, Finding, FindingKind, Severity, finding, worst_first
from rlhf.nodes.evidence.readers.allocations import Split
from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.document import Document
from rlhf.nodes.evidence.readers.facts import Facts
from rlhf.nodes.evidence.readers.text import Sentence
from rlhf.state.records import EvidenceNote

CheckKind = Literal["money", "brand", "claims", "language", "action", "safety"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read from one prompt and response; the checks grade it, nothing reads the texts twice."""

    prompt: str
    response: str
    facts: Facts
    words: tuple[str, ...]
    """Every word of the response, in lower case."""
    prompt_words: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    document: Document
    figures: tuple[Amount, ...]
    """Every number of the response: money, percentages, plain numbers, and those that cannot be read."""
    amounts: tuple[Amount, ...]
    split: Split
    """Who gets what, by the response."""
    anchors: frozenset[str]
    """The rubric's own words for good levels, so that an answer made of them is known."""

    @property
    def given(self) -> dict[str, float]:
        """The amounts of the retailers that have one."""
        return {name: a.amount for name, a in self.split.allocations.items() if a.amount is not None}

    def found(self, kind: FindingKind, start: int, end: int, sentence: str) -> Finding:
        """A finding in the response."""
        return finding(kind, sentence, self.response, start, end)

    def demanded(self, kind: FindingKind, key: str, text: str, sentence: str) -> Finding:
        """A finding about something that is not in the response: it points at where it was asked for."""
        start = self.prompt.lower().find(text.lower())
        if start >= 0 and len(self.prompt) == len(self.prompt.lower()):
            return finding(kind, sentence, self.prompt, start, start + len(text), "prompt")
        return finding(kind, sentence, text, 0, len(text), f"context.{key}")


class Grade(NamedTuple):
    """A check's judgement: `value` 0 to 1, or None where the check doesn't apply."""

    value: float | None
    sentence: str
    findings: Iterable[Finding] = ()


GradeFunction = Callable[[Evidence], Grade]


class CheckResult(BaseModel):
    """One check on one response: `grade` is 0 to 1, None where the check does not apply."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: CheckKind
    severity: Severity
    grade: float | None = Field(ge=0, le=1)
    sentence: str
    findings: tuple[Finding, ...] = Field(default=(), max_length=MOST)


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
    def notes(self) -> list[EvidenceNote]:
        """What the ledger keeps of each check."""
        return [EvidenceNote(check=c.name, grade=c.grade, sentence=c.sentence) for c in self.checks]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found for this dimension, the worst first."""
        return worst_first(found for check in self.checks for found in check.findings)

    @property
    def told(self) -> list[str]:
        """What a judge is shown: the faults, then what each check that applies says, the worst grade first."""
        faults = [found.sentence for found in self.findings if found.severity != "info"]
        applied = [check for check in self.checks if check.grade is not None]
        checked = [check.sentence for check in sorted(applied, key=lambda check: check.grade or 0.0)]
        return list(dict.fromkeys([*faults, *checked]))
