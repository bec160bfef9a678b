"""Words, sentences and their repetition: the small text tools the checks share."""

import re
from collections.abc import Sequence
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')\]*]{0,3}\s+(?=[^\s])")
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
    return tuple(match[0] for match in _WORD.finditer(text.lower()))


def content_words(found: Sequence[str]) -> list[str]:
    """`found` without stopwords, numbers and single letters; plurals lose their s, so that they match."""
    return [
        word.removesuffix("s") if len(word) > 3 else word
        for word in found
        if len(word) > 1 and word not in STOPWORDS and not word[0].isdigit()
    ]


def sentences(text: str) -> tuple[str, ...]:
    """Lines, and within lines the sentences; list marks and blank lines are gone."""
    lines = (line[mark.end() :] if (mark := LIST_MARK.match(line)) else line for line in text.splitlines())
    parts = (part for line in lines for part in _SENTENCE_END.split(line))
    return tuple(stripped for part in parts if (stripped := part.strip(" \t*_|#")))


def distinct_share(found: Sequence[str], size: int) -> float:
    """Distinct runs of `size` words over all of them, 0 to 1; 1 for a text shorter than one run."""
    runs = list(zip(*(found[offset:] for offset in range(size)), strict=False))
    return len(set(runs)) / len(runs) if runs else 1.0


def ramp(value: float, worst: float, best: float) -> float:
    """0 at `worst`, 1 at `best`, straight between them; `worst` may be the larger."""
    return min(1.0, max(0.0, (value - worst) / (best - worst)))
