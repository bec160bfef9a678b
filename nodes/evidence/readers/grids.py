"""Tables of any make: Markdown, pipes without a ruler, tabs, CSV, columns set apart by spaces, and JSON answers."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_ROWS: Final = 200
MAX_COLUMNS: Final = 40
_RULER: Final = re.compile(r"[|\s]*:?-{2,}:?[\s|:+-]*$")
_SPACED: Final = re.compile(r"\t+|[ \u00a0]{3,}")
_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_VALUE: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null')


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text without space around it; `text[start:end]` of the response."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its rows, the first of them the header if `headed`."""

    rows: tuple[tuple[Cell, ...], ...]
    start: int
    end: int
    headed: bool
    of_data: bool = False
    """Whether it is a JSON or CSV answer, with names for headers."""


def pipe_cells(text: str, start: int, end: int) -> tuple[Cell, ...]:
    """The cells of a line with pipes; those at its edges are only edges."""
    return _split(text, start, end, re.compile(r"(?<!\\)\|"))


def _split(text: str, start: int, end: int, mark: re.Pattern[str]) -> tuple[Cell, ...]:
    parts, first = [], start
    for sign in mark.finditer(text, start, end):
        parts.append((first, sign.start()))
        first = sign.end()
    parts.append((first, end))
    cells = []
    for left, right in parts:
        part = text[left:right]
        bare = part.strip()
        inside = left + (len(part) - len(part.lstrip()))
        cells.append(Cell(bare.strip("*_` "), inside, inside + len(bare)))
    if mark.pattern.endswith(r"\|"):
        if cells and not cells[0].text and text[start:end].lstrip().startswith("|"):
            cells = cells[1:]
        if cells and not cells[-1].text and text[start:end].rstrip().endswith("|"):
            cells = cells[:-1]
    return tuple(cells[:MAX_COLUMNS])


def grids_in(text: str, lines: Sequence[int]) -> Iterator[Grid]:
    """Runs of two lines and more that are rows of one table."""
    number = 0
    last = len(lines) - 1
    while number < last:
        for reader in (_pipes, _tabs, _commas):
            until = reader(text, lines, number, last)
            if until is not None:
                grid = _grid(text, lines, number, until, reader)
                if grid is not None:
                    yield grid
                    number = until - 1
                    break
        number += 1


def _line(text: str, lines: Sequence[int], number: int) -> str:
    return text[lines[number] : min(lines[number + 1] - 1, len(text))].rstrip("\r\n")


def _run(text: str, lines: Sequence[int], number: int, last: int, fits: Any) -> int | None:
    until = number
    while until < last and until - number < MAX_ROWS and fits(_line(text, lines, until)):
        until += 1
    return until if until - number >= 2 else None


def _pipes(text: str, lines: Sequence[int], number: int, last: int) -> int | None:
    return _run(
        text,
        lines,
        number,
        last,
        lambda line: line.count("|") >= 2 or (line.count("|") == 1 and " | " in line),
    )


def _tabs(text: str, lines: Sequence[int], number: int, last: int) -> int | None:
    def fits(line: str) -> bool:
        return (
            len(_SPACED.split(line.strip())) >= 2
            and len(line) < 200
            and not line.lstrip().startswith(("-", "*", "#"))
        )

    until = _run(text, lines, number, last, fits)
    return until if until is not None and until - number >= 3 else None


def _commas(text: str, lines: Sequence[int], number: int, last: int) -> int | None:
    line = _line(text, lines, number)
    mark = ";" if line.count(";") >= 1 else ","
    count = line.count(mark)
    if (
        not count
        or len(line) > 200
        or line.rstrip().endswith((".", ":", mark))
        or line.startswith((" ", "-", "*", "#"))
    ):
        return None
    if number + 2 >= last or not any(map(str.isdigit, _line(text, lines, number + 1))):
        return None
    header = [part.strip() for part in line.split(mark)]
    if not all(0 < len(part) <= 40 and len(part.split()) <= 4 for part in header) or any(
        c.isdigit() for c in header[0]
    ):
        return None
    until = _run(
        text, lines, number, last, lambda each: len(_csv_parts(each, mark)) == count + 1 and len(each) < 300
    )
    if until is None or until - number < 3:
        return None
    later = [_csv_parts(_line(text, lines, n), mark) for n in range(number + 1, until)]
    return until if all(any(re.search(r"\d", part) for part in row) for row in later) else None


def _csv_parts(line: str, mark: str) -> list[str]:
    return re.split(rf"{mark}(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line)


def _grid(text: str, lines: Sequence[int], number: int, until: int, reader: Any) -> Grid | None:
    rows: list[tuple[Cell, ...]] = []
    headed = reader is _commas
    sign = re.compile(r"(?<!\\)\|") if reader is _pipes else _SPACED
    if reader is _commas:
        mark = ";" if ";" in _line(text, lines, number) else ","
        sign = re.compile(rf"{mark}(?=(?:[^\"\n]*\"[^\"\n]*\")*[^\"\n]*$)", re.MULTILINE)
    for each in range(number, until):
        start = lines[each]
        line = _line(text, lines, each)
        if _RULER.match(line):
            headed = headed or len(rows) == 1
            continue
        inside = start + len(line) - len(line.lstrip())
        cells = _split(text, inside, start + len(line), sign)
        rows.append(tuple(Cell(cell.text.strip('"'), cell.start, cell.end) for cell in cells))
    if len(rows) < 2 or max(map(len, rows)) < 2:
        return None
    if not headed:
        headed = not any(re.search(r"\d", cell.text) for cell in rows[0]) and any(
            re.search(r"\d", cell.text) for row in rows[1:] for cell in row
        )
    end = min(lines[until] - 1 if until < len(lines) else len(text), len(text))
    return Grid(tuple(rows), lines[number], end, headed, of_data=reader is _commas)


def data_grid(text: str) -> Grid | None:
    """A JSON answer, alone or in a fence, as a table: one row per object in a list, or one per key."""
    body = re.search(r"[{\[]", text[:400])
    if body is None:
        return None
    start = body.start()
    lead = text[:start].strip().strip("`").removesuffix("json").strip("` \n")
    end = max(text.rfind("}"), text.rfind("]")) + 1
    if end <= start or len(lead.split()) > 30 or len(text[end:].strip("` \n")) > 400:
        return None
    try:
        data = json.loads(text[start:end])
    except (ValueError, RecursionError):
        return None
    spans: dict[str, list[tuple[int, int]]] = {}
    for match in _VALUE.finditer(text, start, end):
        spans.setdefault(match[0], []).append(match.span())
    rows = list(_rows(data, spans, 0))
    return Grid(tuple(rows[:MAX_ROWS]), start, end, headed=False, of_data=True) if rows else None


def _rows(data: Any, spans: dict[str, list[tuple[int, int]]], depth: int) -> Iterator[tuple[Cell, ...]]:
    """Every object of plain values as a row "value, key: value, …"; a key with a plain value as a row of two."""
    if depth > 6:
        return
    if isinstance(data, dict):
        plain = {
            k: v for k, v in data.items() if isinstance(v, str | int | float) and not isinstance(v, bool)
        }
        if depth and len(plain) >= 2 and any(isinstance(v, str) for v in plain.values()):
            first = next(v for v in plain.values() if isinstance(v, str))
            rest = [(k, v) for k, v in plain.items() if v is not first]
            yield (_cell(str(first), spans, first), *(_keyed(k, v, spans) for k, v in rest))
        else:
            for key, value in plain.items():
                yield _cell(key, spans, key), _cell(_shown(value), spans, value)
        for key, value in data.items():
            if isinstance(value, dict) and (
                own := [v for v in value.values() if isinstance(v, str | int | float)]
            ):
                cells = [_keyed(k, v, spans) for k, v in value.items() if isinstance(v, str | int | float)]
                if own and not any(isinstance(v, dict | list) for v in value.values()):
                    yield (_cell(key, spans, key), *cells)
                    continue
            if isinstance(value, dict | list):
                yield from _rows(value, spans, depth + 1)
    elif isinstance(data, list):
        for value in data:
            yield from _rows(value, spans, depth + 1)


def _keyed(key: str, value: Any, spans: dict[str, list[tuple[int, int]]]) -> Cell:
    cell = _cell(_shown(value), spans, value)
    return Cell(f"{key}: {cell.text}", cell.start, cell.end)


def _cell(text: str, spans: dict[str, list[tuple[int, int]]], value: Any) -> Cell:
    places = spans.get(json.dumps(value, ensure_ascii=False)) or spans.get(json.dumps(value)) or [(0, 0)]
    place = places.pop(0) if len(places) > 1 else places[0]
    return Cell(text, *place)


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
