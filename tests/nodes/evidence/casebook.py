"""The hand-written cases: how they are read, split into two halves, and how findings are held against them.

A case lists what must be found: `find` maps a kind to true or to the texts it must point at, `absent` names kinds
that must stay silent, `given` is the split that must be read. Of the kinds in ALWAYS anything that a case does not
list is a false alarm; the others count only in cases that name them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from rlhf.nodes.evidence import Evidence, Finding, collect_evidence, collect_findings
from rlhf.prompts.rubric import load_pack

FOLDER: Final = Path(__file__).parent / "cases"
SEED: Final = 31899
"""Chosen before any code saw a case, so that every kind with two or more cases stands in both halves."""

_SERIOUS: Final = """
    retailer_missing amount_missing sum_mismatch total_misstated over_budget cap_exceeded share_mismatch
    currency_mismatch required_term_missing banned_term forbidden_claim unproven_claim disclosure_missing
    empty truncated repetition copied_prompt too_long refusal chat_token judge_instruction forged_verdict
    forged_turn hidden_text placeholder
"""
ALWAYS: Final = frozenset(_SERIOUS.split())


@dataclass(frozen=True)
class Case:
    """One answer to a brief, and what a person finds in it."""

    id: str
    prompt: str
    context: Mapping[str, Any]
    task_type: str
    response: str
    find: Mapping[str, bool | list[str]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    given: Mapping[str, float] | None = None

    @property
    def held_back(self) -> bool:
        """Whether it belongs to the half that is not looked at."""
        return bool(hashlib.sha256(f"{SEED}:{self.id}".encode()).digest()[0] % 2)

    @property
    def evidence(self) -> Evidence:
        """What the code reads."""
        return collect_evidence(self.prompt, self.response, self.context, load_pack(self.task_type).anchors)


@cache
def cases(files: str = "*.yaml") -> tuple[Case, ...]:
    """All cases, in the order of their files."""
    briefs = yaml.safe_load((FOLDER / "briefs.yaml").read_text("utf-8"))
    rows = [
        row
        for path in sorted(FOLDER.glob(files))
        if path.name != "briefs.yaml"
        for row in yaml.safe_load(path.read_text("utf-8"))
    ]
    return tuple(Case(**{**briefs[row.pop("brief")], **row}) for row in rows)


@dataclass
class Score:
    """Counts of one kind: found rightly, false alarms, and missed."""

    right: int = 0
    false: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Share of what was found that is really there; 1 if nothing was found."""
        found = self.right + self.false
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of what is there that was found; 1 if there is nothing."""
        there = self.right + self.missed
        return self.right / there if there else 1.0


def score(chosen: Iterable[Case]) -> tuple[dict[str, Score], list[str]]:
    """Counts per kind ("allocation" for the splits) and a line for every mistake."""
    scores: dict[str, Score] = {}
    mistakes: list[str] = []
    for case in chosen:
        evidence = case.evidence
        found: dict[str, list[Finding]] = {}
        for finding in collect_findings(evidence):
            found.setdefault(finding.kind, []).append(finding)
        for kind in ALWAYS | case.find.keys() | set(case.absent):
            counts = _hold(case.find.get(kind, False), found.get(kind, []))
            _add(scores.setdefault(kind, Score()), counts)
            if counts["false"] or counts["missed"]:
                quotes = [finding.quote for finding in found.get(kind, [])]
                mistakes.append(f"{case.id}: {kind}: wanted {case.find.get(kind, False)}, found {quotes}")
        if case.given is not None:
            counts = _split(case.given, evidence.given)
            _add(scores.setdefault("allocation", Score()), counts)
            if counts["false"] or counts["missed"]:
                mistakes.append(f"{case.id}: allocation: wanted {dict(case.given)}, found {evidence.given}")
    return scores, mistakes


def overall(scores: Mapping[str, Score]) -> Score:
    """All kinds together."""
    return Score(*(sum(getattr(s, name) for s in scores.values()) for name in ("right", "false", "missed")))


def _hold(wanted: bool | list[str], found: list[Finding]) -> Counter[str]:
    if isinstance(wanted, bool):
        return Counter(
            {"right" if wanted and found else "missed" if wanted else "false": 1 if wanted or found else 0}
        )
    right = [text for text in wanted if any(_touches(text, finding) for finding in found)]
    false = [finding for finding in found if not any(_touches(text, finding) for text in wanted)]
    return Counter(right=len(right), missed=len(wanted) - len(right), false=len(false))


def _touches(text: str, finding: Finding) -> bool:
    """Whether the finding's quote is the text, holds it, or is part of it."""
    return bool(finding.quote) and (text in finding.quote or finding.quote in text)


def _split(wanted: Mapping[str, float], found: Mapping[str, float]) -> Counter[str]:
    right = sum(name in found and abs(found[name] - value) <= 0.01 * value for name, value in wanted.items())
    return Counter(right=right, missed=len(wanted) - right, false=len(found) - right)


def _add(score: Score, counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        setattr(score, name, getattr(score, name) + count)
