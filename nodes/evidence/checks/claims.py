"""Checks on what may not be said, and on what must be disclosed."""

import re
from typing import Final

from rlhf.nodes.evidence.findings import FindingKind
from rlhf.nodes.evidence.readers.claims import made_claims
from rlhf.nodes.evidence.readers.terms import term_pattern
from rlhf.nodes.evidence.results import Evidence, Grade
from rlhf.prompts.words import load_words, lowered

_DISCLOSED: Final = re.compile(
    r"#(?:ad|advert|advertisement|sponsored|partner|gifted|paidpartnership|werbung|anzeige|pub|publi|publicidad|"
    r"publicidade|publicite|publicité|collaborationcommerciale|parceriapaga|partenariat|sponsorisé|kooperation)(?!\w)"
    r"|^\W{0,4}(?:ad|advert|anzeige|werbung|publicité|publicidad|publicidade|publi)\s?[|:\-–—\])]",
    re.IGNORECASE | re.MULTILINE,
)
_NEGATED: Final = re.compile(
    r"(?:(?<!\w)(?:not|no|never|isn['’]t|wasn['’]t|without|nicht|keine?|pas|sans|sin|sem|não)(?:\s\w+){0,2}\s|un)$",
    re.IGNORECASE,
)


def no_forbidden_claims(evidence: Evidence) -> Grade:
    """1 without claims nobody can keep ("guaranteed", "risk-free", "cures"), 0.4 with one, 0.16 with two.

    A claim that is denied or quoted as a fault does not count, nor one that the context requires.
    """
    return _claims(
        evidence, "forbidden_claim", "forbidden_claims", 0.4, "Forbidden claim", "No forbidden claims."
    )


def no_unproven_claims(evidence: Evidence) -> Grade:
    """1 without claims that need a proof ("clinically proven", "#1"), 0.5 with one, 0.25 with two."""
    return _claims(
        evidence, "unproven_claim", "unproven_claims", 0.5, "Unproven claim", "No unproven claims."
    )


def disclosure_present(evidence: Evidence) -> Grade:
    """Share of the disclosures asked for that stand in the response; applies only where one is wanted."""
    facts = evidence.facts
    if not facts.disclosure_wanted:
        return Grade(None, "No disclosure is needed.")
    if facts.disclosures:
        missing = [text for text in facts.disclosures if not term_pattern(text).search(evidence.response)]
        findings = [
            evidence.demanded("disclosure_missing", "disclosures", text, f"Disclosure missing: {text[:40]}.")
            for text in missing
        ]
        value = 1 - len(missing) / len(facts.disclosures)
        return Grade(value, findings[0].sentence if findings else "Disclosures are there.", findings)
    told = load_words().pattern("disclosures")
    for match in (*_DISCLOSED.finditer(evidence.response), *told.finditer(lowered(evidence.response))):
        if match[0] in ("ad", "advert", "gifted", "publi"):
            continue
        if not _NEGATED.search(evidence.response, max(0, match.start() - 30), match.start()):
            return Grade(1.0, "A disclosure is there.")
    sentence = "The disclosure is missing."
    return Grade(
        0.0,
        sentence,
        [evidence.demanded("disclosure_missing", "disclosure", facts.disclosure_word, sentence)],
    )


def _claims(evidence: Evidence, kind: FindingKind, section: str, left: float, fault: str, fine: str) -> Grade:
    if not evidence.words:
        return Grade(0.0, "There is no text to check.")
    allowed = " ".join(evidence.facts.required_terms).lower()
    text = evidence.response
    made = list(made_claims(evidence.document, section, allowed, evidence.prompt))
    if made:
        findings = [evidence.found(kind, *place, f"{fault}: {text[slice(*place)]}.") for place in made]
        return Grade(left ** min(len(made), 9), findings[0].sentence, findings)
    return Grade(1.0, fine)
