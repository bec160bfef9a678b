"""Checks on brand and prompt: names, wanted and banned terms, and whether the prompt is taken up."""

from typing import Final

from rlhf.nodes.evidence.readers.terms import term_pattern
from rlhf.nodes.evidence.readers.text import content_words, ramp
from rlhf.nodes.evidence.results import Evidence, Grade

OFF_TOPIC: Final = 0.15
ENOUGH_ASKED: Final = 8
"""Key words of a prompt that few responses take up none of."""
COPIED: Final = 0.5
ECHOED: Final = 0.45
"""Share of a response taken from the prompt, where it holds the prompt's beginning and end as well."""


def brand_named(evidence: Evidence) -> Grade:
    """1 if the brand is named, half if only the first word of its name is."""
    brand = evidence.facts.brand
    if brand is None:
        return Grade(None, "No brand is given.")
    if term_pattern(brand).search(evidence.response):
        return Grade(1.0, f"{brand} is named.")
    first = brand.split()[0]
    if len(first) > 3 and term_pattern(first).search(evidence.response):
        return Grade(0.5, f"{brand} is named by half.")
    sentence = f"{brand} is not named."
    return Grade(0.0, sentence, [evidence.demanded("brand_missing", "brand", brand, sentence)])


def required_terms_present(evidence: Evidence) -> Grade:
    """Share of the required terms that stand in the response."""
    terms = evidence.facts.required_terms
    if not terms:
        return Grade(None, "No terms are required.")
    missing = [term for term in terms if not term_pattern(term).search(evidence.response)]
    findings = [
        evidence.demanded("required_term_missing", "required_terms", term, f"Missing: {term}.")
        for term in missing
    ]
    value = 1 - len(missing) / len(terms)
    return Grade(value, f"Missing: {missing[0]}." if missing else "All required terms are there.", findings)


def banned_terms_absent(evidence: Evidence) -> Grade:
    """1 without banned terms, 0.3 with one, 0.09 with two."""
    terms = evidence.facts.banned_terms
    if not terms:
        return Grade(None, "No terms are banned.")
    if not evidence.words:
        return Grade(0.0, "There is no text to check.")
    hits = [match for term in terms if (match := term_pattern(term, True).search(evidence.response))]
    if hits:
        findings = [evidence.found("banned_term", *hit.span(), f"Banned: {hit[0]}.") for hit in hits]
        return Grade(0.3 ** len(hits), f"Banned: {hits[0][0]}.", findings)
    return Grade(1.0, "No banned terms.")


def refers_to_prompt(evidence: Evidence) -> Grade:
    """Share of the prompt's content words found in the response; half of them is full marks."""
    asked = set(content_words(evidence.prompt_words[:2_000]))
    if len(asked) < 3:
        return Grade(None, "The prompt is too short to compare.")
    found = len(asked & set(content_words(evidence.words)))
    value = ramp(found / min(len(asked), 40), 0.0, 0.5)
    sentence = f"Takes up {found} of {len(asked)} key words of the prompt."
    sure = len(asked) >= ENOUGH_ASKED or found == 0
    if value < OFF_TOPIC and sure and len(asked) >= 5 and len(evidence.words) >= 8:
        return Grade(value, sentence, [evidence.found("off_topic", 0, len(evidence.response), sentence)])
    return Grade(value, sentence)


def no_prompt_copy(evidence: Evidence) -> Grade:
    """1 up to a quarter of five-word runs taken from the prompt, 0 from three quarters.

    Quoting less than half of the prompt counts for less: a summary takes a part of the material it was given.
    """
    runs = _runs(evidence.words)
    if not runs:
        return Grade(None, "Too few words to compare.")
    asked = set(_runs(evidence.prompt_words))
    share = sum(run in asked for run in runs) / len(runs)
    share *= min(1.0, 2 * len(asked & set(runs)) / max(1, len(asked)))
    sentence = f"{share:.0%} is copied from the prompt."
    if share >= COPIED:
        whole = [evidence.found("copied_prompt", 0, len(evidence.response), sentence)]
        return Grade(ramp(share, 0.75, 0.25), sentence, whole)
    return Grade(ramp(share, 0.75, 0.25), sentence)


def no_prompt_echo(evidence: Evidence) -> Grade:
    """0 if the response is mostly the prompt, from its first words to its last; 1 for anything else.

    Mending a text that stands in the prompt copies it too, but not the request that comes with it.
    """
    runs, asked = _runs(evidence.words), _runs(evidence.prompt_words)
    if not runs or not asked:
        return Grade(None, "Too few words to compare.")
    said = set(runs)
    prompted = set(asked)
    share = sum(run in prompted for run in runs) / len(runs)
    if share < ECHOED or asked[0] not in said or asked[-1] not in said:
        return Grade(1.0, "Not the prompt given back.")
    sentence = "The prompt is given back as the answer."
    return Grade(0.0, sentence, [evidence.found("copied_prompt", 0, len(evidence.response), sentence)])


def _runs(found: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(zip(*(found[offset:] for offset in range(5)), strict=False))
