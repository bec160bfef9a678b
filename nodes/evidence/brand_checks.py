"""Checks on brand and prompt: names, wanted and banned terms, and whether the prompt is taken up."""

import re
from functools import lru_cache

from nodes.evidence.results import Evidence, Grade
from nodes.evidence.text import content_words, ramp


def brand_named(evidence: Evidence) -> Grade:
    """1 if the brand is named, half if only the first word of its name is."""
    brand = evidence.facts.brand
    if brand is None:
        return Grade(None, "No brand is given.")
    match = _term(brand).search(evidence.response)
    if match:
        return Grade(1.0, f"{brand} is named.", match.span())
    first = brand.split()[0]
    if len(first) > 3 and _term(first).search(evidence.response):
        return Grade(0.5, f"{brand} is named by half.")
    return Grade(0.0, f"{brand} is not named.")


def required_terms_present(evidence: Evidence) -> Grade:
    """Share of the required terms that stand in the response."""
    terms = evidence.facts.required_terms
    if not terms:
        return Grade(None, "No terms are required.")
    missing = [term for term in terms if not _term(term).search(evidence.response)]
    value = 1 - len(missing) / len(terms)
    return Grade(value, f"Missing: {missing[0]}." if missing else "All required terms are there.")


def banned_terms_absent(evidence: Evidence) -> Grade:
    """1 without banned terms, 0.3 with one, 0.09 with two."""
    terms = evidence.facts.banned_terms
    if not terms:
        return Grade(None, "No terms are banned.")
    if not evidence.words:
        return Grade(0.0, "There is no text to check.")
    hits = [match for term in terms if (match := _term(term).search(evidence.response))]
    if hits:
        return Grade(0.3 ** len(hits), f"Banned: {hits[0][0]}.", hits[0].span())
    return Grade(1.0, "No banned terms.")


def refers_to_prompt(evidence: Evidence) -> Grade:
    """Share of the prompt's content words found in the response; half of them is full marks."""
    asked = set(content_words(evidence.prompt_words[:2_000]))
    if len(asked) < 3:
        return Grade(None, "The prompt is too short to compare.")
    found = len(asked & set(content_words(evidence.words)))
    value = ramp(found / min(len(asked), 40), 0.0, 0.5)
    return Grade(value, f"Takes up {found} of {len(asked)} key words of the prompt.")


def no_prompt_copy(evidence: Evidence) -> Grade:
    """1 up to a quarter of five-word runs taken from the prompt, 0 from three quarters."""
    runs = _runs(evidence.words)
    if not runs:
        return Grade(None, "Too few words to compare.")
    asked = set(_runs(evidence.prompt_words))
    share = sum(run in asked for run in runs) / len(runs)
    return Grade(ramp(share, 0.75, 0.25), f"{share:.0%} is copied from the prompt.")


def _runs(found: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(zip(*(found[offset:] for offset in range(5)), strict=False))


@lru_cache(maxsize=512)
def _term(term: str) -> re.Pattern[str]:
    """`term` as a whole word or phrase, whatever its case, spacing and apostrophes."""
    escaped = "".join("['’]" if c in "'’" else r"\s{1,3}" if c.isspace() else re.escape(c) for c in term)
    before = r"(?<!\w)" if term[:1].isalnum() else ""
    after = r"(?!\w)" if term[-1:].isalnum() else ""
    return re.compile(before + escaped + after, re.IGNORECASE)
