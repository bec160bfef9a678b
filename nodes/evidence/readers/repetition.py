"""Finds text that repeats itself: a loop, a pasted sentence, a paragraph that stands there twice."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from rlhf.nodes.evidence.readers.text import WORD

READ_AT_MOST: Final = 20_000  # words
# (words in a row, how often they must stand there): a short run may recur in honest parallel lines, a long one not
_RUNS: Final = ((5, 4), (8, 3), (14, 2))


def repeated_run(text: str) -> tuple[int, int] | None:
    """Where the first run of words that comes too often is repeated; numbers don't count."""
    found = [
        (match[0].lower(), match.start(), match.end())
        for _, match in zip(range(READ_AT_MOST), WORD.finditer(text), strict=False)
        if not match[0][0].isdigit()
    ]
    for size, often in _RUNS:
        runs = list(zip(*([word for word, _, _ in found[offset:]] for offset in range(size)), strict=False))
        place = _first_too_often(runs, often)
        if place is not None:
            return found[place][1], found[place + size - 1][2]
    return None


def _first_too_often(runs: Iterable[tuple[str, ...]], often: int) -> int | None:
    seen: Counter[tuple[str, ...]] = Counter()
    for place, run in enumerate(runs):
        seen[run] += 1
        if seen[run] >= often:
            return place
    return None
