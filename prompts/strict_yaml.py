"""YAML read strictly: plain data only, every mistake named with its file and line."""

import codecs
from typing import Any, Final

import yaml
from pydantic import ValidationError

MAX_BYTES: Final = 262_144
MAX_DEPTH: Final = 12

Path = tuple[str | int, ...]

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same answers, thirty times as fast


class RubricError(Exception):
    """A rubric pack or the set of canaries cannot be used; the message names the file, the line and what is wrong."""


class Lines:
    """Where in the file each value of the data stands (lines count from 1)."""

    def __init__(self) -> None:
        self._lines: dict[Path, int] = {(): 1}

    def mark(self, path: Path, line: int) -> None:
        self._lines[path] = line

    def of(self, path: Path) -> int:
        """The line of `path`, or of its nearest parent that stands in the file."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]


def read_yaml(content: bytes, source: str) -> tuple[Any, Lines]:
    """Plain data (dict, list, str, int, float, bool, None) and the line of each value.

    Raises `RubricError` for bytes that are not UTF-8, syntax errors, tags, aliases, duplicate keys,
    more than one document, nesting deeper than 12 or more than 256 KiB.
    """
    if len(content) > MAX_BYTES:
        raise RubricError(f"{source}: larger than {MAX_BYTES // 1024} KiB, which no such file needs")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RubricError(f"{source}, line {line}: not UTF-8; save the file as UTF-8") from error
    try:
        _refuse_unsafe(text, source)
        loader = _Loader(text)
        node = loader.get_single_node()
        lines = Lines()
        return _plain(node, (), loader, lines, source), lines
    except yaml.MarkedYAMLError as error:
        unclosed = (error.problem or "").endswith(
            "end of stream"
        )  # the opening quote helps, the end does not
        mark = (unclosed and error.context_mark) or error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context
        raise RubricError(f"{source}, line {line}: not valid YAML: {what}") from error
    except yaml.YAMLError as error:  # the reader's: a character YAML forbids, such as NUL
        position = getattr(error, "position", 0)
        line = text[:position].count("\n") + 1
        raise RubricError(f"{source}, line {line}: a character that YAML does not allow") from error


def _refuse_unsafe(text: str, source: str) -> None:
    """Look at the events only, before any tree is built: aliases and depth can make trees explode."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            raise RubricError(f"{source}, line {line}: aliases (*{event.anchor}) are not allowed")
        if tag is not None:
            raise RubricError(f"{source}, line {line}: tags ({tag}) are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise RubricError(f"{source}, line {line}: nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(node: yaml.Node | None, path: Path, loader: yaml.SafeLoader, lines: Lines, source: str) -> Any:
    if node is None:
        return None
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines.mark((*path, index), item.start_mark.line + 1)
        return [_plain(item, (*path, index), loader, lines, source) for index, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, loader, source)
    data: dict[str | int, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _scalar(key_node, loader, source) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise RubricError(f"{source}, line {line}: a key must be text or a whole number")
        if key in data:
            raise RubricError(f"{source}, line {line}: the key {key!r} stands here a second time")
        lines.mark((*path, key), line)
        data[key] = _plain(value_node, (*path, key), loader, lines, source)
    return data


def _scalar(node: yaml.Node, loader: yaml.SafeLoader, source: str) -> Any:
    try:
        return loader.construct_object(node)
    except ValueError as error:  # such as the date 2025-13-45
        line = node.start_mark.line + 1
        what = f"{node.value[:40]!r} cannot be read; put it in quotes"
        raise RubricError(f"{source}, line {line}: {what}") from error


def first_mistake(error: ValidationError, lines: Lines, source: str) -> str:
    """The most telling mistake in one line: an unknown key, else the one that stands first in the file."""
    details = error.errors(include_url=False)
    # a list with a bad item is also reported as too short: only the innermost report names the cause
    inside = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    inner = [detail for detail in details if detail["loc"] not in inside]
    detail = min(inner, key=lambda each: (each["type"] != "extra_forbidden", lines.of(each["loc"])))
    line = lines.of(detail["loc"])
    *parents, last = detail["loc"] or ("",)
    match detail["type"]:
        case "extra_forbidden":
            where, what = parents, f"unknown key {last!r}"
        case "missing":
            where, what = parents, f"{last} is missing"
        case _:
            where, what = [*parents, last], detail["msg"].removeprefix("Value error, ")
    names = [str(part) for part in where if part != ""]
    path = ".".join(name if name.isprintable() else repr(name) for name in names)
    return f"{source}, line {line}: {path}: {what}" if path else f"{source}, line {line}: {what}"
