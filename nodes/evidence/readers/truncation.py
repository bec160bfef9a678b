"""Tells a text that was cut off from one that simply ends without a full stop, as lists and headlines do."""

import re
from typing import Final

from rlhf.nodes.evidence.readers.text import LIST_MARK, words

_ENDED: Final = re.compile(r"[.!?…。！？।؟:)\]\"”’»][\"'”’»)\]*_`~]{0,5}$|```$|\|$")
_STOPPED: Final = re.compile(r"[.!?…。！？।؟]")
_NO_SENTENCE: Final = re.compile(r"(?:https?://\S+|[A-Za-z0-9+/=]{24,}|#\w+|@\w+|\*\*|__)$")
_EMPTY_ITEM: Final = re.compile(r"\s*(?:\d{1,3}[.)]|[-*•–])$")
_OPEN_END: Final = re.compile(r"[,;\-–—(\[&$€£#+/=]$")
_CLOSING: Final = re.compile(
    r"\s*(?:(?:best|kind|warm|with kind) ?(?:regards|wishes)?|regards|sincerely|yours(?: truly)?|cheers|"
    r"warmly|thanks|love),?",
    re.IGNORECASE,
)
_LINK_WORDS: Final = """
    a an and as at because but by for from if in into is its nor of on or our so that the their this to
    was were which while will with your are be been being has have had than then when where who whose if
    until before after between each every per via about against during under over very more most not
    only such these those can could should would may must his her my we they he she it's compare und der
    die das dem den des ein eine einen mit für auf von zu im am zum zur bei als wie wenn weil dass oder
    aber nicht sich ist sind wird werden et le la les de des du un une au aux pour par avec dans sur qui
    que ou mais est sont sera y el los las con del al una para por en que o pero es son será com da das
    do dos na nas no nos um uma ao aos à e mas
"""
_DANGLING: Final = frozenset(_LINK_WORDS.split())
SHORT_ITEM: Final = 4


def cut_off_at(text: str) -> int | None:
    """The offset where the cut-off last part starts, or None where the text is whole. An empty text is whole."""
    text = text.rstrip()
    if not words(text[-4_000:]):
        return None
    start = text.rfind("\n") + 1
    last = text[start:]
    if _EMPTY_ITEM.fullmatch(last) and start:
        return start
    if _ENDED.search(text[-12:]) and not last.count("(") > last.count(")"):
        return None
    if _NO_SENTENCE.search(last[-200:]) or _CLOSING.fullmatch(last):
        return None
    if last.count("(") > last.count(")") or _OPEN_END.search(last):
        return start
    if last.lstrip().startswith("|"):
        return start
    if not text[-1].isalnum():  # an emoji or another mark
        return None
    sentence = start + max((stop.end() for stop in _STOPPED.finditer(last)), default=0)
    fragment = words(text[sentence:])
    if fragment and fragment[-1] in _DANGLING:
        return sentence
    above = text[:start].rstrip()
    if LIST_MARK.match(last):  # the items above show whether items end with a full stop here
        items_end = above and LIST_MARK.match(above[above.rfind("\n") + 1 :]) and _STOPPED.match(above[-1])
        return sentence if items_end and len(fragment) >= SHORT_ITEM else None
    if above and not _ENDED.search(above[-12:]):  # nor do the other lines end with a full stop
        return None
    # a whole sentence may lack its full stop: only one that stops amid a thought is surely cut off
    return None
