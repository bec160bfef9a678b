"""The long casebook: realistic answers, each fault the one-edit twin of a clean text. Its rules stand in its README."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FOLDER: Final = Path(__file__).parent / "casebook"

Form = Literal["table", "list", "prose", "mail", "json", "csv", "copy"]
Language = Literal["en", "de", "fr", "es", "pt"]
TaskType = Literal["budgeting", "compliance", "creative", "data_quality", "general", "planning"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Edit(_Row):
    """What makes a twin of a clean text: one passage replaced, or the whole of it."""

    replace: str | None = None
    with_: str = Field(default="", alias="with")
    whole: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Edit":
        if (self.replace is None) == (self.whole is None):
            raise ValueError("an edit names either `replace` or `whole`")
        return self

    def applied(self, text: str) -> str:
        """`text` after the edit; the passage must stand in it exactly once."""
        if self.whole is not None:
            return self.whole
        assert self.replace is not None
        if text.count(self.replace) != 1:
            raise ValueError(f"{self.replace!r} stands {text.count(self.replace)} times in the clean text")
        return text.replace(self.replace, self.with_)


class Clean(_Row):
    """A clean answer as it is written down."""

    id: str
    prompt: str
    context: dict[str, Any] = {}
    task_type: TaskType
    response: str
    language: Language = "en"
    form: Form
    given: dict[str, float] = {}
    beside: dict[str, float] = {}
    total: float | None = None
    sums: tuple[str, ...] = ()
    reads: dict[str, tuple[str, ...]] = {}


class Twin(_Row):
    """A faulty answer as it is written down."""

    id: str
    twin_of: str
    edit: Edit
    kinds: tuple[str, ...] = Field(min_length=1)
    also: tuple[str, ...] = ()
    span: str | None = None
    missing: str | None = None


class Case(Clean):
    """One answer to judge, and what a person finds in it; `kinds` is empty for a clean one."""

    twin_of: str | None = None
    edit: Edit | None = None
    kinds: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    span: str | None = None
    missing: str | None = None

    @property
    def family(self) -> str:
        """The id of the clean answer."""
        return self.twin_of or self.id


def is_held_back(case: Case) -> bool:
    """Whether the case's family belongs to the half that is not looked at."""
    return int(hashlib.sha256(case.family.encode()).hexdigest(), 16) % 2 == 1


@cache
def _read(folder: Path) -> tuple[Case, ...]:
    rows = [
        row
        for path in sorted(folder.glob("*.yaml"))
        for row in yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    ]
    clean = {row["id"]: Clean.model_validate(row) for row in rows if "twin_of" not in row}
    return tuple(
        _twin(Twin.model_validate(row), clean) if "twin_of" in row else _alone(clean[row["id"]])
        for row in rows
    )


def _alone(clean: Clean) -> Case:
    return Case.model_construct(**dict(clean))


def _twin(twin: Twin, clean: dict[str, Clean]) -> Case:
    origin = clean[twin.twin_of]
    same = {name: getattr(origin, name) for name in ("prompt", "context", "task_type", "language", "form")}
    return Case.model_construct(**same, **dict(twin), response=twin.edit.applied(origin.response))


def load_cases() -> list[Case]:
    """All cases, clean ones and twins, in the order of their files."""
    return list(_read(FOLDER))
