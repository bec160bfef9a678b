"""Checks on the writing itself: is there enough of it, is it whole, readable and not repeated."""

import re
from typing import Final

from nodes.evidence.results import Evidence, Grade
from nodes.evidence.text import LIST_MARK, distinct_share, ramp, words

ENOUGH_WORDS: Final = 25
READ_AT_MOST: Final = 20_000  # characters: reading ease is a mean and settles long before

_ENDED: Final = re.compile(r"[.!?…]['\"”’)\]*_`]{0,4}$|\|$")
_LINK_WORDS: Final = """
    a an and as at because but by for from in is its of on or our that the their this to was which while will
    with your
"""
_DANGLING: Final = frozenset(_LINK_WORDS.split())


def not_empty(evidence: Evidence) -> Grade:
    """1 if the response holds at least two words, else 0."""
    filled = len(evidence.words) >= 2
    return Grade(float(filled), "The response has text." if filled else "The response is empty.")


def long_enough(evidence: Evidence) -> Grade:
    """Distinct words over the 25 a useful response needs, at most 1."""
    count = len(set(evidence.words))
    value = min(1.0, count / ENOUGH_WORDS)
    return Grade(value, f"{count} different words." if value < 1 else "Long enough to be useful.")


def not_truncated(evidence: Evidence) -> Grade:
    """Whether the last sentence ends; 0 for a text cut within a phrase, between for an open list item."""
    text = evidence.response.rstrip()
    if not text:
        return Grade(0.0, "There is no ending.")
    if _ENDED.search(text[-8:]):
        return Grade(1.0, "The last sentence is complete.")
    span = (max(0, len(text) - 20), len(text))
    last = evidence.words[-1] if evidence.words else ""
    if last in _DANGLING or text[-1] in ",;:-–—(&$€£#*":
        return Grade(0.0, "The response is cut off.", span)
    lines = text.splitlines()
    short_item = len(lines) > 1 and (len(lines[-1]) < 60 or LIST_MARK.match(lines[-1]) is not None)
    return Grade(0.5 if short_item else 0.2, "The last sentence has no end.", span)


def no_repetition(evidence: Evidence) -> Grade:
    """Distinct words and distinct three-word runs, numbers aside; 1 for varied text, 0 for a loop."""
    plain = [word for word in evidence.words if not word[0].isdigit()][:20_000]
    if len(plain) < 4:
        return Grade(0.0 if not plain else 0.5, "Too few words to tell.")
    runs = ramp(distinct_share(plain, 3), 0.35, 0.95)
    # distinct words fall with length even in good prose; beyond 200 words the window keeps the measure fair
    windows = [plain[start : start + 100] for start in range(0, len(plain), 100)]
    window_share = sum(distinct_share(window, 1) * len(window) for window in windows) / len(plain)
    value = 0.5 * runs + 0.5 * ramp(window_share, 0.25, 0.62)
    return Grade(
        value, "Little is repeated." if value >= 0.8 else f"{1 - distinct_share(plain, 3):.0%} is repeated."
    )


def reading_ease(evidence: Evidence) -> Grade:
    """The Automated Readability Index (Smith and Senter, 1967): 1 up to grade 12, 0 from grade 24.

    It counts letters, words and sentences only, so it needs no dictionary to be downloaded.
    """
    if len(evidence.words) < 8:
        return Grade(0.0, "Too few words to measure.")
    import textstat  # heavy: it brings nltk

    text = ". ".join(sentence.rstrip(".") for sentence in evidence.sentences)[:READ_AT_MOST]
    grade = float(textstat.automated_readability_index(text))
    return Grade(ramp(grade, 24, 12), f"Reads at school grade {max(1, round(grade))}.")


def structure(evidence: Evidence) -> Grade:
    """Half for sentences of 4 to 25 words, half for lines or list items once the text is over 50 words."""
    if not evidence.sentences or len(evidence.words) < 4:
        return Grade(0.0, "Nothing to lay out.")
    lengths = [len(words(sentence)) for sentence in evidence.sentences[:500]]
    good = sum(4 <= length <= 25 for length in lengths) / len(lengths)
    lines = [line for line in evidence.response.splitlines()[:2_000] if line.strip()]
    needed = max(1.0, min(len(evidence.words), 400) / 50)
    layout = min(1.0, len(lines) / needed)
    value = 0.5 * good + 0.5 * layout
    return Grade(value, "Well laid out." if value >= 0.8 else "Sentences too long or lines missing.")


def length_kept(evidence: Evidence) -> Grade:
    """1 within the words or characters allowed, falling to 0 at one and a half times as many."""
    grades = []
    for limit, size in (
        (evidence.facts.max_words, len(evidence.words)),
        (evidence.facts.max_characters, len(evidence.response.strip())),
    ):
        if limit is not None:
            grades.append((ramp(size / limit, 1.5, 1.0), f"{size} of at most {limit}"))
    if not grades:
        return Grade(None, "No length is asked for.")
    value, sizes = min(grades)
    return Grade(value if evidence.words else 0.0, f"Length: {sizes}.")
