"""What stands under a field's line in the source, for JSON schemas (Studio's forms) and for docs/recipe.md."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=256)
def field_docs(cls: type) -> dict[str, str]:
    """The docstring under each field of a class and of what it derives from, in one line each.

    Read from the source, so that starting the program does not pay for it (pydantic's own
    `use_attribute_docstrings` parses every class at import). Empty where there is no source.
    """
    found: dict[str, str] = {}
    for base in _lineage(cls):
        found.update(_own_docs(base))
    return found


def describe_fields(schema: dict[str, Any], cls: type) -> None:
    """Give each property of a class's JSON schema its field's docstring; for pydantic's `json_schema_extra`."""
    docs = field_docs(cls)
    for name, entry in schema.get("properties", {}).items():
        if name in docs:
            entry.setdefault("description", docs[name])


def _lineage(cls: type) -> Iterator[type]:
    """Those of our classes that it derives from, the farthest first, then itself."""
    # A TypedDict forgets its bases but for this.
    for base in (*cls.__bases__, *getattr(cls, "__orig_bases__", ())):
        if isinstance(base, type) and base.__module__.startswith("rlhf."):
            yield from _lineage(base)
    yield cls


@lru_cache(maxsize=256)
def _own_docs(cls: type) -> dict[str, str]:
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return {}
    body = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(body, ast.ClassDef)
    return dict(documented_fields(body))


def documented_fields(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Each annotated field of a class and the docstring under its line, in one line; empty where there is none."""
    for line, below in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            if ast.unparse(line.annotation).startswith("ClassVar"):
                continue
            said = below.value if isinstance(below, ast.Expr) else None
            text = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
            yield line.target.id, " ".join(text.split())
