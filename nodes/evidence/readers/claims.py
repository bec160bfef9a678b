"""Finds claims: promises that nobody can keep, and statements that need a proof the response does not have.

The claims are those of prompts/words; one that is only talked about, or that the prompt itself backs, isn't made.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from rlhf.nodes.evidence.readers.document import Document
from rlhf.nodes.evidence.readers.stance import is_made
from rlhf.prompts.words import load_words, lowered

MOST_READ: Final = 200  # claims; a text with more is bad enough
_SENTENCE: Final = re.compile(r"(?<=[.!?;\n])\s+")


def made_claims(document: Document, section: str, allowed: str, prompt: str) -> Iterator[tuple[int, int]]:
    """Where `document` makes a claim of the section. `allowed` are terms the context requires."""
    words = load_words()
    low = lowered(document.text)
    honest = [match.span() for match in words.pattern("no_claims").finditer(low)]
    asked = lowered(prompt)
    backed = [part for part in _SENTENCE.split(asked) if words.pattern("backings").search(part)]
    reviewed = re.search(r"(?<!\w)(?:review|check|audit|prüf|pruef|relis|revis)", asked) is not None
    for match in islice(words.pattern(section).finditer(low), MOST_READ):
        start, end = match.span()
        while low[end - 1].isspace():
            end -= 1
        if any(s < end and start < e for s, e in honest):
            continue
        said = low[start:end]
        if said in allowed or any(
            _same(said, part) for part in backed if not reviewed or "proof" in part or "on file" in part
        ):
            continue
        if is_made(document, start, end, prompt):
            yield start, end


def _same(said: str, backed: str) -> bool:
    """Whether a sentence that gives proof speaks of the claim, in these words or in a form of them."""
    if said in backed:
        return True
    stems = [word[:6] for word in re.findall(r"\w+", said) if len(word) > 2]
    return bool(stems) and all(stem in backed for stem in stems)
