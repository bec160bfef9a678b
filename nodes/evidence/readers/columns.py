"""Reads tables of money: what each column is, in what unit, and which line gets what.

A table may be transposed, have a unit in its header, months side by side, last year's amounts, subtotals.
Where more than one column may be the amount, each is a reading of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from rlhf.nodes.evidence.readers.amounts import Amount, find_figures, symbol_of
from rlhf.nodes.evidence.readers.grids import Cell, Grid
from rlhf.nodes.evidence.readers.retailers import find_mentions
from rlhf.prompts.words import Words, load_words, lowered

ColumnRole = Literal[
    "name", "amount", "share", "total", "past", "change", "price", "measure", "text", "period", "unknown"
]
LineKind = Literal["retailer", "beside", "total", "subtotal", "note"]

_UNIT: Final = re.compile(
    r"(?<!\w)(?:(?P<k>000s?|'000s?|k|thousands?|tsd\.?|tausend|miles|milhares|milliers)|(?P<m>mio\.?|millions?|mn|mm|m|millionen|millones|milhões))(?!\w)"
    r"|(?P<sign>[$€£₹¥])\s?(?P<signed>000s?|k|m|mn|mm)?(?!\w)|(?P<kilo>[km])\s?(?P<after>[$€£])|(?P<code>t?[a-z]{3})(?!\w)"
)
_NOTHING: Final = re.compile(r"[\s\-–—.·]*$|(?:n/?a|none|nil|keine?s?|ninguno|nenhum|aucun)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """A row: who or what it is for, and its amount and share of each reading of the table (None where none)."""

    kind: LineKind
    names: tuple[str, ...]
    label: str
    amounts: tuple[Amount | None, ...]
    share: Amount | None
    unknown: bool
    """Whether its amount is said to be open, or cannot be read."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MoneyTable:
    """A table that gives amounts; every line has one amount per reading, the likeliest first."""

    lines: tuple[Line, ...]
    readings: int
    start: int
    end: int


def read_table(
    text: str,
    grid: Grid,
    names: tuple[str, ...],
    aliases: Mapping[str, tuple[str, ...]],
    budget: float | None,
) -> MoneyTable | None:
    """The amounts of a table, None where it has none."""
    words = load_words()
    rows = [list(row) for row in grid.rows]
    width = max(map(len, rows))
    rows = [row + [Cell("", row[-1].end, row[-1].end)] * (width - len(row)) for row in rows]

    def named(cell: Cell) -> tuple[str, ...]:
        return tuple(dict.fromkeys(m.name for m in find_mentions(cell.text, names, aliases)))

    headed = grid.headed
    across = sum(bool(named(cell)) and len(cell.text) < 60 for cell in rows[0])
    down = sum(bool(named(row[0])) for row in rows)
    if across >= 2 and across > down:
        rows = [list(column) for column in zip(*rows, strict=True)]
        headed = True
    elif not headed and not grid.of_data and len(rows) > 2 and not any(_figure(text, c) for c in rows[0]):
        headed = True
    header = rows[0] if headed else [Cell("", 0, 0)] * len(rows[0])
    body = rows[1:] if headed else rows
    if grid.of_data and not headed:
        return _data(text, body, named, words, grid, budget)
    columns = len(header)
    figures = [[_figure(text, row[c]) for c in range(columns)] for row in body]
    roles = [
        _role(words, header[c], [row[c] for row in body], [f[c] for f in figures]) for c in range(columns)
    ]
    label_at = _label_column(roles, body, named)
    if label_at is not None:
        roles[label_at] = "name"
    units = [_unit(header[c]) for c in range(columns)]
    unit_cell = _unit(header[0]) if header[0].text and "(" in header[0].text else (1.0, None)
    chosen = _choices(roles, figures, body)
    shares = [c for c in range(columns) if roles[c] == "share"]
    if not chosen and not shares:
        return None
    lines: list[Line] = []
    for row, cells in zip(body, figures, strict=True):
        label = row[label_at] if label_at is not None else row[0]
        if all(cell.text == "" or re.fullmatch(r"[-:]+", cell.text) for cell in row):
            continue
        amounts = tuple(_amount_of(row, cells, choice, units, unit_cell) for choice in chosen)
        beside = [figure[1] or figure[0] for c in shares if (figure := cells[c]) is not None]
        own = [figure for choice in chosen for c in choice if (figure := cells[c]) is not None]
        share = next((each for each in (*beside, *(figure[1] for figure in own)) if each is not None), None)
        if share is not None and share.kind != "percent":
            share = replace(share, kind="percent") if share.kind == "number" and share.value <= 100 else None
        unknown = any(each[0] is not None and each[0].kind == "unknown" for each in own)
        found = named(label)
        head = next(
            (c for c in row if c is not label and c.text and _is_total(words, c.text) and len(c.text) < 40),
            None,
        )
        if head is not None and not _is_total(words, label.text):
            kind: LineKind = "subtotal" if found or _SUBTOTAL.match(lowered(head.text)) else "total"
            lines.append(Line(kind, found, head.text, amounts, share, unknown, row[0].start, row[-1].end))
            continue
        lines.append(_line(words, label, found, amounts, share, unknown, row))
    lines = _continued(lines)
    if not any(any(line.amounts) or line.share for line in lines):
        return None
    scaled = _scaled(lines, budget)
    return MoneyTable(tuple(scaled), max(1, len(chosen)), grid.start, grid.end)


_SUBTOTAL: Final = re.compile(r"\W*(?:.{0,30}(?:sub-?total|subtotal|zwischensumme|sous-total))")


def is_total_label(label: str, cells: Sequence[str]) -> Literal["total", "subtotal"] | None:
    """Whether a row is a sum of rows above it, by its label or by another short cell."""
    words = load_words()
    for each in (label, *cells):
        if len(each) < 40 and _is_total(words, each):
            return "subtotal" if _SUBTOTAL.match(lowered(each)) else "total"
    return None


def figures_of(text: str, grid: Grid) -> tuple[list[list[Amount | None]], list[ColumnRole], int]:
    """The first figure of each cell below the header, the roles of the columns, and the rows of the header."""
    if grid.of_data and not grid.headed:
        return [], [], 0
    words = load_words()
    width = max(map(len, grid.rows))
    rows = [list(row) + [Cell("", row[-1].end, row[-1].end)] * (width - len(row)) for row in grid.rows]
    headed = grid.headed or not any(_figure(text, cell) for cell in rows[0])
    header = rows[0] if headed else [Cell("", 0, 0)] * width
    body = rows[1:] if headed else rows
    both = [[_figure(text, cell) for cell in row] for row in body]
    roles = [_role(words, header[c], [r[c] for r in body], [f[c] for f in both]) for c in range(width)]
    return [[(f[0] or f[1]) if f else None for f in row] for row in both], roles, int(headed)


def _is_total(words: Words, label: str) -> bool:
    low = lowered(label).strip(" *_:·-–")
    match = words.pattern("totals").match(low)
    return _SUBTOTAL.match(low) is not None or (match is not None and match.end() >= len(low) - 12)


Figures = tuple[Amount | None, Amount | None] | None


def _figure(text: str, cell: Cell) -> Figures:
    """The first amount or number of a cell, and the percentage beside it."""
    if not cell.text or cell.end <= cell.start:
        return None
    raw = text[cell.start : cell.end]
    if len(raw) > 200:
        return None
    found = [replace(a, start=a.start + cell.start, end=a.end + cell.start) for a in find_figures(raw)]
    money = next((a for a in found if a.kind in ("money", "unknown")), None)
    share = next((a for a in found if a.kind == "percent"), None)
    plain = next((a for a in found if a.kind == "number"), None)
    rest = re.sub(r"[^\W\d_]+", "", raw)
    wordy = len(re.findall(r"[^\W\d_]{2,}", raw)) > 4
    if (
        money is None
        and share is None
        and (plain is None or wordy or (raw != rest and not re.match(r"[~≈ca. ]*\d", raw)))
    ):
        return None
    if money and wordy and not re.match(r"\W*[$€£₹¥A-Z]{0,3}\W?\d", raw):
        return None
    first = money or (plain if share is None or plain is None or plain.start < share.start else None)
    if (
        first is not None
        and re.fullmatch(r"[*_ ]*\([^()]*\)[*_ ]*", raw)
        and first.kind in ("money", "number")
    ):
        first = replace(first, low=-first.high, high=-first.low, change=True)
    return (first, share) if first or share else None


def _role(words: Words, header: Cell, cells: Sequence[Cell], figures: Sequence[Figures]) -> ColumnRole:
    title = re.sub(r"\([^)]*\)", " ", lowered(header.text))
    title = re.sub(r"[$€£*_:#]|(?<!\w)(?:us|eur|usd|gbp|chf|000s?|in|k)(?!\w)", " ", title).strip(" -–/.,")
    filled = [f for cell, f in zip(cells, figures, strict=True) if cell.text.strip()]
    share = sum(1 for f in filled if f and f[0] is None and f[1])
    money = sum(1 for f in filled if f and f[0])
    numeric = share + money >= max(1, (len(filled) + 1) // 2)
    if "%" in header.text or "％" in header.text:
        if words.pattern("change_columns").search(title):
            return "change"
        bare = re.sub(
            r"[%％]|(?<!\w)(?:of|the|our|des|du|del|do|da|vom|am|total|budget|spend|plan)(?!\w)", " ", title
        ).strip()
        known = words.pattern("share_columns", "amount_columns", "total_columns").search(bare)
        return "share" if not bare or known else "measure"
    for section, role in (
        ("change_columns", "change"),
        ("price_columns", "price"),
        ("past_columns", "past"),
        ("period_columns", "period"),
        ("total_columns", "total"),
        ("share_columns", "share"),
        ("amount_columns", "amount"),
        ("measure_columns", "measure"),
        ("text_columns", "text"),
        ("name_columns", "name"),
    ):
        match = words.pattern(section).search(title) if title else None
        if match is None:
            continue
        whole = match.end() - match.start() >= 0.5 * len(title) or role in ("amount", "share")
        if role in ("text", "name", "measure") and not numeric:
            return role  # type: ignore[return-value]
        if role in ("text", "name"):
            continue
        if whole or role in ("change", "price", "measure"):
            if role == "share" and money > share and not _all_shares(filled):
                continue
            if role in ("amount", "total") and share > money:
                return "share"
            if role in ("amount", "total", "past", "period", "share", "change") and not numeric:
                return "text"
            return role  # type: ignore[return-value]
    if not numeric:
        return "text"
    return "share" if share > money else "unknown"


def _all_shares(filled: Sequence[Figures]) -> bool:
    """Whether bare numbers can be percentages: none above 100, and together about 100 or 200 (with a total)."""
    values = [f[0].value for f in filled if f and f[0] and f[0].kind == "number"]
    return len(values) == len(filled) and all(0 <= v <= 100 for v in values)


def _label_column(roles: list[ColumnRole], body: Sequence[Sequence[Cell]], named: object) -> int | None:
    best, most = None, 0
    for c in range(len(roles)):
        if roles[c] not in ("text", "name", "unknown", "period", "measure"):
            continue
        count = sum(bool(named(row[c])) for row in body)  # type: ignore[operator]
        if count > most:
            best, most = c, count
    if best is not None:
        return best
    return next((c for c, role in enumerate(roles) if role in ("name", "text")), None)


def _choices(
    roles: list[ColumnRole], figures: Sequence[Sequence[Figures]], body: object
) -> list[tuple[int, ...]]:
    """The columns that may be the amount, the likeliest first; several columns are added up."""

    def having(*wanted: str) -> list[int]:
        return [
            c
            for c, role in enumerate(roles)
            if role in wanted
            and any((figure := row[c]) is not None and figure[0] is not None for row in figures)
        ]

    amount, total, periods, unknown, past = (
        having("amount"), having("total"), having("period"), having("unknown"), having("past"),
    )  # fmt: skip
    found: list[tuple[int, ...]] = []
    if total:
        found += [(c,) for c in reversed(total)]
    found += [(c,) for c in amount]
    if len(periods) >= 2 or (periods and not found):
        found.append(tuple(periods))
    if len(amount) + len(unknown) + len(periods) > 1:
        found.append(tuple(sorted((*amount, *unknown, *periods))))
    found += [(c,) for c in unknown]
    if not found:
        found += [(c,) for c in past]
    if len(unknown) > 1 and not amount and not total and not periods:
        found.insert(0, found.pop(next(i for i, c in enumerate(found) if len(c) > 1)))
        found = [*[f for f in found if len(f) == 1][:0], *found]
    return list(dict.fromkeys(found))[:6]


def _unit(header: Cell) -> tuple[float, str | None]:
    """The factor and currency that a header sets for its column: "USD 000", "Budget ($K)", "k€", "Mio. EUR"."""
    factor, currency = 1.0, None
    title = lowered(header.text)
    inner = " ".join(re.findall(r"\(([^)]*)\)", title)) or title
    for match in _UNIT.finditer(inner):
        if match["k"] or match["m"]:
            lone = len(match[0]) == 1 and "(" not in title and not re.search(r"[$€£]", title)
            factor = factor if lone else 1e3 if match["k"] else 1e6
        elif match["sign"]:
            currency = match["sign"]
            if match["signed"]:
                factor = 1e6 if match["signed"].startswith("m") else 1e3
        elif match["kilo"]:
            currency, factor = match["after"], 1e3 if match["kilo"] == "k" else 1e6
        elif match["code"]:
            code = match["code"]
            if symbol_of(code):
                currency = symbol_of(code)
            elif code.startswith("t") and len(code) == 4 and symbol_of(code[1:]):
                currency, factor = symbol_of(code[1:]), 1e3
    if (
        "(" in title
        and factor == 1.0
        and re.search(r"(?<!\w)(?:in )?(?:000s?|thousands?|tsd|tausend|miles)(?!\w)", title)
    ):
        factor = 1e3
    return factor, currency


def _amount_of(
    row: Sequence[Cell],
    cells: Sequence[Figures],
    choice: tuple[int, ...],
    units: Sequence[tuple[float, str | None]],
    whole: tuple[float, str | None],
) -> Amount | None:
    """The amount of a row by one reading: a cell, or the sum of several."""
    found: list[Amount] = []
    for c in choice:
        figure = cells[c]
        if figure is None or figure[0] is None or figure[0].kind == "unknown":
            if row[c].text and _NOTHING.match(row[c].text) and len(choice) == 1:
                return Amount(0.0, 0.0, "money", None, row[c].start, row[c].end)
            continue
        each = figure[0]
        factor, currency = units[c] if units[c] != (1.0, None) else whole
        plain = each.kind == "number" or (each.currency is None and each.high < 100_000 and factor > 1)
        raw = row[c].text.lower()
        has_size = bool(re.search(r"\d\s?(?:k|m|mm|mn|bn|mio|tsd|thousand|million|lakh|cr)(?!\w)", raw))
        if plain and not has_size:
            each = replace(each, low=each.low * factor, high=each.high * factor)
        found.append(
            replace(
                each,
                kind="money" if each.kind == "money" or factor > 1 or currency else "number",
                currency=each.currency or currency,
            )
        )
    if not found:
        return None
    if len(found) == 1:
        return replace(found[0], period=None)
    return replace(
        found[0],
        low=sum(a.low for a in found),
        high=sum(a.high for a in found),
        end=found[-1].end,
        period=None,
    )


def _line(
    words: Words,
    label: Cell,
    names: tuple[str, ...],
    amounts: tuple[Amount | None, ...],
    share: Amount | None,
    unknown: bool,
    row: Sequence[Cell],
) -> Line:
    low = lowered(label.text).strip(" *_:·-–")
    kind: LineKind = "retailer" if names else "beside"
    match = words.pattern("totals").search(low)
    if _SUBTOTAL.match(low):
        kind = "subtotal"
    elif (
        match is not None
        and (match.start() <= 6 or match.end() >= len(low) - 3)
        and not low.startswith("total wine")
    ):
        kind = (
            "subtotal"
            if names or re.search(r"(?:retailer|search|display|digital|offsite|onsite|media) total$", low)
            else "total"
        )
    elif not low and any(amounts):
        kind = "note"
    return Line(kind, names, label.text, amounts, share, unknown, row[0].start, row[-1].end)


def _continued(lines: list[Line]) -> list[Line]:
    """Rows without a label go on with the retailer above them; a last one below all of them is the total."""
    found: list[Line] = []
    for index, line in enumerate(lines):
        if line.kind == "note":
            above = next((each for each in reversed(found) if each.kind != "note"), None)
            if index == len(lines) - 1 and len(lines) > 2:
                line = replace(line, kind="total")
            elif above is not None and above.kind == "retailer" and above.amounts != line.amounts:
                line = replace(line, kind="retailer", names=above.names, label=above.label)
            else:
                continue
        found.append(line)
    return found


def _scaled(lines: list[Line], budget: float | None) -> list[Line]:
    """Bare numbers in a table are thousands or millions where nothing else can be meant."""
    if budget is None:
        return [_as_money(line) for line in lines]
    values = [
        a for line in lines if line.kind in ("retailer", "beside") for a in line.amounts[:1] if a is not None
    ]
    if not values or all(a.kind == "money" for a in values) or any(a.currency for a in values):
        return [_as_money(line) for line in lines]
    total = sum(a.value for a in values)
    for factor in (1.0, 1e3, 1e6):
        if total and 0.5 <= total * factor / budget <= 2.0:
            return [_as_money(line, factor) for line in lines]
    return [_as_money(line) for line in lines]


def _as_money(line: Line, factor: float = 1.0) -> Line:
    def money(amount: Amount | None) -> Amount | None:
        plain = amount is not None and amount.currency is None and amount.high < 100_000 and factor > 1
        if amount is None or (amount.kind == "money" and not plain):
            return amount
        return replace(amount, kind="money", low=amount.low * factor, high=amount.high * factor)

    return replace(line, amounts=tuple(map(money, line.amounts)))


def _data(
    text: str, body: Sequence[Sequence[Cell]], named: object, words: Words, grid: Grid, budget: float | None
) -> MoneyTable | None:
    """A JSON answer: each object's label, and the value under the key that names an amount."""
    lines = []
    for row in body:
        label, rest = row[0], row[1:]
        names = named(label)  # type: ignore[operator]
        amount, share, unknown = None, None, False
        for cell in rest:
            key, _, value = cell.text.partition(": ")
            key = lowered(key.replace("_", " ")) if value else lowered(label.text.replace("_", " "))
            figure = _figure(text, cell)
            if figure is None:
                continue
            if figure[1] and not figure[0]:
                share = share or figure[1]
            elif words.pattern("share_columns").search(key) and "amount" not in key:
                share = share or (replace(figure[0], kind="percent") if figure[0] else None)
            elif figure[0] is not None and amount is None:
                fits = words.pattern("amount_columns", "total_columns", "totals", "reserves", "fees").search(
                    key
                )
                if (fits or figure[0].kind == "money" or names) and not words.pattern(
                    "measure_columns", "price_columns", "past_columns"
                ).search(key):
                    amount = figure[0]
        if amount is None and share is None:
            continue
        line = _line(
            words,
            Cell(label.text.replace("_", " "), label.start, label.end),
            names,
            (amount,),
            share,
            unknown,
            row,
        )
        if line.kind == "beside" and not words.pattern("reserves", "fees", "other_lines").search(
            lowered(line.label)
        ):
            line = replace(line, kind="note")
        if re.search(r"budget", lowered(line.label)) and line.kind != "total":
            line = replace(line, kind="total" if "total" in lowered(line.label) else "note")
        lines.append(line)
    kept = _scaled([line for line in lines if line.kind != "note"], budget)
    return MoneyTable(tuple(kept), 1, grid.start, grid.end) if any(line.names for line in kept) else None
