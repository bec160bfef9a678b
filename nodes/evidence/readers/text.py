"""Words, sentences and their repetition: the small text tools the checks share."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

WORD: Final = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')\]*]{0,3}\s+(?=[^\s])")
_EDGES: Final = " \t*_|#\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
LIST_MARK: Final = re.compile(r"\s{0,8}(?:[-*•–]\s|\d{1,3}[.)]\s|#{1,6}\s|\|)")

# Words too common to show that a response is about its prompt.
_COMMON: Final = """
    a about above after again all also an and any are as at be because been before being below
    between both but by can could did do does doing down during each every few for from further give
    gives given had has have having he her here hers him his how i if in into is it its itself just
    like make makes me more most must my new no nor not of off on once one only or other our ours
    out over own please same she should so some such than that the their theirs them then there
    these they this those through to too under until up us use used very was we were what when where
    which while who whom why will with within would write you your yours
"""
STOPWORDS: Final = frozenset(_COMMON.split())


def words(text: str) -> tuple[str, ...]:
    """Every word and number of `text`, in lower case."""
    return tuple(match[0] for match in WORD.finditer(text.lower()))


def content_words(found: Sequence[str]) -> list[str]:
    """`found` without stopwords, numbers and single letters; plurals lose their s, so that they match."""
    return [
        word.removesuffix("s") if len(word) > 3 else word
        for word in found
        if len(word) > 1 and word not in STOPWORDS and not word[0].isdigit()
    ]


class Sentence(NamedTuple):
    """A sentence, a list item or a line, and the offset in the text where it starts."""

    text: str
    start: int


def sentences(text: str) -> tuple[Sentence, ...]:
    """Lines, and within lines the sentences; list marks and blank lines are gone."""
    found = []
    position = 0
    for line in text.splitlines(keepends=True):
        mark = LIST_MARK.match(line)
        start = mark.end() if mark else 0
        ends = [(match.start(), match.end()) for match in _SENTENCE_END.finditer(line, start)]
        for stop, after in [*ends, (len(line), len(line))]:
            part = line[start:stop]
            stripped = part.strip(_EDGES)
            if stripped:
                found.append(Sentence(stripped, position + start + part.index(stripped)))
            start = after
        position += len(line)
    return tuple(found)


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last place of `text` that fits, None if none does."""
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def distinct_share(found: Sequence[str], size: int) -> float:
    """Distinct runs of `size` words over all of them, 0 to 1; 1 for a text shorter than one run."""
    runs = list(zip(*(found[offset:] for offset in range(size)), strict=False))
    return len(set(runs)) / len(runs) if runs else 1.0


def ramp(value: float, worst: float, best: float) -> float:
    """0 at `worst`, 1 at `best`, straight between them; `worst` may be the larger."""
    return min(1.0, max(0.0, (value - worst) / (best - worst)))
