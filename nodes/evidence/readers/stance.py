"""Tells what a response says from what it only talks about: quoted, denied, found fault with, under a condition.

One layer for claims, refusals, orders to the judge, forged verdicts and placeholders. An instruction to use a line
("Use this line: …") says the line.
"""

import re
from dataclasses import replace
from typing import Final

from rlhf.nodes.evidence.readers.document import Document
from rlhf.nodes.evidence.readers.text import last_match
from rlhf.nodes.evidence.readers.text import words as words_of
from rlhf.prompts.words import Words, load_words, lowered

_PAIRS: Final = {
    "“": "”“",
    "„": "“”",
    "«": "»",
    "»": "«",
    '"': '"',
    "‘": "’",
    "'": "'",
    "‚": "‘",
    "`": "`",
    "『": "』",
    "「": "」",
}
READ_AROUND: Final = 400  # characters of a sentence on both sides
_QUESTION: Final = re.compile(
    r"(?:can|could|does|do|is|are|will|would|who|should|did|may|kann|darf|est-ce|peut-on|puede|pode)\s"
)
_AFTERWARDS: Final = re.compile(
    r"[\"'”’»)\]*]{0,3}\s?(?:\([^)]{0,60}\)\s?)?(?:is|are|was|were|would|must|should|needs?|has|have|requires?|reads?|implies|"
    r"cannot|can't|may not|goes|sounds|ist|sind|muss|braucht|est|doit|es|debe|é|deve|:|—|–|-|,)?\s"
)
_FORBIDS: Final = re.compile(
    r"\W{0,6}(?:never|avoid|do not|don['’]t|no |stop|skip|swap|vermeiden|niemals|keine |"
    r"évitez|jamais|evite|evita|nunca|não )"
)
_NOT_USED: Final = re.compile(r"(?:not|never|n't|don't|avoid|nicht|pas|no|não|nunca)\s(?:to\s)?(?:\w+\s)?$")


def quoted_at(text: str, start: int, end: int, since: int, until: int) -> tuple[int, int] | None:
    """The quotation around `text[start:end]`, its marks included, or None."""
    best: tuple[int, int] | None = None
    for opening, closings in _PAIRS.items():
        at = text.rfind(opening, since, start)
        while at >= 0:
            before, after = text[at - 1 : at] if at else " ", text[at + 1 : at + 2]
            opens = not before.isalnum() and (opening in "«»" or not after.isspace())
            close = min(
                (c for mark in closings if (c := text.find(mark, max(end - 1, at + 1), until)) >= 0),
                default=-1,
            )
            while close >= 0 and text[close] in "'’" and text[close + 1 : close + 2].isalnum():
                close = text.find(text[close], close + 1, until)
            inner = text[at + 1 : start]
            if opens and close >= end - 1 and not any(mark in inner for mark in closings if mark not in "'’"):
                if best is None or at > best[0]:
                    best = at, close + 1
                break
            if opening in closings:  # a straight mark: the one before may be the closing one
                break
            at = text.rfind(opening, since, at)
    return best


def is_made(document: Document, start: int, end: int, prompt: str = "") -> bool:
    """Whether the response itself says `text[start:end]`."""
    words = load_words()
    text, low = document.text, lowered(document.text)
    clause, unit = document.clause_at(start), document.unit_at(start)
    if clause is None or unit is None:
        return True
    grid = document.in_grid(start)
    if grid is not None:
        column = _column(document, start)
        if column is not None:
            title = lowered(column)
            if words.pattern("made_headings").search(title):
                return True
            if words.pattern("faulty_headings").search(title):
                return False
        row = next((row for row in grid.rows if row[0].start <= start < row[-1].end), ())
        others = " ".join(lowered(cell.text) for cell in row if not cell.start <= start < cell.end)
        if words.pattern("critiques").search(others):
            return False
    block = document.units[unit]
    clause = replace(
        clause, start=max(clause.start, start - READ_AROUND), end=min(clause.end, end + READ_AROUND)
    )
    quote = quoted_at(text, start, end, max(block.start, start - 300), min(block.end, end + 300))
    inside = (quote[0], quote[1]) if quote else (start, end)
    before = low[max(clause.start, inside[0] - 90) : inside[0]]
    after = low[inside[1] : min(max(clause.end, inside[1]), inside[1] + 160)]
    lead = re.split(r"[;!?]\s|\.\s", before)[-1]
    if _suggested(words, lead, quote is not None):
        return True
    if _denied(words, low, max(clause.start, start - 60), start) or (
        quote and _denied(words, low, clause.start, inside[0])
    ):
        return False
    if text[clause.start : clause.end].rstrip(" \"'”’»)*_").endswith("?") and _QUESTION.match(
        low[clause.start :].lstrip(" \"'“*-")
    ):
        return False
    if words.pattern("conditions").search(low[clause.start : clause.end]):
        return False
    around = low[clause.start : inside[0]] + " " + low[inside[1] : clause.end]
    if quote is not None and _FORBIDS.match(low, block.start, block.end):
        return False
    if quote is not None:
        following = next(
            (c for c in document.clauses if c.start >= clause.end and c.unit == clause.unit), None
        )
        wider = around + (" " + low[following.start : following.end] if following else "")
        if words.pattern("critiques").search(wider):
            return False
        said = lowered(text[inside[0] + 1 : inside[1] - 1]).strip(" .,!")
        if len(said) > 3 and said in lowered(prompt):
            return False
    elif words.pattern("critiques").match(after.lstrip(" \"'”»)*:–—-,")) or _is_subject(words, after):
        return False
    if block.kind == "quote" and lowered(text[start:end]) in lowered(prompt):
        return False
    for head in document.heads(unit):
        title = low[head.start : head.end].strip(" *#_:0123456789.)")
        if len(title) > 90:
            continue
        if words.pattern("made_headings").match(title):
            return True
        found = words.pattern("faulty_headings").search(title)
        if found is not None and (found.start() <= 3 or 2 * len(found[0]) >= len(title)):
            return False
    # '"risk-free": no plan is' and '"Guaranteed" → "designed to help"': the line finds fault with what it opens with
    opens = low[block.start : inside[0]].strip(" *_-1234567890.)\"'“„«")
    opening = quote is not None and not opens
    return not (opening and re.match(r"\s*(?:[:=→–—-]|->)", after) and words_of(after))


def _is_subject(words: Words, after: str) -> bool:
    """Whether fault is found with what stands before: "is a drug claim", "needs proof"."""
    match = _AFTERWARDS.match(after)
    if match is None:
        return False
    rest = after[match.end() : match.end() + 40]
    found = words.pattern("critiques").search(rest)
    return found is not None and found.start() < 25 and bool(match[0].strip())


def _suggested(words: Words, lead: str, quoted: bool) -> bool:
    """Whether an instruction to use the line stands right before it."""
    match = last_match(words.pattern("suggestions"), lead)
    if match is None or len(lead) - match.end() > 22:
        return False
    rest = lead[match.end() :]
    if not quoted and ":" not in rest:
        return False
    if words.pattern("critiques").search(rest) or _NOT_USED.search(lead[: match.start()]):
        return False
    return quoted or rest.strip(" *_\"'“").endswith(":") or rest.strip().startswith(":")


def _denied(words: Words, low: str, since: int, start: int) -> bool:
    """Whether a denial stands before, with no end of a thought between."""
    window = re.split(r"[;!?:]\s|\.\s|\n", low[since:start])[-1]
    match = last_match(words.pattern("denials"), window)
    if match is None:
        return False
    between = window[match.end() :]
    return len(between) <= 48 and not re.search(
        r",\s(?:but|and|so|with|it|we|sondern|mais|pero|mas)\s|\bbut\b|\bonly\b", between
    )


def _column(document: Document, start: int) -> str | None:
    grid = document.in_grid(start)
    if grid is None or not grid.headed:
        return None
    for row in grid.rows[1:]:
        for index, cell in enumerate(row):
            if cell.start <= start < cell.end and index < len(grid.rows[0]):
                return grid.rows[0][index].text
    return None
