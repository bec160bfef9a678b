"""Checks on what may not be said, and on what must be disclosed."""

import re
from typing import Final

from nodes.evidence.brand_checks import _term
from nodes.evidence.results import Evidence, Grade

_CLAIM: Final = re.compile(
    r"(?<!programmatic )(?<!\w)guarantee(?:s|d)?(?!\w)(?! (?:impressions|deal|inventory|buy|placement))"
    r"|(?<!\w)(?:100\s?%|completely|totally|entirely) (?:safe|effective|natural cure|risk[- ]free|"
    r"guaranteed)(?!\w)"
    r"|(?<!\w)(?:risk[- ]free|no[- ]risk|zero[- ]risk|fool[- ]?proof|fail[- ]?safe)(?!\w)"
    r"|#\s?1(?!\d)|(?<!\w)(?:number one|no\. ?1(?!\d))(?!\w)"
    r"|(?<!\w)(?:world['’]s|nation['’]s|country['’]s|market['’]s) (?:best|leading|finest|number)(?!\w)"
    r"|(?<!\w)(?:best|finest) in the (?:world|market|country)(?!\w)"
    r"|(?<!\w)(?:cures?|cured|heals?|miracles?|miraculous)(?!\w)"
    r"|(?<!\w)(?:clinically|scientifically|medically) (?:proven|tested|shown)(?!\w)"
    r"|(?<!\w)(?:doctors?|dermatologists?|dentists?)[- ](?:recommended|approved)(?!\w)"
    r"|(?<!\w)(?:no|zero|without) side effects?(?!\w)"
    r"|(?<!\w)(?:instant|overnight|permanent) (?:results?|cure|relief|success)(?!\w)"
    r"|(?<!\w)(?:never fails?|always works?|works every time|unbeatable|undefeated)(?!\w)"
    r"|(?<!\w)(?:double|triple) your (?:money|sales|income|investment)(?!\w)|(?<!\w)get rich(?!\w)"
    r"|(?<!\w)(?:will|is sure to|is certain to) definitely(?!\w)|(?<!\w)prevents? (?:cancer|disease|"
    r"covid|illness)",
    re.IGNORECASE,
)
# A claim that is denied, quoted as a fault or advised against isn't made.
_DENIED: Final = re.compile(
    r"(?<!\w)(?:not|no|never|cannot|can['’]t|don['’]t|doesn['’]t|isn['’]t|aren['’]t|won['’]t|avoid(?:s|"
    r"ing)?|without|"
    r"remov(?:e|es|ing)|replac(?:e|es|ing)|instead of|rather than|delet(?:e|ing)|drop|strike|"
    r"flag(?:ged)?|ban(?:ned)?|"
    r"prohibit(?:s|ed)?|forbid(?:s|den)?|unproven|unsupported|unsubstantiated|misleading|claims?"
    r" (?:like|such as|that)|"
    r"the (?:word|words|phrase|claim|term)|nothing is|nor)(?!\w)[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
_DISCLOSED: Final = re.compile(
    r"#(?:ad|sponsored|partner|gifted)(?!\w)|(?<!\w)(?:sponsored|advertisement|paid (?:partnership|"
    r"promotion|post)|"
    r"paid for by|in partnership with|gifted by|affiliate links?|we (?:may )?earn a? ?commissions?|"
    r"terms apply|"
    r"t&cs apply|results (?:may|can) vary|individual results|see (?:label|site|store) for|use only as"
    r" directed|"
    r"these statements have not been evaluated|while supplies last|exclusions apply|disclosure)(?!\w)",
    re.IGNORECASE,
)


def no_forbidden_claims(evidence: Evidence) -> Grade:
    """1 without claims nobody can keep ("guaranteed", "risk-free", "#1"), 0.4 with one, 0.16 with two.

    A claim that is denied or quoted as a fault does not count, nor one that the context requires.
    """
    if not evidence.words:
        return Grade(0.0, "There is no text to check.")
    allowed = " ".join(evidence.facts.required_terms).lower()
    made = [
        match
        for match in _CLAIM.finditer(evidence.response)
        if match[0].lower() not in allowed
        and not _DENIED.search(evidence.response, max(0, match.start() - 60), match.start())
    ]
    if made:
        return Grade(0.4 ** min(len(made), 9), f"Unproven claim: {made[0][0]}.", made[0].span())
    return Grade(1.0, "No forbidden claims.")


def disclosure_present(evidence: Evidence) -> Grade:
    """Share of the disclosures asked for that stand in the response; applies only where one is wanted."""
    facts = evidence.facts
    if not facts.disclosure_wanted:
        return Grade(None, "No disclosure is needed.")
    if facts.disclosures:
        missing = [text for text in facts.disclosures if not _term(text).search(evidence.response)]
        value = 1 - len(missing) / len(facts.disclosures)
        return Grade(
            value, f"Disclosure missing: {missing[0][:40]}." if missing else "Disclosures are there."
        )
    match = _DISCLOSED.search(evidence.response)
    if match:
        return Grade(1.0, "A disclosure is there.", match.span())
    return Grade(0.0, "The disclosure is missing.")
