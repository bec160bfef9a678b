"""Prompts that are nearly alike, found together: what one of them taught may not be asked of another."""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

SIMILAR = 0.7
"""Share of common pieces (Jaccard) from which two prompts count as near-duplicates."""
PIECE = 5
"""Characters per piece. Words would split "CVS," from "CVS", and no text without spaces at all."""
PERMUTATIONS = 128
"""Length of a signature: it estimates the share of common pieces to about ± 0.04."""
ROWS = 4
"""Signature values per band. Two prompts at SIMILAR share one of the 32 bands but for one time in 6,000."""
FRAME_OF = 12
"""Texts it takes to tell a frame that a file's prompts share, such as instructions before each question."""
OWN_PIECES = 40
"""Pieces a text needs beside the frame to be compared without it; fewer may be a name or a number in words."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:k|m|mm|b|bn)?\b")


def near_duplicates(texts: Sequence[str]) -> list[int]:
    """The number of each text's cluster, from 0 in the order of first appearance.

    Case, spaces and numbers do not tell texts apart: "$100 for CVS" and "$1.2 for  cvs" are alike. What stands in most
    texts does not make them alike, if they say enough beside it. Texts share a cluster when they, or a chain of texts
    between them, are SIMILAR by MinHash (Broder 1997), found by banding (Leskovec, Rajaraman, Ullman, Mining of Massive
    Datasets, section 3.4) and then checked against the whole signature. Takes time in proportion to the length of all
    texts; the same texts give the same clusters in any order.
    """
    written = [_normalised(text) for text in texts]
    distinct = sorted(set(written))
    leader = list(range(len(distinct)))

    def root(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for one, other in _similar(distinct):
        leader[root(other)] = root(one)
    cluster = {text: root(place) for place, text in enumerate(distinct)}
    numbers: dict[int, int] = {}
    return [numbers.setdefault(cluster[text], len(numbers)) for text in written]


def _normalised(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_NUMBER.sub("0", plain).split())


def _similar(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of places that chain the near-duplicates among the texts together."""
    import numpy as np
    from datasketch import MinHash

    if len(texts) < 2:
        return
    frame = _frame(texts)
    pieces = (_beside(frame, _pieces(text)) for text in texts)
    hashes = MinHash.generator(pieces, num_perm=PERMUTATIONS, hashfunc=zlib.crc32, scheme="affine32")
    signatures = np.stack([found.hashvalues for found in hashes])
    for start in range(0, PERMUTATIONS, ROWS):
        band = signatures[:, start : start + ROWS]
        # Whole signatures settle the order within a bucket: the most alike lie beside each other, and each is
        # compared with its neighbour alone. A bucket of thousands costs no more than thousands of buckets.
        order = np.lexsort((*signatures.T[::-1], *band.T[::-1]))
        one, other = order[:-1], order[1:]
        bucket = (band[one] == band[other]).all(axis=1)
        one, other = one[bucket], other[bucket]
        alike = (signatures[one] == signatures[other]).mean(axis=1) >= SIMILAR
        yield from zip(one[alike].tolist(), other[alike].tolist(), strict=True)


def _pieces(text: str) -> set[bytes]:
    return {text[i : i + PIECE].encode() for i in range(max(1, len(text) - PIECE + 1))}


def _frame(texts: Sequence[str]) -> set[bytes]:
    """Pieces that more than half of the texts share, by an even sample of them."""
    if len(texts) < FRAME_OF:
        return set()
    sample = texts[:: max(1, len(texts) // 500)]
    counts = Counter(piece for text in sample for piece in _pieces(text))
    return {piece for piece, count in counts.items() if count > len(sample) / 2}


def _beside(frame: set[bytes], pieces: set[bytes]) -> list[bytes]:
    own = pieces - frame
    return list(own if len(own) >= OWN_PIECES else pieces)
