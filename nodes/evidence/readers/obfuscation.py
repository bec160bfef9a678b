"""Undoes disguises: invisible characters, look-alike letters, encoded text; and says where they stand."""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from rlhf.prompts.neutralise import LOOK_ALIKES, strip_invisible

_PASTED: Final = frozenset("\u200b\u2060\ufeff")
# Zero-width, bidi overrides and tags; joiners, soft hyphens and emoji selectors have honest uses.
_HIDING: Final = re.compile(
    "[\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\u180e\u115f\u1160\u3164\uffa0\U000e0000-\U000e007f"
    "\U000e0100-\U000e01ef\ufeff]+"
)
_TAGGED_FLAG: Final = re.compile(
    "\U0001f3f4[\U000e0020-\U000e007f]{1,8}"
)  # the flags of England, Scotland, Wales
_SPACED: Final = re.compile(r"(?<!\S)(?:[^\W_] {1,4}){9,400}[^\W_](?!\S)")
_MIXED_WORD: Final = re.compile(r"[^\W\d_]{2,40}")
_ENCODED: Final = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,2000}={0,2}(?![A-Za-z0-9+/=])")


def hiding_characters(text: str) -> Iterator[tuple[int, int]]:
    """Runs of characters that only hide text.

    Flags are none, nor is a single zero-width space at the edge of a word, as pages leave it when text is copied.
    """
    flags = {place for flag in _TAGGED_FLAG.finditer(text) for place in range(*flag.span())}
    for match in _HIDING.finditer(text):
        inside = (
            text[match.start() - 1 : match.start()].isalnum()
            and text[match.end() : match.end() + 1].isalnum()
        )
        if match.start() not in flags and (inside or match[0] not in _PASTED):
            yield match.span()


def look_alike_words(text: str) -> Iterator[tuple[int, int]]:
    """Words that mix Latin letters with look-alikes of another script."""
    for match in _MIXED_WORD.finditer(text):
        if not match[0].isascii():
            plain = match[0].translate(LOOK_ALIKES)
            if plain != match[0] and plain.isascii() and any(letter.isascii() for letter in match[0]):
                yield match.span()


def plain_text(text: str) -> str:
    """`text` as it would read without disguise: no hiding characters, plain Latin letters."""
    words = dict.fromkeys(text[start:end] for start, end in look_alike_words(text))
    bare = strip_invisible(text)
    for word in words:
        bare = bare.replace(word, word.translate(LOOK_ALIKES))
    return _SPACED.sub(_joined, unicodedata.normalize("NFKC", bare))


def _joined(spaced: re.Match[str]) -> str:
    """Letters with a space between each: two spaces or more part the words."""
    return re.sub(r" {2,}", " ", re.sub(r"(?<=\S) (?=\S)", "", spaced[0]))


def shifted_text(text: str) -> str:
    """`text` with each Latin letter thirteen places on (rot13)."""
    return codecs.encode(text, "rot13")


def decoded_texts(text: str) -> Iterator[tuple[int, int, str]]:
    """Base64 and hexadecimal runs that hold sentences: start, end and what they say."""
    for match in _ENCODED.finditer(text):
        for decoded in (_from_base64(match[0]), _from_hex(match[0])):
            if decoded and " " in decoded and decoded.isprintable():
                yield match.start(), match.end(), decoded


def _from_base64(run: str) -> str | None:
    try:
        bare = run.rstrip("=")
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _from_hex(run: str) -> str | None:
    try:
        return bytes.fromhex(run).decode("utf-8")
    except ValueError:
        return None
