"""Writes what the documentation repeats of the code: recipe.md, and the tables in rubrics.md (`make docs`)."""

import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rlhf.nodes.evidence import FindingKind, checks, known_checks
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.prompts.rubric import (
    CapSpec,
    CheckSpec,
    DimensionRubric,
    Persona,
    RubricPack,
    available_packs,
    load_pack,
)
from rlhf.state.field_docs import field_docs
from rlhf.state.providers import LANGCHAIN, PROVIDERS
from rlhf.state.recipe import recipe_text, shipped_recipes
from rlhf.state.settings import Settings

DOCS = Path(__file__).parent

RECIPE_HEAD = """\
# Recipe reference

Every key a recipe may have, with its values, its default and its meaning. This page is written by `make docs` from the
settings themselves (`state/settings.py`); a test keeps it so.

A recipe is a TOML file. `rlhf recipe NAME` prints a shipped one with a comment at each key; start from it:

```sh
rlhf recipe local > mine.toml
rlhf run prompts.jsonl --recipe mine.toml --adapter budgeting
```

An unknown key, a wrong type or a value out of range is refused before anything runs, with the key's name. `policy` and
`judge` need at least a `model`. In `model` and `base_url` of these two, `${NAME}` and `${NAME:-default}` are filled
from the environment; nowhere else. An API key is never written into a recipe: `api_key_env` names its variable.
[Operations](operations.md#which-recipe-is-in-use) says which recipe is in use.
"""


def main() -> None:
    """Write the pages anew."""
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Each generated page and what must stand in it."""
    rubrics = DOCS / "rubrics.md"
    return {DOCS / "recipe.md": recipe_page(), rubrics: with_tables(rubrics.read_text(encoding="utf-8"))}


# --- the recipe -------------------------------------------------------------------------------


def recipe_page() -> str:
    """The recipe's reference."""
    parts = [RECIPE_HEAD]
    sections = {
        name: kind
        for name, kind in get_type_hints(Settings).items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
    top = [name for name in Settings.model_fields if name not in sections]
    parts.append("## Top level\n\n" + key_table(Settings, top))
    for name, section in sections.items():
        parts.append(
            f"## [{name}]\n\n{doc_line(section)}\n\n" + key_table(section, list(section.model_fields))
        )
    parts += [providers_table(), shipped_table(sections)]
    return "\n".join(parts)


def key_table(model: type[BaseModel], names: list[str]) -> str:
    """A row per field: its name, what it may be, its default, its docstring."""
    docs, hints = field_docs(model), get_type_hints(model, include_extras=True)
    rows = [
        (
            f"`{name}`",
            values_of(hints[name], model.model_fields[name]),
            default_of(model.model_fields[name]),
            docs[name],
        )
        for name in names
    ]
    return table(("key", "values", "default", "meaning"), rows)


def values_of(hint: Any, field: FieldInfo) -> str:
    """What a field may hold, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return values_of(arguments[0], field)
    if origin in (Union, UnionType):
        [kind] = [each for each in arguments if each is not NoneType]
        return values_of(kind, field)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is dict:
        return "table" if arguments[1] is Any else "table of numbers"
    if origin is list:
        inner = values_of(arguments[0], field)
        return f"list of: {inner}" if get_origin(arguments[0]) is Literal else f"list of {inner}"
    word = {str: "text", bool: "`true`, `false`", int: "whole number", float: "number"}[hint]
    limits = [limit for limit in (bound(each) for each in field.metadata) if limit]
    pattern = next((each.pattern for each in field.metadata if getattr(each, "pattern", None)), None)
    return " ".join(
        [word, *([", ".join(limits)] if limits else []), *([f"like `{pattern}`"] if pattern else [])]
    )


def bound(limit: object) -> str:
    """A limit of a number; empty for anything else."""
    match limit:
        case Ge(least):
            return f"≥ {least:g}"
        case Gt(least):
            return f"> {least:g}"
        case Le(most):
            return f"≤ {most:g}"
        case Lt(most):
            return f"< {most:g}"
    return ""


def default_of(field: FieldInfo) -> str:
    """The default as it would stand in TOML."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return "" if default in (None, {}) else f"`{toml(default)}`"


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def providers_table() -> str:
    """What may stand before the slash of a model, where it is asked, and which variable holds its key."""
    rows = []
    for name, provider in PROVIDERS.items():
        if provider.way != "own":
            install = f"rlhf-graph[{provider.extra}]" if provider.extra else ""
            rows.append(
                (
                    f"`{name}/NAME`",
                    provider.base_url or "",
                    f"`{provider.key_env}`" if provider.key_env else "",
                    install,
                )
            )
    further = ", ".join(f"`{name}`" for name in LANGCHAIN)
    return (
        "## Providers\n\nWhat `model` may name besides `local` and `hf:PATH`; another address goes into `base_url`.\n\n"
        + table(("model", "address", "key's variable", "needs"), rows)
        + f"\nFurther names, each by its package of LangChain's, which finds its credentials itself: {further}.\n"
    )


def shipped_table(sections: dict[str, type[BaseModel]]) -> str:
    """Where the shipped recipes differ from the defaults."""
    recipes = {name: tomllib.loads(recipe_text(name)) for name in shipped_recipes()}
    rows = []
    for name, section in sections.items():
        for key, field in section.model_fields.items():
            given = [recipe.get(name, {}).get(key) for recipe in recipes.values()]
            if any(value not in (None, field.default) and not isinstance(value, dict) for value in given):
                rows.append(
                    (f"`{name}.{key}`", *("" if value is None else f"`{toml(value)}`" for value in given))
                )
    return (
        "## What the shipped recipes set\n\nKeys in which at least one of them differs from the default.\n\n"
        + table(["key", *recipes], rows)
    )


# --- the rubrics ------------------------------------------------------------------------------


def with_tables(text: str) -> str:
    """The page with what stands between each pair of marks written anew."""
    for name, made in {
        "packs": packs_table(),
        "pack-keys": pack_keys(),
        "checks": checks_table(),
        "findings": findings_list(),
    }.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"docs/rubrics.md lacks the marks of {name}.")
        text = before + begin + made + end + after
    return text


def packs_table() -> str:
    """The shipped packs: their dimensions' weights and checks."""
    rows = []
    for task_type in sorted(name for name, place in available_packs().items() if place == "shipped"):
        pack = load_pack(task_type)
        rows.append((f"**{task_type}**", pack.description, "", ""))
        for name in DIMENSIONS:
            rubric = pack.dimensions[name]
            names = ", ".join(f"`{check.name}`" for check in rubric.checks)
            veto = " veto" if rubric.veto else ""
            rows.append((name, rubric.question, f"{pack.weights[name]:.2f}{veto}", names))
    return table(
        ("pack, dimension", "what the judge is asked", "weight", "checks that inform and score it"), rows
    )


def pack_keys() -> str:
    """The keys of a pack's file."""
    rows = [
        (f"{where}`{name}`", docs)
        for where, model in (
            ("", RubricPack),
            ("persona: ", Persona),
            ("dimension: ", DimensionRubric),
            ("check: ", CheckSpec),
            ("cap: ", CapSpec),
        )
        for name, docs in field_docs(model).items()
    ]
    return table(("key", "meaning"), rows)


def checks_table() -> str:
    """Every check by the file it stands in, with the first line of its docstring."""
    rows = []
    for module in checks_modules():
        for name, function in vars(module).items():
            if name in known_checks() and inspect.getmodule(function) is module:
                rows.append((f"`{name}`", module.__name__.rpartition(".")[2], doc_line(function)))
    missing = known_checks() - {row[0].strip("`") for row in rows}
    if missing:
        raise SystemExit(f"No file under nodes/evidence/checks holds {', '.join(sorted(missing))}.")
    return table(("check", "about", "grade, 0 to 1"), rows)


def checks_modules() -> Iterator[ModuleType]:
    """The files that checks stand in."""
    for found in pkgutil.iter_modules(checks.__path__):
        yield importlib.import_module(f"{checks.__name__}.{found.name}")


def findings_list() -> str:
    """The kinds that a finding may have."""
    return ", ".join(f"`{kind}`" for kind in get_args(FindingKind)) + ".\n"


# --- Markdown ---------------------------------------------------------------------------------


def doc_line(of: object) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(of) or "").split("\n\n")[0].split())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---" for _ in head], *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
