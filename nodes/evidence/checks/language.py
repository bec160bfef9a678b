"""Checks on the writing itself: is there enough of it, is it whole, readable and not repeated."""

import re
from collections.abc import Iterator
from typing import Final

from rlhf.nodes.evidence.checks.safety import is_placeholder
from rlhf.nodes.evidence.findings import Finding
from rlhf.nodes.evidence.readers.repetition import repeated_run
from rlhf.nodes.evidence.readers.text import distinct_share, ramp, words
from rlhf.nodes.evidence.readers.truncation import cut_off_at
from rlhf.nodes.evidence.results import Evidence, Grade

ENOUGH_WORDS: Final = 25
VERY_SHORT: Final = 8
READ_AT_MOST: Final = 20_000  # characters: reading ease is a mean and settles long before
LEAST_LETTERS: Final = 6  # scripts without spaces write much in one "word"


def not_empty(evidence: Evidence) -> Grade:
    """1 if the response holds at least two words, else 0."""
    letters = "".join(evidence.words)
    if len(evidence.words) >= 2 or (len(letters) >= LEAST_LETTERS and not letters.isascii()):
        return Grade(1.0, "The response has text.")
    if evidence.words:
        return Grade(0.0, "The response is one word.", _too_short(evidence))
    whole = evidence.found("empty", 0, len(evidence.response), "The response is empty.")
    return Grade(0.0, "The response is empty.", [whole])


def long_enough(evidence: Evidence) -> Grade:
    """Distinct words over the 25 a useful response needs, at most 1."""
    count = len(set(evidence.words))
    value = min(1.0, count / ENOUGH_WORDS)
    sentence = f"{count} different words." if value < 1 else "Long enough to be useful."
    return Grade(value, sentence, _too_short(evidence) if 0 < count < VERY_SHORT else ())


def not_truncated(evidence: Evidence) -> Grade:
    """1 for a text that ends, 0 for one that is cut off, 0.5 for a single line without an end."""
    text = evidence.response.rstrip()
    if not text:
        return Grade(0.0, "There is no ending.")
    start = None if is_placeholder(evidence) else cut_off_at(text)
    if start is not None:
        sentence = "The response is cut off."
        return Grade(0.0, sentence, [evidence.found("truncated", start, len(text), sentence)])
    if text[-1].isalnum():  # a list without full stops, a headline: whole, as far as one can see
        return Grade(0.5, "The last line has no full stop.")
    return Grade(1.0, "The last sentence is complete.")


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
    span = repeated_run(evidence.response)
    if span is not None and evidence.document.in_grid(span[0]) is not None and value >= 0.5:
        span = None  # lines of a table are alike by their nature
    if span is None:
        return Grade(value, "Little is repeated." if value >= 0.8 else _share_repeated(plain))
    sentence = _share_repeated(plain)
    return Grade(min(value, 0.6), sentence, [evidence.found("repetition", *span, sentence)])


def reading_ease(evidence: Evidence) -> Grade:
    """The Automated Readability Index (Smith and Senter, 1967): 1 up to grade 12, 0 from grade 24.

    It counts letters, words and sentences only, so it needs no dictionary.
    """
    if len(evidence.words) < VERY_SHORT:
        return Grade(0.0, "Too few words to measure.")
    found = words(" ".join(sentence.text for sentence in evidence.sentences)[:READ_AT_MOST])
    letters = sum(map(len, found))
    count = max(1, min(len(evidence.sentences), len(found)))
    grade = 4.71 * letters / len(found) + 0.5 * len(found) / count - 21.43
    value, sentence = ramp(grade, 24, 12), f"Reads at school grade {max(1, round(grade))}."
    hard = [evidence.found("hard_to_read", 0, len(evidence.response), sentence)] if value < 0.5 else ()
    return Grade(value, sentence, hard)


def structure(evidence: Evidence) -> Grade:
    """Half for sentences of 4 to 25 words, half for lines or list items once the text is over 50 words."""
    if not evidence.sentences or len(evidence.words) < 4:
        return Grade(0.0, "Nothing to lay out.")
    lengths = [len(words(sentence.text)) for sentence in evidence.sentences[:500]]
    good = sum(4 <= length <= 25 for length in lengths) / len(lengths)
    lines = [line for line in evidence.response.splitlines()[:2_000] if line.strip()]
    needed = max(1.0, min(len(evidence.words), 400) / 50)
    layout = min(1.0, len(lines) / needed)
    value = 0.5 * good + 0.5 * layout
    sentence = "Well laid out." if value >= 0.8 else "Sentences too long or lines missing."
    poor = value < 0.5 and len(evidence.words) > 50
    return Grade(
        value,
        sentence,
        [evidence.found("poor_structure", 0, len(evidence.response), sentence)] if poor else (),
    )


def length_kept(evidence: Evidence) -> Grade:
    """1 within the words or characters allowed, falling to 0 at one and a half times as many."""
    grades = []
    for limit, size in (
        (evidence.facts.max_words, len(evidence.words)),
        (evidence.facts.max_characters, len(evidence.response.strip())),
    ):
        if limit is not None:
            grades.append((ramp(size / limit, 1.5, 1.0), f"Length: {size} of at most {limit}."))
    long_items = list(_long_items(evidence))
    if long_items:
        _, _, size, limit = long_items[0]
        sentence = f"An item of {size}, at most {limit} are allowed."
        findings = [
            evidence.found("item_too_long", s, e, f"An item of {n}, at most {m} are allowed.")
            for s, e, n, m in long_items
        ]
        return Grade(max(0.0, 0.6 - 0.2 * len(long_items)), sentence, findings)
    if not grades and evidence.facts.item_limits:
        return Grade(1.0 if evidence.words else 0.0, "Every item is short enough.")
    if not grades:
        return Grade(None, "No length is asked for.")
    value, sentence = min(grades)
    too_long = [evidence.found("too_long", 0, len(evidence.response), sentence)] if value < 1 else ()
    return Grade(value if evidence.words else 0.0, sentence, too_long)


def _long_items(evidence: Evidence) -> Iterator[tuple[int, int, int, int]]:
    """Items over the limit for each: place, size and limit. Items are list items; without a list, lines."""
    limits = evidence.facts.item_limits
    units = evidence.document.units
    items = [unit for unit in units if unit.kind == "item"] or [u for u in units if u.kind == "paragraph"]
    if not limits or len(items) < 2:
        return
    for unit in items:
        text = evidence.response[unit.start : unit.end].strip()
        bare = re.sub(
            r"\s?[(\[]\d{1,3}(?: (?:characters|chars|words|zeichen))?[)\]]$", "", text.strip("*_\"“”'` ")
        )
        label = re.match(r"[*_]*[^:.!?]{1,24}:[*_]*\s", bare)
        for each, body in ((limits.get("characters"), bare), (limits.get("words"), bare)):
            if each is None:
                continue
            counted = each == limits.get("words") and each != limits.get("characters")
            sizes = [
                len(words(part)) if counted else len(part)
                for part in (body, body[label.end() :] if label else body)
            ]
            if min(sizes) > each:
                yield unit.start, unit.end, min(sizes), each
                break


def _too_short(evidence: Evidence) -> list[Finding]:
    return [evidence.found("too_short", 0, len(evidence.response), "Too short to be of use.")]


def _share_repeated(plain: list[str]) -> str:
    return f"{1 - distinct_share(plain, 3):.0%} is repeated."
