"""The rows of .jsonl, .json, .csv, .tsv, .parquet and .txt files, each with its place; nothing is swallowed."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any, Final, NoReturn

from rlhf.state.errors import InputError
from rlhf.state.files.encodings import decoded

KINDS: Final = ".jsonl, .json, .csv, .tsv, .parquet or .txt"

Numbered = tuple[str, object]
"""Where a row stands ("FILE, line 3"), and the row."""

PROMPT_COLUMNS: Final = ("prompt", "messages", "conversations", "instruction", "question", "chosen")
"""Columns of which a table needs one: where a prompt may stand."""

_SEPARATORS: Final = (",", ";", "\t", "|")
_MARK: Final = "\ufeff"


def numbered_rows(path: Path, notes: list[str] | None = None) -> Iterator[Numbered]:
    """The rows of a file with their places; `notes` collects what people should know of how it was read.

    InputError names a damaged line.
    """
    readers: dict[str, Callable[[Path, str], Iterator[Numbered]]] = {
        ".jsonl": _json_rows,
        ".json": _json_rows,
        ".csv": _csv,
        ".tsv": _csv,
        ".txt": _txt,
    }
    if path.is_dir():
        raise InputError(f"{path} is a directory; give a file: {KINDS}.")
    kind = path.suffix.lower()
    if kind != ".parquet" and kind not in readers:
        raise InputError(f"{path}: not a kind of file that can be read; give {KINDS}.")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    if not data.strip():
        raise InputError(f"{path}: the file is empty.")
    if kind == ".parquet":
        return _parquet(path)
    text = decoded(path, data, notes)
    if "\n" not in text and "\r" in text.strip():
        text = text.replace("\r", "\n")
        if notes is not None:
            notes.append(f"{path}: its lines end with carriage returns alone; read as line ends.")
    return readers[kind](path, text)


def _json_rows(path: Path, text: str) -> Iterator[Numbered]:
    start = text.lstrip(_MARK + " \t\r\n")
    if start.startswith("["):
        yield from _json_array(path, text, len(text) - len(start))
    elif path.suffix.lower() == ".json" and "\n" in start and not _is_json(start.split("\n", 1)[0]):
        yield f"{path}, line 1", parsed_json(f"{path}, line 1", start, "the file")
    else:
        yield from _json_lines(path, text)


def _json_lines(path: Path, text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.lstrip(_MARK)  # files with a byte order mark, joined
        if line.strip():
            place = f"{path}, line {number}"
            if "\r" in line.strip():
                refuse(place, "a lone carriage return stands there; save the file with one object per line")
            yield place, parsed_json(place, line, "the line")


def _json_array(path: Path, text: str, at: int) -> Iterator[Numbered]:
    """The elements of one list, each with the line where it begins."""
    line, counted = 1, 0
    at += 1
    first = True
    while True:
        at = _skip(text, at)
        line, counted = line + text.count("\n", counted, at), at
        place = f"{path}, line {line}"
        if text.startswith("]", at) and first:
            break
        try:
            row, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _no_json(place, "the line", error) from error
        yield place, row
        first = False
        at = _skip(text, at)
        if text.startswith(",", at):
            at += 1
        elif text.startswith("]", at):
            break
        else:
            refuse(place, "the line is not valid JSON (a comma or ] is missing after this row)")
    if text[at + 1 :].strip():
        refuse(
            f"{path}, line {text.count(chr(10), 0, at) + 1}",
            "the line is not valid JSON (more follows the list)",
        )


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _txt(path: Path, text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{path}, line {number}"
            if "\r" in line.strip():
                refuse(place, "a lone carriage return stands there; save the file with a prompt per line")
            yield place, {"prompt": line.strip()}


def _csv(path: Path, text: str) -> Iterator[Numbered]:
    skipped = 0
    separator = None
    if (trimmed := text.rstrip(" \t\r\n")).endswith(
        '"'
    ):  # a blank behind the last quote is no part of a cell
        text = f"{trimmed}\n"
    first, _, rest = text.partition("\n")
    if first.strip().strip('"').lower().startswith("sep=") and len(first.strip().strip('"')) <= 5:
        separator, text, skipped = first.strip("\r\n").strip('"')[4:5] or ",", rest, 1
    names, separator = _header(path, text, separator, skipped + 1)
    # Lines end with "\\n" alone here, so that the module tells of a lone carriage return instead of ending a row.
    lines = io.StringIO(text, newline="\n")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    line = skipped + 1
    try:
        next(reader)
        line = skipped + reader.line_num + 1
        for cells in reader:
            place = f"{path}, line {line}"
            if any(cell.strip() for cell in cells):
                if any(cell.strip() for cell in cells[len(names) :]):
                    refuse(
                        place,
                        "more cells than the header has columns; put cells that hold the separator in quotes",
                    )
                padded = [*cells[: len(names)], *[""] * (len(names) - len(cells))]
                yield (
                    place,
                    {name: cell for name, cell in zip(names, padded, strict=True) if name or cell.strip()},
                )
            line = skipped + reader.line_num + 1
    except csv.Error as error:
        told = "a lone carriage return outside quotes" if "new-line character" in str(error) else str(error)
        raise InputError(f"{path}, line {line}: not valid CSV ({told}).") from error


def _header(path: Path, text: str, separator: str | None, line: int) -> tuple[list[str], str]:
    """The names of the columns and what separates them: that under which most columns are there beside a prompt."""
    best: tuple[int, list[str], str] = (0, [], ",")
    seen: list[str] = []
    for each in (separator,) if separator else _SEPARATORS:
        try:
            cells = next(csv.reader(io.StringIO(text, newline="\n"), delimiter=each, strict=True), [])
        except csv.Error:
            continue
        names = [cell.strip() for cell in cells]
        seen = max(seen, names, key=len)
        if {folded(name) for name in names} & set(PROMPT_COLUMNS) and len(names) > best[0]:
            best = (len(names), names, each)
    if not best[0]:
        told = ", ".join(repr(name[:40]) for name in seen[:8])
        raise InputError(
            f"{path}, line {line}: the header has no column named prompt (nor {', '.join(PROMPT_COLUMNS[1:-1])}); "
            f"it names {told or 'nothing'}."
        )
    refuse_twice(f"{path}, line {line}", "the header", [name for name in best[1] if name])
    return best[1], best[2]


def folded(name: str) -> str:
    """A key or column's name whatever its case, spaces and hyphens: "Task type" is task_type."""
    return "_".join(name.strip().casefold().replace("-", " ").replace("_", " ").split())


def refuse_twice(place: str, what: str, names: Sequence[str]) -> None:
    """InputError where two names are the same, whatever their case."""
    seen: dict[str, str] = {}
    for name in names:
        if (first := seen.setdefault(folded(name), name)) != name or names.count(name) > 1:
            both = f"{name[:80]!r} twice" if first == name else f"both {first[:80]!r} and {name[:80]!r}"
            refuse(place, f"{what} names {both}; keep one")


def _parquet(path: Path) -> Iterator[Numbered]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        refuse_twice(str(path), "the table", table.column_names)
        rows = table.to_pylist(maps_as_pydicts="strict")
    except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}).") from error
    for number, row in enumerate(rows, 1):
        yield f"{path}, row {number}", {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """A value of a typed column as JSON has it; fields that a row of a column of records lacks are left out."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and isnan(value):
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    return value


def parsed_json(place: str, text: str, what: str) -> object:
    """The JSON value of `text`; InputError saying what is wrong with `what`, a key that stands twice included."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(place, what, error) from error


def _is_json(text: str) -> bool:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(place: str, what: str, error: Exception) -> InputError:
    if isinstance(error, _Twice):
        return InputError(f"{place}: {error}; keep one.")
    told = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
    return InputError(f"{place}: {what} is not valid JSON ({told}).")


class _Twice(ValueError):
    """A key stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"the key {twice[:80]!r} stands there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def refuse(place: str, what: str) -> NoReturn:
    """InputError about the row at `place`."""
    raise InputError(f"{place}: {what}.")
