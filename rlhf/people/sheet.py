"""Review sheets: CSV files in which people rate responses with a spreadsheet, safe to open and to read back."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rlhf.people.sample import Sample, reviewer_name
from rlhf.state.errors import InputError
from rlhf.state.files.atomic import write_atomic
from rlhf.state.files.encodings import decoded
from rlhf.state.records import HumanLabel

COLUMNS = (
    "response_id",
    "prompt_id",
    "task_type",
    "prompt",
    "context",
    "response",
    "rating",
    "comment",
    "reviewer",
    "labelled_at",
)
"""People fill in `rating` (1–5) and, if they like, `comment` and `reviewer`; an empty rating is no answer.

`context` is JSON. `labelled_at` is ISO 8601, UTC if it names no zone; the time of the import if empty.
"""
JUDGE_COLUMNS = ("judge_rating", "judge_score", "review_reasons")
"""Written only on request: seen before, the judges' view pulls people's ratings its way."""

_NUMBERS = ("rating", "judge_rating", "judge_score")
_RISKY = re.compile(r"'*(?:\s*[=+\-@＝＋－＠].*|[\d.,]+(?:[eE]\d+)?)", re.DOTALL)
"""A text that a spreadsheet takes for a formula or for a number: some ids are 31415926e10 and would be 3.1E+17."""
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class SheetRow:
    """A response in a sheet, with a person's answer if there is one; `line` is where it begins in the file."""

    sample: Sample
    rating: int | None = None
    comment: str = ""
    reviewer: str = ""
    labelled_at: datetime | None = None
    line: int = 0


@dataclass(frozen=True, order=True)
class BadRow:
    """What is wrong with the row that begins at `line`."""

    line: int
    text: str


def write_sheet(path: Path, rows: Sequence[SheetRow], *, with_judges: bool) -> int:
    """Write the rows as UTF-8 CSV and return how many; InputError if the file exists, which may hold answers."""
    if path.exists():
        raise InputError(f"{path} exists and may hold people's answers: name another file.")
    names = (*COLUMNS, *JUDGE_COLUMNS) if with_judges else COLUMNS
    stream = io.StringIO(newline="")
    # Every cell in quotes: a separator of another country's spreadsheets must not begin a cell of its own.
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    for row in rows:
        cells = zip(names, _cells(row), strict=False)
        writer.writerow([cell if name in _NUMBERS else _safe(cell) for name, cell in cells])
    # The byte order mark tells spreadsheets that it is UTF-8.
    write_atomic(path, stream.getvalue().encode("utf-8-sig"))
    return len(rows)


def read_sheet(path: Path) -> tuple[list[SheetRow], list[BadRow]]:
    """The rows and what is wrong with some of them; other columns are ignored, empty lines left out.

    Takes commas, semicolons and tabs as separators. Raises InputError if it is no review sheet at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    text = decoded(path, data)
    names, separator = _header(path, text)
    rows: list[SheetRow] = []
    problems: list[BadRow] = []
    for line, cells in _records(path, text, separator):
        try:
            rows.append(_row(line, names, cells))
        except (ValueError, InputError) as error:
            problems.append(BadRow(line, str(error).removesuffix(".")))
    if not rows and not problems:
        raise InputError(f"{path}: holds no rows.")
    return rows, problems


def refuse(path: Path, problems: Sequence[BadRow]) -> None:
    """Raise InputError naming the line of every problem; nothing if there is none."""
    told = [f"{path}, line {problem.line}: {problem.text}." for problem in sorted(problems)]
    if len(told) == 1:
        raise InputError(f"{told[0]} Nothing was imported.")
    if told:
        more = len(told) - _MOST_PROBLEMS
        told = [*told[:_MOST_PROBLEMS], f"… and {more} more."] if more > 0 else told
        raise InputError("\n".join([f"{path}: {len(problems)} problems; nothing was imported.", *told]))


def label_of(row: SheetRow, rating: int, reviewer: str | None, now: datetime) -> HumanLabel:
    """The row's rating as a label, by `reviewer` and from `now` where the row says nothing else."""
    return row.sample.label(
        rating, row.reviewer or reviewer_name(reviewer), row.labelled_at or now, row.comment
    )


def _cells(row: SheetRow) -> list[str]:
    sample = row.sample
    context = json.dumps(dict(sample.context), ensure_ascii=False) if sample.context else ""
    return [
        sample.response_id,
        sample.prompt_id,
        sample.task_type,
        sample.prompt,
        context,
        sample.response,
        "" if row.rating is None else str(row.rating),
        row.comment,
        row.reviewer,
        "" if row.labelled_at is None else row.labelled_at.astimezone(UTC).isoformat(),
        "" if sample.judge_rating is None else str(sample.judge_rating),
        "" if sample.judge_score is None else f"{sample.judge_score:.4g}",
        sample.reasons,
    ]


def _safe(cell: str) -> str:
    """A risky text gets an apostrophe before it; `_plain` takes it off again."""
    return f"'{cell}" if _RISKY.fullmatch(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _RISKY.fullmatch(cell[1:]) else cell


def _header(path: Path, text: str) -> tuple[list[str], str]:
    """Names of the columns, and what separates them."""
    for separator in (",", ";", "\t"):
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        names = [cell.strip().lower() for cell in cells]
        if missing := [name for name in ("response_id", "rating") if name not in names]:
            if len(missing) == 1:
                raise InputError(f"{path}, line 1: the header has no column named {missing[0]}.")
            continue
        twice = [name for name in (*COLUMNS, *JUDGE_COLUMNS) if names.count(name) > 1]
        if twice:
            raise InputError(f"{path}, line 1: the header names {twice[0]} twice.")
        return names, separator
    raise InputError(
        f"{path}, line 1: no review sheet: the header needs the columns response_id and rating, "
        "as `rlhf export-review` writes them."
    )


def _records(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of every row below the header that is not empty, and the line it begins at."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        next(reader)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: not valid CSV ({error}).") from error


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> SheetRow:
    """Raises ValueError or InputError saying what is wrong."""
    if any(cell.strip() for cell in cells[len(names) :]):
        raise ValueError("more cells than the header has columns")
    known = dict(zip(names, map(_plain, cells), strict=False))

    def cell(name: str) -> str:
        return known.get(name, "")

    response_id = cell("response_id").strip()
    if not response_id:
        raise ValueError("response_id is empty")
    return SheetRow(
        Sample(
            response_id=response_id,
            prompt_id=cell("prompt_id").strip(),
            task_type=cell("task_type").strip(),
            prompt=cell("prompt"),
            response=cell("response"),
            judge_rating=_rating("judge_rating", cell("judge_rating")),
        ),
        rating=_rating("rating", cell("rating")),
        comment=cell("comment").strip(),
        reviewer=reviewer_name(name) if (name := cell("reviewer").strip()) else "",
        labelled_at=_moment(cell("labelled_at").strip()),
        line=line,
    )


def _rating(name: str, cell: str) -> int | None:
    """Whole stars; a spreadsheet may have made 4.0 or 4,0 of a 4."""
    text = cell.strip()
    if not text:
        return None
    if match := re.fullmatch(r"([1-5])([.,]0+)?", text):
        return int(match[1])
    _wrong(f"{name} {text[:40]!r} is not one of 1, 2, 3, 4, 5; leave it empty where there is no answer")


def _moment(cell: str) -> datetime | None:
    if not cell:
        return None
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        _wrong(f"labelled_at {cell[:40]!r} is no time such as 2026-01-31T14:25:00+00:00; empty it for now")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _wrong(what: str) -> NoReturn:
    raise ValueError(what)
