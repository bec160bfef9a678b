"""Reading prompts, and finished responses to judge, from files and requests; nothing half-right gets in."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rlhf.prompts.rubric import RubricError, available_packs
from rlhf.state.conversation import Turn, transcript
from rlhf.state.errors import InputError
from rlhf.state.files.context import COLUMNS, read_context
from rlhf.state.files.tables import Numbered, folded, numbered_rows, parsed_json, refuse
from rlhf.state.files.turns import Shape, fields, shape_of
from rlhf.state.keys import prompt_key
from rlhf.state.records import PromptRow

MAX_CHARACTERS: Final = 100_000
"""Longest prompt, response or context (as JSON) that is taken."""

_MAX_ID: Final = 200
_OWN: Final = frozenset({"prompt", "context", "task_type", "id"})
_MOST_TOLD: Final = 5


def read_prompts(path: Path, default_task_type: str, notes: list[str] | None = None) -> list[PromptRow]:
    """The prompts of a file in their order: .jsonl, .json, .csv, .tsv, .parquet, or .txt (one prompt per line).

    Rows have `prompt` (or messages, conversations, instruction, question) and optionally `context`, `task_type`
    and `id`; columns named like keys of the context become context, other keys are ignored, a prompt that stands
    there twice is kept once, and `notes` collects a line about each. Raises InputError naming file and line of
    what cannot be used.
    """
    return _prompts(numbered_rows(path, notes), default_task_type, str(path), notes)


def parse_rows(rows: Sequence[object], default_task_type: str, where: str) -> list[PromptRow]:
    """The same for rows that came with a request; `where` names them in errors."""
    numbered = ((f"{where}, row {number}", row) for number, row in enumerate(rows, 1))
    return _prompts(numbered, default_task_type, where, None)


def read_responses(
    path: Path, default_task_type: str, notes: list[str] | None = None
) -> list[tuple[PromptRow, str]]:
    """Finished responses to judge: rows as for prompts with `response` (or `output`) beside the prompt.

    An empty cell, null and "" are an empty response. A row of a dataset or of labels holds two, told apart by
    their ids: q1:chosen and q1:rejected, q1:a and q1:b.
    """
    packs = _task_types()
    found: list[tuple[PromptRow, str]] = []
    said: dict[str, str] = {}

    def take(number: int, place: str, row: object) -> None:
        values = fields(place, row)
        prompt, shape = _prompt_row(place, values, str(number), default_task_type, packs, said)
        if not shape.responses:
            refuse(place, "response is missing; name it response or output, or end messages with the answer")
        for name, text in shape.responses.items():
            answered = prompt.model_copy(update={"id": f"{prompt.id}:{name}"}) if name else prompt
            found.append((answered, checked_text(place, name or "response", text, may_be_empty=True)))
        if shape.note:
            said.setdefault("turns", shape.note)

    _take_all(numbered_rows(path, notes), take)
    if not found:
        raise InputError(f"{path}: holds no rows.")
    _note_reading(str(path), said, notes)
    return found


def parse_prompt(
    row: object, default_task_type: str, where: str, notes: list[str] | None = None
) -> PromptRow:
    """One row as a prompt; InputError naming `where` if it cannot be used, `notes` as for `read_prompts`."""
    said: dict[str, str] = {}
    prompt, shape = _prompt_row(where, fields(where, row), "1", default_task_type, _task_types(), said)
    if shape.note:
        said.setdefault("turns", shape.note)
    _note_reading(where, said, notes)
    return prompt


def parse_answered(row: object, default_task_type: str, where: str) -> tuple[PromptRow, str]:
    """One row with its response: output or response, or the answer that its turns end with; InputError as above."""
    values = fields(where, row)
    prompt, shape = _prompt_row(where, values, "1", default_task_type, _task_types())
    output = shape.responses.get("")
    if named := [values[name] for name in ("output", "response") if name in values]:
        output = named[0]
    return prompt, checked_text(where, "output", output, may_be_empty=True)


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
    ids: dict[str, tuple[str, str]] = {}
    ignored: set[str] = set()
    said: dict[str, str] = {}
    repeated = 0

    def take(number: int, place: str, row: object) -> None:
        nonlocal repeated
        values = fields(place, row)
        prompt, shape = _prompt_row(place, values, str(number), default_task_type, packs, said)
        ignored.update(set(values) - shape.used - _OWN - COLUMNS)
        if shape.note:
            said.setdefault("turns", shape.note)
        if shape.used & {"messages", "conversations"} and shape.responses:
            said.setdefault("answers", "the turns before the last answer as the prompt")
        if values.get("id") is not None:
            first, key = ids.setdefault(prompt.id, (place, prompt.key))
            if key != prompt.key:
                refuse(place, f"the id {prompt.id!r} stands at {first} already")
        repeated += prompt.key in kept
        kept.setdefault(prompt.key, prompt)

    _take_all(rows, take)
    if not kept:
        raise InputError(f"{where}: holds no prompts.")
    if notes is not None and repeated:
        notes.append(f"{where}: {repeated} rows repeat an earlier prompt and context; each is kept once.")
    if notes is not None and ignored:
        names = ", ".join(sorted(name or "(a column without a name)" for name in ignored))
        notes.append(f"{where}: ignored the keys {names}.")
    _note_reading(where, said, notes)
    return list(kept.values())


def _take_all(rows: Iterable[Numbered], take: Callable[[int, str, object], None]) -> None:
    """Calls `take` with every row; one InputError in the end tells of all that cannot be used."""
    first: InputError | None = None
    causes: dict[str, list[str]] = {}
    """Lines by what is wrong with them."""
    try:
        for number, (place, row) in enumerate(rows, 1):
            try:
                take(number, place, row)
            except InputError as error:
                first = first or error
                cause = str(error).removeprefix(f"{place}: ").removesuffix(".")
                causes.setdefault(cause, []).append(place.rpartition(", ")[2])
    except InputError as error:  # the rest of the file cannot be read
        if first is None:
            raise
        causes.setdefault(str(error).removesuffix("."), []).append("the rest")
    if first is None:
        return
    (_, [_, *likewise]), *others = causes.items()
    told = [f"{_few(likewise)} likewise"] if likewise else []
    told += [f"{_few(lines)}: {cause}" for cause, lines in others[:_MOST_TOLD]]
    told += ["and more"] if len(others) > _MOST_TOLD else []
    raise InputError(f"{first} Cannot be used either: {'; '.join(told)}." if told else str(first)) from first


def _few(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _MOST_TOLD} more" if len(lines) > _MOST_TOLD else ""
    return ", ".join(lines[:_MOST_TOLD]) + more


def _note_reading(where: str, said: Mapping[str, str], notes: list[str] | None) -> None:
    """One line that says how what was not plain was read."""
    if notes is not None and said:
        notes.append(f"{where}: read {'; '.join(said.values())}.")


def _prompt_row(
    place: str,
    values: Mapping[str, Any],
    default_id: str,
    default_task_type: str,
    packs: Mapping[str, str],
    said: dict[str, str] | None = None,
) -> tuple[PromptRow, Shape]:
    shape = shape_of(place, values)
    if shape.prompt is None:
        refuse(place, "prompt is missing; name it prompt, messages, conversations, instruction or question")
    turns = _turns(place, shape.prompt)
    text = checked_text(place, "prompt", transcript(turns) if turns else _single(shape.prompt))
    context = _context(place, values, said)
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
    row = PromptRow(
        key=prompt_key(text, context, task_type, turns),
        id=row_id,
        text=text,
        turns=turns,
        context=context,
        task_type=task_type,
    )
    return row, shape


def _turns(place: str, prompt: object) -> list[Turn] | None:
    """The turns of a prompt that is more than one question; InputError where one says nothing."""
    if not isinstance(prompt, list) or len(prompt) == 1:
        return None
    for number, turn in enumerate(prompt, 1):
        if not turn.content.strip():
            refuse(place, f"turn {number} of the conversation is empty")
    return prompt


def _single(prompt: object) -> object:
    return prompt[0].content if isinstance(prompt, list) else prompt


def _context(place: str, values: Mapping[str, Any], said: dict[str, str] | None) -> dict[str, Any]:
    """The row's `context` and the columns that are context, as checks read them."""
    value = values.get("context")
    if isinstance(value, str):  # tables without nested columns hold it as JSON
        value = parsed_json(place, value, "context")
    if value is None:
        value = {}
    if not isinstance(value, dict):
        refuse(place, f"context must be an object, not {_kind(value)}")
    columns = {name: values[name] for name in sorted(COLUMNS) if values.get(name) not in (None, "")}
    inner = {folded(str(name)): part for name, part in value.items()}
    if twice := next((name for name, part in columns.items() if name in inner and inner[name] != part), None):
        refuse(place, f"{twice} stands beside the prompt and in the context, and they differ; keep one")
    columns = {name: part for name, part in columns.items() if name not in inner}
    if said is not None and columns:
        said.setdefault("columns", f"as context the columns {', '.join(columns)}")
    value = read_context(place, {**value, **columns}, said)
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


def _task_types() -> dict[str, str]:
    try:
        return available_packs()
    except RubricError as error:
        raise InputError(f"{error}.") from error


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", str: "text", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
