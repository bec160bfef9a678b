"""Changing values in a recipe's text, so that comments and everything else stay as they are."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from state.errors import SettingsError

_HEADER = re.compile(r"\s*\[\s*([A-Za-z_]+)\s*\]\s*(#.*)?")


def with_values(text: str, values: Mapping[str, Mapping[str, float | bool]], where: str) -> str:
    """The recipe `text` with `values` ({section: {key: value}}) in place; `where` names it in errors.

    A key that is not there is added to its section, a section that is not there to the end. Raises
    SettingsError when the text is not TOML, or writes a section in another way than as [section] and lines.
    """
    wanted = _parsed(text, where)
    lines = text.splitlines()
    for section, changes in values.items():
        for key, value in changes.items():
            _set(lines, section, key, _literal(value))
            wanted.setdefault(section, {})[key] = value
    changed = "\n".join(lines) + "\n"
    try:
        same = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        names = ", ".join(f"{section}.{key}" for section, changes in values.items() for key in changes)
        raise SettingsError(
            f"{where}: {names} cannot be written into this recipe; write its sections as [section] with one "
            "key a line."
        )
    return changed


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: not valid TOML: {error}.") from error


def _set(lines: list[str], section: str, key: str, literal: str) -> None:
    start = next(
        (n for n, line in enumerate(lines) if (m := _HEADER.fullmatch(line)) and m.group(1) == section), None
    )
    if start is None:
        lines += ["", f"[{section}]", f"{key} = {literal}"]
        return
    end = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
    for n in range(start + 1, end):
        if match := re.fullmatch(rf"(\s*{re.escape(key)}\s*=\s*)([^#\s]+)(\s*)(#.*)?", lines[n]):
            before, old, room, comment = match.groups(default="")
            if comment:  # the comment stays in its column where there is room
                room = " " * max(1, len(old) + len(room) - len(literal))
            lines[n] = f"{before}{literal}{room if comment else ''}{comment}"
            return
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    lines.insert(end, f"{key} = {literal}")


def _literal(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(float(value))
