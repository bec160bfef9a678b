"""Reading prompts, and finished responses to judge, from files and requests; nothing half-right gets in."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from rlhf.prompts.rubric import RubricError, available_packs
from rlhf.state.errors import InputError
from rlhf.state.keys import prompt_key
from rlhf.state.records import PromptRow

MAX_CHARACTERS: Final = 100_000
"""Longest prompt, response or context (as JSON) that is taken."""

_MAX_ID: Final = 200
_KINDS: Final = ".jsonl, .csv, .parquet or .txt"

Numbered = tuple[str, object]
"""Where a row stands ("FILE, line 3"), and the row."""


def read_prompts(path: Path, default_task_type: str, notes: list[str] | None = None) -> list[PromptRow]:
    """The prompts of a .jsonl, .csv, .parquet or .txt file (one prompt per line), in their order.

    Rows have `prompt` and optionally `context`, `task_type` and `id`; other keys are ignored, a prompt that
    stands there twice is kept once, and `notes` collects a line about each. Raises InputError naming file
    and line for anything that cannot be used.
    """
    return _prompts(numbered_rows(path), default_task_type, str(path), notes)


def parse_rows(rows: Sequence[object], default_task_type: str, where: str) -> list[PromptRow]:
    """The same for rows that came with a request; `where` names them in errors."""
    numbered = ((f"{where}, row {number}", row) for number, row in enumerate(rows, 1))
    return _prompts(numbered, default_task_type, where, None)


def read_responses(path: Path, default_task_type: str) -> list[tuple[PromptRow, str]]:
    """Finished responses to judge: rows as for prompts with `response` (or `output`) beside `prompt`."""
    packs = _task_types()
    found: list[tuple[PromptRow, str]] = []
    for place, row in numbered_rows(path):
        values = _object(place, row)
        prompt = _prompt_row(place, values, str(len(found) + 1), default_task_type, packs)
        text = values.get("response", values.get("output"))
        found.append((prompt, checked_text(place, "response", text, may_be_empty=True)))
    if not found:
        raise InputError(f"{path}: holds no rows.")
    return found


def parse_prompt(row: object, default_task_type: str, where: str) -> PromptRow:
    """One row as a prompt; InputError naming `where` if it cannot be used."""
    return _prompt_row(where, _object(where, row), "1", default_task_type, _task_types())


def checked_text(place: str, name: str, text: object, *, may_be_empty: bool = False) -> str:
    """`text` if it is usable as `name`, else InputError."""
    if text is None:
        refuse(place, f"{name} is missing")
    if not isinstance(text, str):
        refuse(place, f"{name} must be text, not {_kind(text)}")
    if not may_be_empty and not text.strip():
        refuse(place, f"{name} is empty")
    if len(text) > MAX_CHARACTERS:
        refuse(place, f"{name} has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}")
    _check_characters(place, name, text)
    return text


def _prompts(
    rows: Iterator[Numbered], default_task_type: str, where: str, notes: list[str] | None
) -> list[PromptRow]:
    packs = _task_types()
    kept: dict[str, PromptRow] = {}
    ids: dict[str, str] = {}
    ignored: set[str] = set()
    repeated = 0
    for number, (place, row) in enumerate(rows, 1):
        values = _object(place, row)
        ignored |= {str(name) for name in values} - {"prompt", "context", "task_type", "id"}
        prompt = _prompt_row(place, values, str(number), default_task_type, packs)
        if values.get("id") is not None and (first := ids.setdefault(prompt.id, place)) != place:
            refuse(place, f"the id {prompt.id!r} stands at {first} already")
        repeated += prompt.key in kept
        kept.setdefault(prompt.key, prompt)
    if not kept:
        raise InputError(f"{where}: holds no prompts.")
    if notes is not None and repeated:
        notes.append(f"{where}: {repeated} rows repeat an earlier prompt and context; each is kept once.")
    if notes is not None and ignored:
        notes.append(f"{where}: ignored the keys {', '.join(sorted(ignored))}.")
    return list(kept.values())


def _prompt_row(
    place: str, values: Mapping[str, Any], default_id: str, default_task_type: str, packs: Mapping[str, str]
) -> PromptRow:
    text = checked_text(place, "prompt", values.get("prompt"))
    context = _context(place, values.get("context"))
    task_type = values.get("task_type")
    if task_type is None:
        task_type = default_task_type
    if not isinstance(task_type, str) or task_type not in packs:
        refuse(place, f"unknown task type {str(task_type)[:80]!r}; there are {', '.join(sorted(packs))}")
    given = values.get("id")
    if given is not None and (not isinstance(given, str | int) or isinstance(given, bool)):
        refuse(place, f"id must be text or a whole number, not {_kind(given)}")
    row_id = default_id if given is None else str(given)
    if not 0 < len(row_id) <= _MAX_ID:
        refuse(place, f"id must have 1 to {_MAX_ID} characters")
    _check_characters(place, "id", row_id)
    return PromptRow(
        key=prompt_key(text, context, task_type), id=row_id, text=text, context=context, task_type=task_type
    )


def _context(place: str, value: object) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):  # tables without nested columns hold it as JSON
        value = _json(place, value, "context")
    if not isinstance(value, dict):
        refuse(place, f"context must be an object, not {_kind(value)}")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{place}: context must hold JSON values only ({error}).") from error
    if len(text) > MAX_CHARACTERS:
        refuse(place, f"context has {len(text):,} characters as JSON; the limit is {MAX_CHARACTERS:,}")
    for part in _texts(value):
        _check_characters(place, "context", part)
    return value


def _texts(value: object) -> Iterator[str]:
    """Every text inside a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(name)
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _check_characters(place: str, name: str, text: str) -> None:
    if "\0" in text:
        refuse(place, f"{name} holds a NUL byte")
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse(place, f"{name} holds half a character (a lone surrogate)")


def _object(place: str, row: object) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        refuse(place, f"a row must be an object with a prompt, not {_kind(row)}")
    return row


def _task_types() -> dict[str, str]:
    try:
        return available_packs()
    except RubricError as error:
        raise InputError(f"{error}.") from error


# --- files ------------------------------------------------------------------------------------------


def numbered_rows(path: Path) -> Iterator[Numbered]:
    """The rows of a .jsonl, .csv, .parquet or .txt file with their places; InputError names a damaged line."""
    readers = {".jsonl": _jsonl, ".csv": _csv, ".txt": _txt}
    if path.is_dir():
        raise InputError(f"{path} is a directory; give a file: {_KINDS}.")
    kind = path.suffix.lower()
    if kind != ".parquet" and kind not in readers:
        raise InputError(f"{path}: not a kind of file that can be read; give {_KINDS}.")
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
    return readers[kind](path, decoded(path, data))


def decoded(path: Path, data: bytes) -> str:
    """The file's UTF-8 text, without a byte order mark; InputError naming the line that is damaged."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8.") from error
    if (position := text.find("\0")) >= 0:
        line = text.count("\n", 0, position) + 1
        raise InputError(f"{path}, line {line}: holds a NUL byte; the file is damaged or not text.")
    return text


def _jsonl(path: Path, text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, _json(place, line, "the line")


def _txt(path: Path, text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", {"prompt": line.strip()}


def _csv(path: Path, text: str) -> Iterator[Numbered]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        if "prompt" not in (reader.fieldnames or []):
            raise InputError(f"{path}, line 1: the header has no column named prompt.")
        line = reader.line_num + 1
        for row in reader:
            place = f"{path}, line {line}"
            if None in row:
                refuse(place, "more cells than the header has columns")
            yield place, {name: value for name, value in row.items() if value or name == "prompt"}
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: not valid CSV ({error}).") from error


def _parquet(path: Path) -> Iterator[Numbered]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}).") from error
    for number, row in enumerate(rows, 1):
        if isinstance(
            context := row.get("context"), dict
        ):  # a column of records fills absent fields with null
            row["context"] = {name: value for name, value in context.items() if value is not None}
        yield f"{path}, row {number}", {name: value for name, value in row.items() if value is not None}


def _json(place: str, text: str, what: str) -> object:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        column = error.colno
        raise InputError(f"{place}: {what} is not valid JSON ({error.msg}, column {column}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: {what} is not valid JSON ({error}).") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", str: "text", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def refuse(place: str, what: str) -> NoReturn:
    """InputError about the row at `place`."""
    raise InputError(f"{place}: {what}.")
