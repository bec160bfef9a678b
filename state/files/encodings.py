"""Bytes of a text file as text: UTF-8, UTF-16, and Windows' cp1252 where nothing else can be meant."""

import codecs
import re
from pathlib import Path
from typing import Final

from rlhf.state.errors import InputError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with UTF-16's mark, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHARED: Final = "‘’“”–—…€•™§©®°´«»·\u00a0äöüÄÖÜßéÉáÁíÍóÓúÚâÂçÇëËîÎôÔ"
"""Characters that the Windows code pages of Western and Central Europe and Turkey write with the same byte
(or that Central Europe hardly writes)."""
_WESTERN: Final = "¡¿àÀèÈêÊïÏùÙûÛœŒñÑãÃåÅæÆøØòÒõÕìÌ"
"""What only the Western one writes so: taken beside words of Western languages, never alone."""
_WESTERN_WORDS: Final = re.compile(
    r"(?<!\w)(?:the|and|for|with|les?|la|des|une|est|pour|dans|und|der|die|das|für|el|los|una|para|con|que|"
    r"och|att|det|til|il|di|per|não|dos)(?!\w)",
    re.IGNORECASE,
)
_UTF8_PAIR: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_ODD: Final = re.compile(r"[^\W\d_][‘“€•§©´«°][^\W\d_]|[^\x00-\x7f‘’“”–—…€«»\u00a0]{3}")
"""Punctuation within a word, or three special letters in a row: another alphabet's letters misread."""


def decoded(path: Path, data: bytes, notes: list[str] | None = None) -> str:
    """The file's text without a byte order mark; a guess never.

    `notes` collects a line where it was not UTF-8. InputError names the line that is damaged or unclear.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _unmarked(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        windows = _windows(data) if encoding == "utf-8" else None
        if windows is None:
            line = _line_of(data[: error.start], encoding)
            named = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
            raise InputError(f"{path}, line {line}: not {named} text; save the file as UTF-8.") from error
        text, encoding = windows, "cp1252 (Windows)"
    if notes is not None and not encoding.startswith("utf-8"):
        notes.append(f"{path}: read as {encoding}.")
    if (position := text.find("\0")) >= 0:
        line = text.count("\n", 0, position) + 1
        raise InputError(f"{path}, line {line}: holds a NUL byte; the file is damaged or not text.")
    return text


def _unmarked(data: bytes) -> str:
    """UTF-16 without its mark shows in the NULs beside the first characters."""
    start = data[:8]
    if len(start) >= 4 and len(data) % 2 == 0:
        if not any(start[1::2]) and all(start[::2]):
            return "utf-16-le"
        if not any(start[::2]) and all(start[1::2]):
            return "utf-16-be"
    return "utf-8"


def _windows(data: bytes) -> str | None:
    """The text if it is Windows' cp1252 beyond doubt; measured detectors take short texts for cp1250 or cp932."""
    if _UTF8_PAIR.search(data):  # damaged UTF-8
        return None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    special = {character for character in text if character > "\x7f"}
    if _ODD.search(text) or not special <= set(_SHARED + _WESTERN):
        return None
    if special & set(_WESTERN) and len({word.lower() for word in _WESTERN_WORDS.findall(text)}) < 2:
        return None
    return text


def _line_of(before: bytes, encoding: str) -> int:
    text = (
        before.decode(encoding, errors="ignore")
        if encoding.startswith("utf-16")
        else before.decode("latin-1")
    )
    return text.count("\n") + 1
