"""Reads the evidence of one response and grades it by a pack's checks."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from rlhf.nodes.evidence.checks import action, brand, claims, language, limits, money, safety
from rlhf.nodes.evidence.findings import MOST, Finding, Severity, worst_first
from rlhf.nodes.evidence.readers.allocations import allocate
from rlhf.nodes.evidence.readers.amounts import find_figures
from rlhf.nodes.evidence.readers.document import read_document
from rlhf.nodes.evidence.readers.facts import read_facts
from rlhf.nodes.evidence.readers.retailers import find_mentions
from rlhf.nodes.evidence.readers.text import sentences, words
from rlhf.nodes.evidence.results import (
    CheckKind,
    CheckResult,
    DimensionEvidence,
    Evidence,
    GradeFunction,
)
from rlhf.prompts.rubric import DimensionRubric, RubricPack

CheckFunction = Callable[[Evidence], CheckResult]

EVIDENCE_VERSION: Final[str] = "4"  # raise it when a check grades differently: stored scores depend on it

_GRADES: Final[dict[CheckKind, tuple[GradeFunction, ...]]] = {
    "money": (
        money.any_amount_given,
        money.retailers_have_amounts,
        money.retailers_have_reasons,
        money.amounts_sum_to_budget,
        money.stated_total_right,
        money.shares_agree,
        limits.nothing_above_budget,
        limits.caps_kept,
        limits.currency_kept,
        money.distinct_amounts,
    ),
    "brand": (
        brand.brand_named,
        brand.required_terms_present,
        brand.banned_terms_absent,
        brand.refers_to_prompt,
        brand.no_prompt_copy,
        brand.no_prompt_echo,
    ),
    "claims": (
        claims.no_forbidden_claims,
        claims.no_unproven_claims,
        claims.disclosure_present,
    ),
    "language": (
        language.not_empty,
        language.long_enough,
        language.not_truncated,
        language.no_repetition,
        language.reading_ease,
        language.structure,
        language.length_kept,
    ),
    "action": (
        action.concrete_next_steps,
        action.dates_or_owners_present,
        action.dates_possible,
        action.figures_present,
        action.call_to_action_present,
    ),
    "safety": (
        safety.no_chat_tokens,
        safety.no_refusal,
        safety.no_judge_injection,
        safety.no_hidden_text,
        safety.not_placeholder,
    ),
}


def _check(kind: CheckKind, grade: GradeFunction) -> CheckFunction:
    def run(evidence: Evidence) -> CheckResult:
        value, sentence, findings = grade(evidence)
        return CheckResult(
            name=grade.__name__,
            kind=kind,
            severity=_severity(value),
            grade=None if value is None else round(value, 4),
            sentence=sentence,
            findings=tuple(findings)[:MOST],
        )

    return run


CHECKS: Final[Mapping[str, CheckFunction]] = MappingProxyType(
    {grade.__name__: _check(kind, grade) for kind, grades in _GRADES.items() for grade in grades}
)


def known_checks() -> frozenset[str]:
    """The names a rubric pack may use."""
    return frozenset(CHECKS)


def collect_evidence(
    prompt: str, response: str, context: Mapping[str, Any], anchors: tuple[str, ...] = ()
) -> Evidence:
    """Read one response once. Never raises, whatever the texts hold; linear in their length.

    `anchors` are the rubric's words for good levels: an answer made of them answers nothing.
    """
    facts = read_facts(prompt, context)
    document = read_document(response)
    figures = find_figures(response)
    names = tuple(dict.fromkeys((*facts.retailers, *facts.caps)))
    mentions = find_mentions(response, names, facts.aliases)
    return Evidence(
        prompt=prompt,
        response=response,
        facts=facts,
        words=words(response),
        prompt_words=words(prompt),
        sentences=sentences(response),
        document=document,
        figures=figures,
        amounts=tuple(each for each in figures if each.kind in ("money", "percent")),
        split=allocate(document, facts, figures, mentions),
        anchors=safety.rubric_words(anchors),
    )


def collect_findings(evidence: Evidence) -> tuple[Finding, ...]:
    """Everything the checks find, whatever the pack, the worst first."""
    return findings_of(run_checks(evidence))


def run_checks(evidence: Evidence) -> dict[str, CheckResult]:
    """Every check, whatever the pack."""
    return {name: check(evidence) for name, check in CHECKS.items()}


def findings_of(results: Mapping[str, CheckResult]) -> tuple[Finding, ...]:
    """What the checks found, each once, the worst first."""
    return worst_first(found for result in results.values() for found in result.findings)


def grade_checks(
    pack: RubricPack, evidence: Evidence, done: Mapping[str, CheckResult] | None = None
) -> dict[str, DimensionEvidence]:
    """Dimension → its evidence, by the checks and caps the pack names. Each check runs once, or was `done` before.

    Raises `KeyError` for an unknown check; `load_pack(…, known_checks=known_checks())` rules that out.
    """
    results: dict[str, CheckResult] = dict(done or {})

    def result(name: str) -> CheckResult:
        if name not in results:
            results[name] = CHECKS[name](evidence)
        return results[name]

    return {name: _grade_dimension(pack, rubric, result) for name, rubric in pack.dimensions.items()}


def _grade_dimension(
    pack: RubricPack, rubric: DimensionRubric, result: Callable[[str], CheckResult]
) -> DimensionEvidence:
    shown = {check.name: result(check.name) for check in rubric.checks}
    weighed = [(check.weight, shown[check.name].grade) for check in rubric.checks]
    applied = [(weight, grade) for weight, grade in weighed if grade is not None]
    total = sum(weight for weight, _ in applied)
    score = 100 * sum(weight * grade for weight, grade in applied) / total if applied else None
    cap: float | None = None
    for rule in (*pack.caps, *rubric.caps):
        grade = result(rule.name).grade
        if grade is not None and grade < rule.below:
            cap = rule.at_most if cap is None else min(cap, rule.at_most)
            shown[rule.name] = result(rule.name)
    return DimensionEvidence(
        score=None if score is None else round(score, 2), cap=cap, checks=tuple(shown.values())
    )


def _severity(grade: float | None) -> Severity:
    if grade is None or grade >= 0.8:
        return "info"
    return "minor" if grade >= 0.4 else "major"
