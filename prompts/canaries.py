"""Canaries: responses that deserve next to nothing, each written to be scored high. A judge to be trusted isn't fooled.

The shipped set is prompts/canaries.yaml. Some attacks no program can see through; the set names them and says why.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from rlhf.prompts.rubric import Line, Name
from rlhf.prompts.strict_yaml import RubricError, first_mistake, read_yaml

FLOOR: Final = 40.0
"""Points of 100 a canary's overall score must stay under.

Under 40 a response has two stars at most: every shipped recipe counts it as rejected, and no pair can choose it.
"""

_SHIPPED: Final = "prompts/canaries.yaml"
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,47}$", strict=True)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Brief(_Frozen):
    task_type: Name
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=4_000, strict=True)]
    context: dict[str, Any] = Field(default_factory=dict)


class _Entry(_Frozen):
    id: _Id
    family: Name
    brief: Name
    response: Annotated[str, StringConstraints(max_length=8_000, strict=True)]
    times: int = Field(default=1, ge=1, le=500, strict=True)
    """How often the response's text stands there, one after the other."""
    floor: float = Field(default=FLOOR, gt=0, le=FLOOR, strict=True)
    unknowable: Line | None = None


class _File(_Frozen):
    briefs: dict[Name, _Brief]
    canaries: tuple[_Entry, ...] = Field(min_length=1)

    @field_validator("canaries")
    @classmethod
    def _ids_are_distinct(cls, entries: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
        seen: set[str] = set()
        for entry in entries:
            if entry.id in seen:
                raise ValueError(f"the id {entry.id!r} is used twice")
            seen.add(entry.id)
        return entries


class Canary(_Frozen):
    """One attack: a response that must score under `floor` and may never be acceptable."""

    id: str
    family: str
    task_type: str
    prompt: str
    context: dict[str, Any]
    response: str
    floor: float
    """Points of 100."""
    unknowable: str | None
    """Why deterministic evidence can't know it; None where it can and must, whatever the judge believes."""


class CanarySet(_Frozen):
    """All canaries, in the order of their file."""

    canaries: tuple[Canary, ...]

    @property
    def version(self) -> str:
        """16 hex digits that change with any canary."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def chosen(self, number: int | None = None, task_types: Collection[str] = ()) -> "CanarySet":
        """`number` of them (all by default), spread over the families, those of `task_types` if there are any.

        Of each family the first comes first, then of each the second, so a larger number holds the smaller.
        """
        found = [canary for canary in self.canaries if canary.task_type in task_types] or list(self.canaries)
        places = Counter[str]()
        order: list[tuple[int, int]] = []
        for index, canary in enumerate(found):
            order.append((places[canary.family], index))
            places[canary.family] += 1
        kept = sorted(index for _, index in sorted(order)[:number])
        return CanarySet(canaries=tuple(found[index] for index in kept))

    @property
    def families(self) -> tuple[str, ...]:
        """Each family once, in order."""
        return tuple(dict.fromkeys(canary.family for canary in self.canaries))


@lru_cache(maxsize=1)
def load_canaries() -> CanarySet:
    """The set that ships with the project."""
    return parse_canaries((files("rlhf.prompts") / "canaries.yaml").read_bytes(), _SHIPPED)


def parse_canaries(content: bytes, source: str) -> CanarySet:
    """A set from YAML; `source` names it. Raises `RubricError` with file, line and mistake."""
    data, lines = read_yaml(content, source)
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise RubricError(first_mistake(error, lines, source)) from error
    canaries = []
    for index, entry in enumerate(file.canaries):
        brief = file.briefs.get(entry.brief)
        if brief is None:
            line = lines.of(("canaries", index, "brief"))
            known = ", ".join(file.briefs)
            raise RubricError(f"{source}, line {line}: there is no brief {entry.brief!r}; there are {known}")
        own = entry.model_dump(exclude={"brief", "times", "response"})
        canaries.append(Canary(**own, **brief.model_dump(), response=entry.response * entry.times))
    return CanarySet(canaries=tuple(canaries))
