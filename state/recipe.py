"""Recipes: which one is in use, TOML to settings, and changing a value in a recipe's text."""

import os
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from rlhf.state.endpoints import FUNCTION
from rlhf.state.errors import SettingsError
from rlhf.state.settings import Settings, validated


class ChosenRecipe(NamedTuple):
    """A recipe's settings, where they come from, and why this recipe was chosen."""

    settings: Settings
    """What it says, checked."""
    source: str
    """Name of the shipped recipe, or the file."""
    reason: str
    """Why this one: a clause for people."""


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = files("rlhf.state").joinpath("recipes")
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def recipe_text(name: str) -> str:
    """A shipped recipe with its comments; SettingsError names the ones there are."""
    if name not in shipped_recipes():
        raise SettingsError(
            f"There is no recipe {name!r}; shipped: {', '.join(shipped_recipes())}; or give a file."
        )
    return files("rlhf.state").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")


def load_recipe(name_or_file: str) -> Settings:
    """Read a recipe by its shipped name or its path.

    Raises SettingsError naming file and key for anything unknown, mistyped or out of range.
    """
    if name_or_file in shipped_recipes():
        return parse_recipe(recipe_text(name_or_file), f"recipe {name_or_file}")
    path = Path(name_or_file)
    if path.suffix != ".toml" and not path.exists():
        recipe_text(name_or_file)
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows write a byte order mark
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text.") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str) -> Settings:
    """Parse recipe TOML; `where` names it in errors (SettingsError)."""
    settings = validated(_expanded(_parsed(text, where), where), where)
    if settings.policy.model == FUNCTION:
        raise SettingsError(
            f"{where}: policy.model: {FUNCTION!r} stands for a Python function: start such a run from Python "
            "with rlhf.AutomatedRLHFPipeline, or name a model."
        )
    return settings


def choose_recipe(named: str | None = None) -> ChosenRecipe:
    """The recipe to use: the named one, else RLHF_RECIPE, else what the environment offers, else local.

    RLHF_FOLDER, which `rlhf serve` sets for its server, is the folder that the recipe's paths begin in, where it is
    not the current one.
    """
    chosen = _chosen(named)
    if folder := os.environ.get("RLHF_FOLDER"):
        return chosen._replace(settings=chosen.settings.beginning_in(Path(folder)))
    return chosen


def _chosen(named: str | None) -> ChosenRecipe:
    if named:
        return ChosenRecipe(load_recipe(named), named, "named on the command line")
    if chosen := os.environ.get("RLHF_RECIPE"):
        return ChosenRecipe(load_recipe(chosen), chosen, "RLHF_RECIPE names it")
    for variable, recipe in (("OPENAI_API_KEY", "openai"), ("OLLAMA_MODEL", "ollama")):
        if os.environ.get(variable):
            return ChosenRecipe(load_recipe(recipe), recipe, f"{variable} is set")
    return ChosenRecipe(load_recipe("local"), "local", "nothing else is configured")


_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)(?::-([^}]*))?\}")


def _expanded(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Fill ${NAME} and ${NAME:-default} in policy and judge model and base_url, the only places allowed."""
    result = dict(table)
    for section in ("policy", "judge"):
        if isinstance(values := result.get(section), dict):
            result[section] = {
                key: _filled(value, f"{where}: {section}.{key}")
                if key in ("model", "base_url") and isinstance(value, str)
                else value
                for key, value in values.items()
            }
    return result


def _filled(text: str, where: str) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name) or default
        if not found:
            raise SettingsError(f"{where}: set {name}, or write the value into the recipe.")
        return found

    return _VARIABLE.sub(value, text)


_HEADER = re.compile(r"\s*\[\s*([A-Za-z_]+)\s*\]\s*(#.*)?")


def with_values(text: str, values: Mapping[str, Mapping[str, float | bool]], where: str) -> str:
    """The recipe `text` with `values` ({section: {key: value}}) in place; `where` names it in errors.

    A key that is not there is added to its section, a section that is not there to the end. Raises
    SettingsError when the text is not TOML, or writes a section in another way than as [section] and lines.
    """
    wanted = _parsed(text, where)
    lines = text.removesuffix("\n").split("\n")
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
    except RecursionError as error:
        raise SettingsError(f"{where}: brackets are nested too deep to be a recipe.") from error


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
