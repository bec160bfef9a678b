"""What a program knows about a response, without a judge: findings, grades and caps, and the money as it was read."""

from collections.abc import Mapping
from typing import Any, Final

from rlhf.nodes.evidence import (
    Evidence,
    Finding,
    FindingKind,
    Severity,
    collect_evidence,
    findings_of,
    grade_checks,
    known_checks,
    run_checks,
)
from rlhf.prompts.rubric import RubricError, RubricPack, load_pack
from rlhf.state.errors import InputError
from rlhf.state.files.context import read_context
from rlhf.state.records import Record

_LACKING: Final[Mapping[FindingKind, str]] = {
    "reason_missing": "retailers_have_reasons",
    "same_amounts": "distinct_amounts",
    "too_short": "long_enough",
    "hard_to_read": "reading_ease",
    "poor_structure": "structure",
    "no_step": "concrete_next_steps",
    "no_date_or_owner": "dates_or_owners_present",
    "no_figures": "figures_present",
    "no_call_to_action": "call_to_action_present",
    "off_topic": "refers_to_prompt",
}
"""What not every text needs: found only where the rubric pack names the check."""


class ResponseFinding(Record):
    """One finding; `response[start:end] == quote`. What is missing has no place: start = end = 0, an empty quote."""

    kind: FindingKind
    """What is wrong, one word."""
    severity: Severity
    """How much it matters."""
    start: int
    """Where it begins in the response, in characters."""
    end: int
    """Where it ends, the first character after it."""
    quote: str
    """The text there."""
    sentence: str
    """One sentence for people."""


class DimensionGrade(Record):
    """`score` 0 to 100 before its cap, `cap` the ceiling (0 to 100) that would apply; None where nothing does."""

    score: float | None
    """0 to 100, before the cap; None where no check applies."""
    cap: float | None
    """The ceiling, 0 to 100; None where there is none."""


class ResponseEvidence(Record):
    """Everything the checks say about one response."""

    findings: tuple[ResponseFinding, ...]
    """What was found, in the order of the text."""
    dimensions: dict[str, DimensionGrade]
    """Grade and ceiling by dimension."""
    reading: dict[str, Any]
    """How the money was read: budget, currency, allocations, beside (reserves, fees), total."""


def check_evidence(
    prompt: str, response: str, context: Mapping[str, Any] | None = None, task_type: str = "general"
) -> ResponseEvidence:
    """Findings, grades and caps of one response, by the rubric pack `task_type`: no model, no key, milliseconds.

    `context` is what a prompt file's row may hold: brand, retailers, budget, caps, banned_terms, required_terms, ….
    Raises InputError for an unknown task type or a pack that cannot be used.
    """
    try:
        pack = load_pack(task_type, known_checks=known_checks())
    except RubricError as error:
        raise InputError(str(error)) from error
    evidence = collect_evidence(prompt, response, read_context("input", context or {}), pack.anchors)
    named = _named(pack)
    results = run_checks(evidence)
    graded = grade_checks(pack, evidence, results)
    return ResponseEvidence(
        findings=tuple(
            _shown(found)
            for found in findings_of(results)
            if _LACKING.get(found.kind, next(iter(named))) in named
        ),
        dimensions={name: DimensionGrade(score=part.score, cap=part.cap) for name, part in graded.items()},
        reading=_reading(evidence),
    )


def _named(pack: RubricPack) -> frozenset[str]:
    """The checks a pack grades or caps by."""
    rubrics = pack.dimensions.values()
    graded = {check.name for rubric in rubrics for check in rubric.checks}
    return frozenset(graded | {cap.name for cap in pack.caps} | {c.name for r in rubrics for c in r.caps})


def _shown(found: Finding) -> ResponseFinding:
    here = found.source == "response"
    return ResponseFinding(
        kind=found.kind,
        severity=found.severity,
        start=found.start if here else 0,
        end=found.end if here else 0,
        quote=found.quote if here else "",
        sentence=found.sentence,
    )


def _reading(evidence: Evidence) -> dict[str, Any]:
    facts = evidence.facts
    return {
        "budget": facts.budget,
        "currency": facts.currency,
        "allocations": evidence.given,
        "beside": list(evidence.split.kept),
        "total": sum((*evidence.given.values(), *evidence.split.kept)) or None,
    }
