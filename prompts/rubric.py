"""Rubric packs: what a good response to one task type looks like, dimension by dimension.

A pack is one YAML file. The shipped ones stand in prompts/packs; a user adds a task type, or replaces
a shipped one, by dropping NAME.yaml into the folder named by RLHF_RUBRICS, or else into ./rubrics.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from rlhf.prompts.dimensions import DEFAULT_WEIGHTS, DIMENSIONS
from rlhf.prompts.strict_yaml import RubricError, first_mistake, read_yaml

__all__ = [
    "CapSpec",
    "CheckSpec",
    "DimensionRubric",
    "Persona",
    "RubricError",
    "RubricPack",
    "available_packs",
    "load_pack",
]

LEVELS: Final = range(6)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, strict=True)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$", strict=True)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Persona(_Frozen):
    """Who judges: the role, goal and backstory of the crew's agents."""

    role: Line
    """The expert's title."""
    goal: Line
    """What the expert wants to find out."""
    backstory: Line
    """Where the expert's judgement comes from."""


class CheckSpec(_Frozen):
    """A graded check of nodes/evidence and its share in a dimension's evidence score."""

    name: Name
    """Name of the check (rlhf.nodes.evidence)."""
    weight: float = Field(default=1.0, gt=0, le=100, strict=True)
    """Its share beside the dimension's other checks; only proportions count."""


class CapSpec(_Frozen):
    """A rule that caps a score: a grade (0 to 1) under `below` keeps it at or under `at_most` (0 to 100)."""

    name: Name
    """Name of the check whose grade decides."""
    below: float = Field(default=0.5, gt=0, le=1, strict=True)
    """Grade (0–1) under which the rule applies."""
    at_most: float = Field(ge=0, le=100, strict=True)
    """Highest score it then leaves, points of 100."""


class DimensionRubric(_Frozen):
    """One dimension: its question, an anchor for each level 0 to 5, and the checks that inform it.

    A response that scores far too low on a `veto` dimension can never be chosen (nodes/aggregate.py says how low).
    """

    weight: float | None = Field(default=None, gt=0, le=1, strict=True)
    """Weight in the overall score, 0–1; left out, the dimension's default."""
    question: Line
    """What the judge is asked."""
    levels: dict[int, Line]
    """A sentence for each level, 0 (worst) to 5 (best)."""
    veto: bool = Field(default=False, strict=True)
    """Whether a very low score forbids choosing the response."""
    checks: tuple[CheckSpec, ...] = Field(min_length=1)
    """Graded checks: what evidence scores the dimension by."""
    caps: tuple[CapSpec, ...] = ()
    """Rules that hold this dimension's score down."""

    @field_validator("levels", mode="before")
    @classmethod
    def _every_level_once(cls, levels: Any) -> Any:
        if not isinstance(levels, dict):
            raise ValueError("must map the levels 0 to 5 to their anchors")
        levels = {int(key) if str(key).isdecimal() else key: anchor for key, anchor in levels.items()}
        for level in LEVELS:
            if level not in levels:
                raise ValueError(f"level {level} is missing")
        for level in levels:
            if level not in LEVELS:
                raise ValueError(f"level {level!r} is not one of 0 to 5")
        return levels

    @field_validator("checks")
    @classmethod
    def _checks_are_distinct(cls, checks: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
        names = [check.name for check in checks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the check {name!r} is named twice")
        return checks


class RubricPack(_Frozen):
    """Everything the judges are told about one task type; its own `caps` hold for every dimension."""

    task_type: Name
    """Name of the pack: the file's name without .yaml."""
    description: Line
    """What the pack is for, in one line."""
    persona: Persona
    """Who judges."""
    dimensions: dict[str, DimensionRubric]
    """The five dimensions, by name."""
    caps: tuple[CapSpec, ...] = ()
    """Rules that hold every dimension's score down."""

    @field_validator("dimensions")
    @classmethod
    def _the_five(cls, dimensions: dict[str, DimensionRubric]) -> dict[str, DimensionRubric]:
        for name in DIMENSIONS:
            if name not in dimensions:
                raise ValueError(f"the dimension {name!r} is missing")
        for name in dimensions:
            if name not in DIMENSIONS:
                raise ValueError(f"{name!r} is not a dimension; the five are {', '.join(DIMENSIONS)}")
        total = sum(_weight(name, rubric) for name, rubric in dimensions.items())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights sum to {total:.4g}, not to 1")
        return {name: dimensions[name] for name in DIMENSIONS}

    @property
    def weights(self) -> dict[str, float]:
        """Share of each dimension in the overall score; they sum to 1."""
        return {name: _weight(name, rubric) for name, rubric in self.dimensions.items()}

    @property
    def anchors(self) -> tuple[str, ...]:
        """The words for the two best levels of every dimension."""
        return tuple(rubric.levels[level] for rubric in self.dimensions.values() for level in (4, 5))

    @property
    def version(self) -> str:
        """16 hex digits that change with any word or number of the pack."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _weight(name: str, rubric: DimensionRubric) -> float:
    return DEFAULT_WEIGHTS[name] if rubric.weight is None else rubric.weight


def available_packs(extra_folder: Path | None = None) -> dict[str, str]:
    """Task type → where its pack comes from: "shipped", or the path of the user's file."""
    files_of_ours = sorted(entry.name for entry in _shipped().iterdir() if entry.name.endswith(".yaml"))
    packs = {name.removesuffix(".yaml"): "shipped" for name in files_of_ours}
    folder = rubric_folder(extra_folder)
    for path in sorted(folder.glob("*.yaml")) if folder else []:
        if not _NAME.fullmatch(path.stem):
            raise RubricError(f"{path}: a task type is lower-case letters, digits and _; rename the file")
        packs[path.stem] = str(path)
    return packs


def load_pack(
    task_type: str, extra_folder: Path | None = None, known_checks: frozenset[str] | None = None
) -> RubricPack:
    """The pack for `task_type`; a user's file wins over a shipped one of the same name.

    `extra_folder` stands in for RLHF_RUBRICS and ./rubrics. `known_checks` are the names a pack may use;
    without it names are not looked up. Raises `RubricError` with file, line and mistake.
    """
    if not _NAME.fullmatch(task_type):
        raise RubricError(f"{task_type[:80]!r} is no task type: use lower-case letters, digits and _")
    packs = available_packs(extra_folder)
    if task_type not in packs:
        raise RubricError(
            f"no rubric pack for the task type {task_type!r}; there are {', '.join(sorted(packs))}. "
            f"To add it, drop {task_type}.yaml into ./rubrics or the folder named by RLHF_RUBRICS"
        )
    source = packs[task_type]
    if source == "shipped":
        source = f"prompts/packs/{task_type}.yaml"
        content = (_shipped() / f"{task_type}.yaml").read_bytes()
    else:
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise RubricError(f"{source}: cannot be read: {error.strerror}") from error
    return _parse(content, source, task_type, known_checks)


def _shipped() -> Any:
    return files("rlhf.prompts") / "packs"


def rubric_folder(extra_folder: Path | None = None) -> Path | None:
    """The team's folder of packs and words: RLHF_RUBRICS, else ./rubrics, else none."""
    named = os.environ.get("RLHF_RUBRICS")
    if extra_folder is None and not named:
        default = Path("rubrics")
        return default if default.is_dir() else None
    folder = extra_folder or Path(named or "")
    if not folder.is_dir():
        raise RubricError(f"{folder}: no such folder for rubric packs; create it or unset RLHF_RUBRICS")
    return folder


@lru_cache(maxsize=64)  # keyed by the content: a changed file is read anew, an unchanged one costs nothing
def _parse(content: bytes, source: str, task_type: str, known_checks: frozenset[str] | None) -> RubricPack:
    data, lines = read_yaml(content, source)
    try:
        pack = RubricPack.model_validate(data)
    except ValidationError as error:
        raise RubricError(first_mistake(error, lines, source)) from error
    if pack.task_type != task_type:
        line = lines.of(("task_type",))
        raise RubricError(
            f"{source}, line {line}: task_type is {pack.task_type!r}, not {task_type!r} as the file"
        )
    for where, name in _check_names(pack):
        if known_checks is not None and name not in known_checks:
            raise RubricError(
                f"{source}, line {lines.of(where)}: {'.'.join(map(str, where))}: there is no check named "
                f"{name!r}; there are {', '.join(sorted(known_checks))}"
            )
    return pack


def _check_names(pack: RubricPack) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each check a pack names, with the path where it does."""
    for index, cap in enumerate(pack.caps):
        yield ("caps", index, "name"), cap.name
    for dimension, rubric in pack.dimensions.items():
        for key, names in (
            ("checks", [c.name for c in rubric.checks]),
            ("caps", [c.name for c in rubric.caps]),
        ):
            for index, name in enumerate(names):
                yield ("dimensions", dimension, key, index, "name"), name
