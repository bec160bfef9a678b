"""Decisions on what a run waits for, as written by hand, by another tool, or by a caller's function."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlhf.state.errors import InputError

if TYPE_CHECKING:
    from rlhf.nodes.approvals import Decision


def read_decisions(path: Path) -> list["Decision"]:
    """Decisions from JSON: a list, or {"decisions": [...]}; one per line is fine too.

    Raises InputError naming the file and the decision that cannot be used.
    """
    found = checked_decisions(_rows(path), str(path))
    if not found:
        raise InputError(f"{path}: holds no decisions.")
    return found


def checked_decisions(rows: Sequence[Any], where: str) -> list["Decision"]:
    """The rows as decisions; InputError naming `where` and the first that is none.

    Each is {"type": "approve" | "edit" | "reject", "response_id"?, "rating"?, "message"?, "reviewer"?}, or what
    a client of the server sends; what is put off is named by nobody.
    """
    from rlhf.nodes.answers import read_decision

    decisions = []
    for number, row in enumerate(rows, 1):
        try:
            decision = read_decision(row)
            if decision is None:
                raise InputError("leave out what is put off, and name the others with response_id")
            decisions.append(decision)
        except InputError as error:
            raise InputError(f"{where}, decision {number}: {error}.") from error
    return decisions


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
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not valid JSON ({error.msg}).") from error
    return rows
