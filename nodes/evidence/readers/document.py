"""The structure of a response: headings, list items, paragraphs, quotations, code and tables, each with its place.

Parsed as Markdown (CommonMark and tables, markdown-it-py), blocks only: what stands inside a line is left as written.
Lines that belong together, as in a mail wrapped at 72 characters, are one unit; lines of a list without marks are not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rlhf.nodes.evidence.readers.grids import Grid, data_grid, grids_in

READ_AT_MOST: Final = 60_000  # characters; what stands further down is prose to the checks
WRAPPED: Final = 48  # characters of a line that a mail program may have broken

UnitKind = Literal["heading", "item", "paragraph", "quote", "code", "row"]

_MARK: Final = re.compile(r"[ \t>]*(?:[-*+•–]\s+|\d{1,3}[.)]\s+|#{1,6}\s+)?(?:\[[ xX]\]\s+)?")
_OPENS: Final = re.compile(
    r"\s*(?:[-*+•–|#>]|\d{1,3}[.)]\s|[*_]{1,2}\S|[A-ZÀ-Þ0-9$€£][^.!?\n]{0,40}(?::|\s[-–—=]\s|→))"
)
_ENDED: Final = re.compile(r"[.!?:;…|)\]\"”»*]\s*$")
_BOLD_LINE: Final = re.compile(r"\s*(?:\*\*|__)[^*_\n]{1,80}(?:\*\*|__):?\s*$")
_ABBREVIATION: Final = re.compile(
    r"(?<!\w)(?:approx|ca|vs|incl|excl|e\.g|i\.e|etc|no|nr|st|mr|mrs|ms|dr|inc|ltd|co|corp|jr|est|max|min|avg|"
    r"z\. ?b|u\. ?a|d\. ?h|bzw|inkl|zzgl|ggf|mio|mrd|tsd|rs|env|p\. ?ex|aprox|pág|sra?|jan|feb|mar|apr|jun|jul|"
    r"aug|sept?|oct|okt|nov|dec|dez|kw|[a-z])\.$",
    re.IGNORECASE,
)
_STOP: Final = re.compile(r"[.!?…](?:[\"'”’»)\]*_]{0,3})\s+(?=\S)|[。！？]")


@dataclass(frozen=True, slots=True)
class Unit:
    """A heading, a list item, a paragraph or a line of one; `text[start:end]` without its list mark.

    `level` is its depth in a list, from 0; `above` the unit it stands under: a heading, a lead-in, a parent item.
    """

    kind: UnitKind
    start: int
    end: int
    level: int
    above: int | None


@dataclass(frozen=True, slots=True)
class Clause:
    """A sentence, or the whole of a unit without one."""

    unit: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A response and its parts, in order."""

    text: str
    units: tuple[Unit, ...]
    clauses: tuple[Clause, ...]
    grids: tuple[Grid, ...]

    def heads(self, unit: int) -> Iterator[Unit]:
        """What the unit stands under, from the nearest up."""
        above = self.units[unit].above
        for _ in range(8):
            if above is None:
                return
            yield self.units[above]
            above = self.units[above].above

    def unit_at(self, place: int) -> int | None:
        """The index of the unit that holds the offset."""
        low, high = 0, len(self.units)
        while low < high:
            middle = (low + high) // 2
            if self.units[middle].end <= place:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self.units) and self.units[low].start <= place else None

    def clause_at(self, place: int) -> Clause | None:
        """The sentence that holds the offset."""
        low, high = 0, len(self.clauses)
        while low < high:
            middle = (low + high) // 2
            if self.clauses[middle].end <= place:
                low = middle + 1
            else:
                high = middle
        return self.clauses[low] if low < len(self.clauses) and self.clauses[low].start <= place else None

    def in_grid(self, place: int) -> Grid | None:
        """The table that holds the offset."""
        return next((grid for grid in self.grids if grid.start <= place < grid.end), None)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table").disable(["inline", "reference", "html_block", "lheading"])


@lru_cache(maxsize=32)
def read_document(text: str) -> Document:
    """The structure of `text`; linear in its length, never raises."""
    head = text[:READ_AT_MOST]
    lines = [0]
    for line in re.finditer("\r\n|\n|\r", head):  # as Markdown counts them
        lines.append(line.end())
    lines.append(len(head) + 1)
    whole = data_grid(head)
    units = [] if whole else list(_units(head, lines))
    grids = [whole] if whole else list(grids_in(head, lines))
    units = [unit for unit in units if not any(g.start <= unit.start < g.end for g in grids)]
    for grid in grids:
        units += [Unit("row", row[0].start, row[-1].end, 0, None) for row in grid.rows if row]
    units = _headed(text, sorted(units, key=lambda unit: (unit.start, unit.end)))
    if len(text) > READ_AT_MOST:
        units.append(Unit("paragraph", READ_AT_MOST, len(text), 0, None))
    clauses = tuple(
        Clause(index, start, end)
        for index, unit in enumerate(units)
        for start, end in _sentences(text, unit.start, unit.end)
    )
    return Document(text, tuple(units), clauses, tuple(grids))


def _units(text: str, lines: list[int]) -> Iterator[Unit]:
    kinds: list[UnitKind] = []
    level = 0
    try:
        tokens: list[Token] = _parser().parse(text.replace("\x00", "\ufffd"))
    except RecursionError:  # nested beyond reason
        tokens = [Token("inline", "", 0, map=[0, len(lines) - 1])]
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            level += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            level -= 1
        elif token.type == "blockquote_open":
            kinds.append("quote")
        elif token.type == "blockquote_close" and kinds:
            kinds.pop()
        elif token.type == "heading_open":
            kinds.append("heading")
        elif token.type == "heading_close" and kinds:
            kinds.pop()
        elif token.type in ("fence", "code_block") and token.map:
            code = token.type == "fence" or kinds
            yield from _lines(text, lines, token.map, "code" if code else "paragraph", level)
        elif token.type in ("inline", "table_open") and token.map:
            if token.level and token.type == "inline" and not token.map:
                continue
            kind: UnitKind = kinds[-1] if kinds else "item" if level else "paragraph"
            yield from _lines(text, lines, token.map, kind, max(0, level - 1))


def _lines(text: str, lines: list[int], span: list[int], kind: UnitKind, level: int) -> Iterator[Unit]:
    """The block's lines, those that were only wrapped joined to one."""
    start: int | None = None
    end = end_line = 0
    for number in range(span[0], min(span[1], len(lines) - 1)):
        first, last = lines[number], min(lines[number + 1] - 1, len(text))
        if not text[first:last].strip():
            continue
        if start is not None and _goes_on(text[end_line:end], text[first:last]):
            end = last
            end_line = first
            continue
        if start is not None and start < end:
            yield Unit(kind, start, end, level, None)
        mark = _MARK.match(text, first, last)
        start, end, end_line = mark.end() if mark else first, last, first
    if start is not None and start < end:
        yield Unit(kind, start, end, level, None)


def _goes_on(line: str, following: str) -> bool:
    """Whether a line break was made by a mail program, in the middle of a sentence."""
    ended = _ENDED.search(line) or line.endswith("  ") or _OPENS.match(following)
    return len(line.strip()) >= WRAPPED and not ended


def _headed(text: str, units: list[Unit]) -> list[Unit]:
    """Each unit with the one it stands under."""
    found: list[Unit] = []
    heading: int | None = None
    lead: int | None = None
    parents: list[int] = []
    for unit in units:
        line = text[unit.start : unit.end]
        kind = unit.kind
        if kind == "paragraph" and (_BOLD_LINE.match(line) or re.match(r"#{1,6}\s", line)):
            kind = "heading"
        if kind == "heading":
            above, heading, lead, parents = None, len(found), None, []
        elif kind == "item":
            parents = parents[: unit.level]
            above = parents[-1] if parents else lead if lead is not None else heading
            parents.append(len(found))
        else:
            parents = [] if kind == "paragraph" else parents
            above = heading if lead is None or kind == "paragraph" else lead
            if kind == "paragraph":
                bare = line.rstrip().rstrip("*_ ")
                short = len(bare.split()) <= 5 and not bare.endswith((".", "!", "?", ","))
                lead = len(found) if bare.endswith((":", "：")) or short else None
        found.append(Unit(kind, unit.start, unit.end, unit.level, above))
    return found


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    first = start
    for stop in _STOP.finditer(text, start, end):
        if text[stop.start()] == "." and _ABBREVIATION.search(
            text, max(first, stop.start() - 8), stop.start() + 1
        ):
            continue
        following = text[stop.end() : stop.end() + 1]
        if text[stop.start()] == "." and following.islower() and stop[0] == ". ":
            continue
        if stop.end() > first:
            yield first, stop.end()
        first = stop.end()
    if first < end:
        yield first, end
