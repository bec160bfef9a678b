"""Reading a file of decisions on responses that wait for review, as written by hand or by another tool."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state.errors import InputError


def read_decisions(path: Path) -> list[Mapping[str, Any]]:
    """Decisions from JSON: a list, or {"decisions": [...]}; one per line is fine too.

    Each is {"type": "approve" | "edit" | "reject", "response_id"?, "rating"?, "message"?, "reviewer"?}.
    Raises InputError naming the file and the decision that cannot be used.
    """
    from pydantic import ValidationError

    from nodes.approvals import Decision

    found = []
    for number, row in enumerate(_rows(path), 1):
        try:
            Decision.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(map(str, first["loc"])) or "decision"
            raise InputError(
                f"{path}, decision {number}: {key}: {first['msg'].removeprefix('Value error, ')}."
            ) from error
        found.append(row)
    if not found:
        raise InputError(f"{path}: holds no decisions.")
    return found


def _rows(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text.") from error
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return _lines(path, text)
    if isinstance(value, dict) and isinstance(value.get("decisions"), list):
        value = value["decisions"]
    return value if isinstance(value, list) else [value]


def _lines(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not valid JSON ({error.msg}).") from error
    return rows
