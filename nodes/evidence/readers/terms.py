"""Finds a given term in a text, however it is spaced, hyphenated or inflected."""

import re
from functools import lru_cache
from typing import Final

_JOINTS: Final = r"[\s\-\u2010-\u2013_]{0,3}"


@lru_cache(maxsize=512)
def term_pattern(term: str, inflected: bool = False) -> re.Pattern[str]:
    """`term` as a whole word or phrase, whatever its case, spacing, hyphens and apostrophes.

    "SPF 50" is found in "SPF50" and "plant-based" in "plant based"; with `inflected` a plural or 's may follow.
    """
    escaped = "".join("['’]" if c in "'’" else _JOINTS if c in " -\u2011_" else re.escape(c) for c in term)
    before = r"(?<!\w)" if term[:1].isalnum() else ""
    ending = r"(?:['’]?s|es)?" if inflected and term[-1:].isalpha() else ""
    after = r"(?!\w)" if term[-1:].isalnum() else ""
    return re.compile(before + escaped + ending + after, re.IGNORECASE)
