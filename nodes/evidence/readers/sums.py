"""Checks the arithmetic a response shows: equations, rows and columns of tables, subtotals, lists with their sum.

Nothing is demanded of a text that shows none; a relation of columns counts only where most of the rows keep it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.columns import figures_of, is_total_label
from rlhf.nodes.evidence.readers.document import Document
from rlhf.nodes.evidence.readers.grids import Grid
from rlhf.nodes.evidence.readers.roles import role_of
from rlhf.nodes.evidence.readers.text import last_match
from rlhf.prompts.words import load_words, lowered

MOST_COLUMNS: Final = 16
MOST_TOTALS: Final = 2_000  # amounts of a text that are held against what stands before them
NEARBY: Final = 60  # amounts before a total that it may be the sum of
_NUMERIC: Final = frozenset({"amount", "total", "period", "unknown", "past", "change", "measure"})
_OPERATOR: Final = re.compile(r"\s{0,2}([+\-−–*×x])\s{0,2}(?:the\s)?")
_EQUALS: Final = re.compile(
    r"\s{0,2}(?:=|makes|is|gives|equals|ergibt|macht|égale|font|son|são|igual a)\s{0,2}", re.IGNORECASE
)
_TOGETHER: Final = re.compile(
    r"(?<!\w)(?:together|zusammen|ensemble|juntos|juntas|in all|combined|in total)(?!\w)"
)
_LISTED: Final = re.compile(
    r"[^.;\n]{0,60}?(?:,|\band\b|\bund\b|\bet\b|\by\b|\be\b|\bplus\b|\+|;)[^.;\n]{0,60}?"
)


@dataclass(frozen=True, slots=True)
class WrongSum:
    """A sum that is not what its parts come to."""

    start: int
    end: int
    stated: float
    right: float
    named: bool = False
    """Whether it is the amount of a line of its own, such as a retailer's."""


def wrong_equations(document: Document, figures: Sequence[Amount]) -> Iterator[WrongSum]:
    """ "A + B = C" where it is not: money, percentages and plain numbers alike."""
    text = document.text
    index = 0
    while index < len(figures):
        first = figures[index]
        if text[first.start - 1 : first.start] in ("-", "–", "−") and first.low > 0:
            first = replace(first, low=-first.low, high=-first.high)
        chain = [first]
        signs = []
        after = index + 1
        while after < len(figures) and len(chain) < 12:
            sign = _OPERATOR.fullmatch(text, chain[-1].end, figures[after].start)
            if sign is None:
                break
            signs.append(sign[1])
            chain.append(figures[after])
            after += 1
        if (
            signs
            and after < len(figures)
            and re.fullmatch(r"\s{0,2}=\s{0,2}", text[chain[-1].end : figures[after].start])
        ):
            result = figures[after]
            right = _computed(chain, signs)
            if right is not None and not _near(right, result.value, chain):
                yield WrongSum(result.start, result.end, result.value, right)
        index = max(after, index + 1)


def equation_results(text: str, figures: Sequence[Amount]) -> list[Amount]:
    """The figures that are only terms of an equation, not its result."""
    terms: list[Amount] = []
    chain: list[Amount] = []
    for first, second in pairwise(figures):
        between = text[first.end : second.start]
        if _OPERATOR.fullmatch(between):
            chain.append(first)
        elif re.fullmatch(r"\s{0,2}=\s{0,2}", between):
            terms += [*chain, first]
            chain = []
        else:
            chain = []
    return terms


def _computed(chain: Sequence[Amount], signs: Sequence[str]) -> float | None:
    if any(a.kind == "unknown" or a.low != a.high for a in chain):
        return None
    value = chain[0].value
    for sign, each in zip(signs, chain[1:], strict=True):
        part = abs(each.value)
        if sign in "*×x":
            value *= part / 100 if each.kind == "percent" else part
        elif sign == "+":
            value += part
        else:
            value -= part
    return value


def _near(right: float, stated: float, chain: Sequence[Amount]) -> bool:
    if abs(right - stated) <= max(0.006 * abs(stated), 0.02):
        return True
    plain = [a for a in chain if a.currency is None and a.kind != "percent"]
    return bool(plain) and any(
        abs(right * factor - stated) <= 0.006 * abs(stated) for factor in (1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
    )


def wrong_cells(document: Document, grid: Grid) -> Iterator[WrongSum]:
    """Cells that break what the other rows keep: a total of columns, a total row, a subtotal."""
    figures, roles, header = figures_of(document.text, grid)
    if not figures:
        return
    columns = [
        c
        for c, role in enumerate(roles)
        if role in _NUMERIC and sum(row[c] is not None for row in figures) >= 2
    ][:MOST_COLUMNS]
    broken = set()
    for wrong in _across(figures, columns):
        broken.add((wrong.start, wrong.end))
        yield wrong
    for wrong in _down(grid, figures, [c for c in columns if roles[c] not in ("measure",)], header):
        if (wrong.start, wrong.end) not in broken:
            yield wrong


def _across(figures: Sequence[Sequence[Amount | None]], columns: Sequence[int]) -> Iterator[WrongSum]:
    """Rows in which one column is not the sum of others, while in all other rows it is."""
    if len(columns) < 3:
        return
    for result in columns:
        others = [c for c in columns if c != result]
        for parts in [tuple(others), *combinations(others, 2)] if len(others) > 2 else [tuple(others)]:
            rows = [
                row for row in figures if row[result] is not None and all(row[c] is not None for c in parts)
            ]
            if len(rows) < 3:
                continue
            off = [row for row in rows if not _adds(row, result, parts)]
            whole = sum(abs(_value(row[result])) for row in rows)
            if len(off) == 1 and whole:
                cell = off[0][result]
                assert cell is not None
                yield WrongSum(cell.start, cell.end, cell.value, sum(_value(off[0][c]) for c in parts))
                return


def _value(amount: Amount | None) -> float:
    return 0.0 if amount is None else amount.value


def _adds(row: Sequence[Amount | None], result: int, parts: Sequence[int]) -> bool:
    values = [_value(row[c]) for c in parts]
    stated = row[result]
    assert stated is not None
    return abs(sum(values) - stated.value) <= max(0.004 * abs(stated.value), 0.01)


def _down(
    grid: Grid, figures: Sequence[Sequence[Amount | None]], columns: Sequence[int], header: int
) -> Iterator[WrongSum]:
    """Subtotals and totals below their rows; a total is held only where it fits another column or has no retailers."""
    labels = [
        " ".join(
            cell.text
            for cell, figure in zip(row, line, strict=False)
            if figure is None and len(cell.text) < 40
        )
        for row, line in zip(grid.rows[header:], figures, strict=True)
    ]
    kinds = [
        is_total_label(label, [cell.text for cell in row])
        for label, row in zip(labels, grid.rows[header:], strict=True)
    ]
    for column in columns:
        block: list[float] = []
        everything: list[float] = []
        for number, row in enumerate(figures):
            figure = row[column]
            if figure is None:
                continue
            if kinds[number] is None:
                block.append(figure.value)
                everything.append(figure.value)
            elif kinds[number] == "subtotal":
                if len(block) >= 2 and not _sum_near(sum(block), figure.value):
                    yield WrongSum(figure.start, figure.end, figure.value, sum(block))
                block = []


def _sum_near(right: float, stated: float) -> bool:
    return abs(right - stated) <= max(0.004 * abs(stated), 0.51)


def wrong_named_subtotals(document: Document, grid: Grid) -> Iterator[WrongSum]:
    """Rows "total, NAME, amount" that the rows of that name do not come to."""
    figures, roles, header = figures_of(document.text, grid)
    rows = grid.rows[header:]
    columns = [c for c, role in enumerate(roles) if role in ("amount", "total", "unknown")]
    for column in columns[:2]:
        for number, row in enumerate(rows):
            stated = figures[number][column]
            kind = is_total_label(row[0].text, [])
            if kind is None or stated is None or len(row) < 3:
                continue
            names = {
                cell.text for cell in row[1:] if cell.text and cell.text[0].isalpha() and len(cell.text) < 40
            }
            own = [
                _value(figures[n][column])
                for n, other in enumerate(rows)
                if n != number
                and is_total_label(other[0].text, []) is None
                and names & {cell.text for cell in other[1:3]}
            ]
            if len(own) >= 2 and not _sum_near(sum(own), stated.value):
                yield WrongSum(stated.start, stated.end, stated.value, sum(own))


def wrong_totals_of_columns(document: Document, grid: Grid) -> Iterator[WrongSum]:
    """Cells of the total row that their column does not come to, where other columns of that row are right."""
    figures, roles, header = figures_of(document.text, grid)
    if not figures:
        return
    rows = grid.rows[header:]
    totals = [
        n for n, row in enumerate(rows) if is_total_label(row[0].text, [cell.text for cell in row]) == "total"
    ]
    if not totals or totals[-1] < 2:
        return
    last = totals[-1]
    fits: list[WrongSum] = []
    right = 0
    columns = [
        c for c, role in enumerate(roles) if role in ("amount", "total", "period", "unknown", "past", "share")
    ]
    for column in columns:
        stated = figures[last][column]
        parts = [
            row[column]
            for n, row in enumerate(figures)
            if n not in totals and is_total_label(rows[n][0].text, [cell.text for cell in rows[n]]) is None
        ]
        values = [part.value for part in parts if part is not None]
        if stated is None or len(values) < 2:
            continue
        if _sum_near(sum(values), stated.value) or (
            roles[column] == "share" and abs(sum(values) - 100) <= 1.5
        ):
            right += 1
        elif roles[column] != "share":
            fits.append(WrongSum(stated.start, stated.end, stated.value, sum(values)))
    alone = right == 0 and len(fits) == 1 and totals == [len(rows) - 1] and last >= 3
    alone = alone and 0.6 <= fits[0].stated / max(fits[0].right, 1e-9) <= 1.67
    if (right >= 1 and len(fits) <= right) or alone:
        yield from fits


def wrong_shares(document: Document, grid: Grid) -> Iterator[WrongSum]:
    """Cells of a share column that are not their row's share of the total, where most of the others are."""
    figures, roles, header = figures_of(document.text, grid)
    shares = [c for c, role in enumerate(roles) if role == "share"]
    amounts = [c for c, role in enumerate(roles) if role in ("amount", "total", "unknown")]
    if len(shares) != 1 or not amounts:
        return
    rows = [
        row
        for row, cells in zip(figures, grid.rows[header:], strict=False)
        if is_total_label(cells[0].text, [cell.text for cell in cells]) is None
    ]
    for column in amounts:
        pairs = [(row[column], row[shares[0]]) for row in rows]
        known = [(amount, share) for amount, share in pairs if amount is not None and share is not None]
        whole = sum(amount.value for amount, _ in known)
        if len(known) < 3 or not whole:
            continue
        off = [(a, s) for a, s in known if abs(100 * a.value / whole - s.value) > 1.01]
        if off and 3 * len(off) <= len(known):
            yield from (WrongSum(s.start, s.end, s.value, 100 * a.value / whole) for a, s in off)
            return


def wrong_lists(document: Document, figures: Sequence[Amount]) -> Iterator[WrongSum]:
    """Totals stated for amounts that are listed right before them: in one sentence, or in the list above."""
    text, low = document.text, lowered(document.text)
    words = load_words()
    money = [a for a in figures if a.kind == "money"]
    for place, stated in enumerate(money[:MOST_TOTALS]):
        clause = document.clause_at(stated.start)
        if clause is None or document.in_grid(stated.start) or stated.change or stated.period:
            continue
        window = low[max(clause.start, stated.start - 70) : stated.start]
        found = last_match(words.pattern("totals"), window) or last_match(_TOGETHER, window)
        if found is None or len(window) - found.end() > 26 or re.search(r"[$€£\d]", window[found.end() :]):
            continue
        said = stated.start - (len(window) - found.start())
        listed = [
            a
            for a in money[max(0, place - NEARBY) : place]
            if clause.start <= a.start < said and not a.change
        ]
        between = [text[a.end : b.start] for a, b in pairwise(listed)]
        if len(listed) >= 2 and all(_LISTED.fullmatch(gap) for gap in between) and said - listed[-1].end < 60:
            spent = [a for a in listed if role_of(a, text, clause.start, clause.end) == "spend"]
            whole = sum(a.value for a in listed)
            if (
                len(spent) == len(listed)
                and not _sum_near(whole, stated.value)
                and 0.6 <= stated.value / max(whole, 1e-9) <= 1.67
            ):
                yield WrongSum(stated.start, stated.end, stated.value, sum(a.value for a in listed))
            continue
        if not listed:
            above = _list_above(document, clause.unit, money)
            if len(above) >= 3:
                values = [a.value for a in above]
                runs = {sum(values), *(sum(values[:n]) for n in range(2, len(values)))}
                single = {a.value for a in money[max(0, place - NEARBY) : place]}
                likely = 0.6 <= stated.value / max(sum(values), 1e-9) <= 1.67
                if (
                    likely
                    and not any(_sum_near(run, stated.value) for run in runs)
                    and stated.value not in single
                ):
                    yield WrongSum(stated.start, stated.end, stated.value, sum(values))


def _list_above(document: Document, unit: int, money: Sequence[Amount]) -> list[Amount]:
    """The amounts of the list items right above the unit, one of each: the last of its first line."""
    items = []
    number = unit if document.units[unit].kind == "item" else unit - 1
    if document.units[unit].kind != "item" and number > 0 and document.units[number].kind == "paragraph":
        number -= 1  # a sentence may stand between the list and its sum
    if document.units[unit].kind == "item":
        number -= 1
    while number >= 0 and document.units[number].kind == "item":
        items.append(document.units[number])
        number -= 1
    found = []
    for item in reversed(items):
        if item.level:
            continue
        own = [
            a
            for a in _inside(money, item.start, item.end)
            if role_of(a, document.text, item.start, item.end) == "spend"
        ]
        if len(own) > 1:
            lead = document.text[item.start : own[-1].start]
            if ":" in lead and lead.rstrip().endswith((":", "=")):
                own = own[-1:]
            elif document.text[item.start : own[0].start].count(" ") <= 5:
                own = own[:1]
            else:
                return []
        if not own:
            return []
        found.append(own[0])
    return found


def _inside(money: Sequence[Amount], start: int, end: int) -> Sequence[Amount]:
    """The amounts, which stand in order, that start between two offsets."""
    first = bisect_left(money, start, key=lambda each: each.start)
    last = bisect_left(money, end, key=lambda each: each.start)
    return money[first:last]


def wrong_parts(document: Document, figures: Sequence[Amount]) -> Iterator[WrongSum]:
    """Items below an item whose amounts do not come to the amount of the item."""
    text = document.text
    money = [a for a in figures if a.kind == "money"]
    for number, unit in enumerate(document.units):
        if unit.kind not in ("item", "heading"):
            continue
        below = [
            u for u in document.units[number + 1 : number + 14] if u.above == number and u.kind == "item"
        ]
        own = _inside(money, unit.start, unit.end)
        if len(below) < 2 or len(own) != 1:
            continue
        parts = [next(iter(_inside(money, u.start, u.end)), None) for u in below]
        values = [a for a in parts if a is not None]
        opens = [a for a, u in zip(parts, below, strict=True) if a is not None and a.start - u.start <= 40]
        if len(values) != len(below) or len(opens) != len(below):
            continue
        if any(role_of(a, text, u.start, u.end) != "spend" for a, u in zip(values, below, strict=True)):
            continue
        total = sum(a.value for a in values)
        if total > own[0].value * 1.002 and not _sum_near(total, own[0].value) and total < 3 * own[0].value:
            yield WrongSum(own[0].start, own[0].end, own[0].value, total, named=True)
