"""Deterministic evidence: what a program can know about a response, graded by the checks a pack names.

Pure functions, no input or output: texts and context in, findings and grades out.
"""

from rlhf.nodes.evidence.findings import Finding, FindingKind, Severity
from rlhf.nodes.evidence.grading import (
    CHECKS,
    EVIDENCE_VERSION,
    CheckFunction,
    collect_evidence,
    collect_findings,
    findings_of,
    grade_checks,
    known_checks,
    run_checks,
)
from rlhf.nodes.evidence.results import CheckResult, DimensionEvidence, Evidence

__all__ = [
    "CHECKS",
    "EVIDENCE_VERSION",
    "CheckFunction",
    "CheckResult",
    "DimensionEvidence",
    "Evidence",
    "Finding",
    "FindingKind",
    "Severity",
    "collect_evidence",
    "collect_findings",
    "findings_of",
    "grade_checks",
    "known_checks",
    "run_checks",
]
