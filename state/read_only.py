"""What every record is: typed fields that never change, and at the same time the read-only mapping its JSON shows."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Never,
    NoReturn,
    Self,
    dataclass_transform,
    get_args,
    get_origin,
)

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import SchemaValidator, to_jsonable_python

from rlhf.state.field_docs import describe_fields

Extra = Literal["allow", "ignore", "forbid"]


def _refuse(self: Any, *args: Never, **kwargs: Never) -> NoReturn:
    name = type(self).__name__
    name = name if isinstance(self, Record) else "A part of a record"
    raise TypeError(f"{name} is read-only: dict(…) or list(…) of it is a copy that can be changed.")


class ReadOnlyDict(dict[str, Any]):
    """A dict that stays as it is."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class ReadOnlyList(list[Any]):
    """A list that stays as it is."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse  # type: ignore[assignment]
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Record(dict[str, Any]):
    """A finished thing: it never changes, and it is a mapping as well (`record["rating"]`, `"rating" in record`).

    Its fields are checked by pydantic when it is made. It is a real dict, because `json.dumps` writes nothing else
    as an object (a class of pydantic's cannot be one), and so `**record`, `.items()` and `record == json.loads(text)`
    hold too: as a mapping it is its own JSON, at every level. Where a field is a time or a path, the attribute is
    that and the item is its text. Items, fields, and what they hold of dicts and lists, are read-only (TypeError,
    for a field FrozenInstanceError); `dict(record)`, `record.copy()` and `record | {…}` give a dict to work with.
    Two records are equal if they are of one class with equal fields; a record and a plain dict, if the items are.
    A field must not be called like a method of dict (`items`, `copy`, …): such a class is refused.
    """

    model_fields: ClassVar[Mapping[str, FieldInfo]]
    """The fields, as pydantic's own models have them."""
    _names: ClassVar[tuple[str, ...]]
    _rich: ClassVar[tuple[str, ...]]
    """Fields whose attribute is not what JSON has."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        config = ConfigDict(extra="forbid", json_schema_extra=describe_fields)
        dataclass(cls, kw_only=True, frozen=True, eq=False, config=config)
        cls.__init__ = _checked  # type: ignore[method-assign, assignment]
        cls._names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
        if taken := sorted(set(cls._names) & set(dir(Record))):
            raise TypeError(f"{cls.__name__}: a field cannot be called {', '.join(taken)}.")
        cls.model_fields = cls.__pydantic_fields__  # type: ignore[attr-defined]
        cls._rich = tuple(name for name in cls._names if _is_rich(cls.model_fields[name].annotation))

    def __post_init__(self) -> None:
        own = self.__dict__
        for name in self._names:
            value = own[name]
            if type(value) in _CONTAINERS:
                value = own[name] = _frozen(value)
            dict.__setitem__(self, name, value)
        for name in self._rich:
            dict.__setitem__(self, name, _frozen(to_jsonable_python(own[name])))

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record) and type(self) is not type(other):
            return False
        return dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((type(self), *self.values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), self.__dict__)

    @classmethod
    def model_validate(cls, value: Any, *, extra: Extra | None = None) -> Self:
        """The record of a mapping; pydantic's ValidationError for one that does not fit, or has other keys too.

        With `extra="ignore"` other keys are left out, at every depth.
        """
        found: Self = _adapter(cls).validate_python(value, extra=extra)
        return found

    @classmethod
    def model_validate_json(cls, text: str | bytes, *, extra: Extra | None = None) -> Self:
        """The record of a JSON object, as by `model_validate`."""
        found: Self = _adapter(cls).validate_json(text, extra=extra)
        return found

    @classmethod
    def model_json_schema(cls, **options: Any) -> dict[str, Any]:
        """Its JSON schema."""
        return _adapter(cls).json_schema(**options)

    def model_dump(self, *, mode: Literal["python", "json"] = "python", **options: Any) -> dict[str, Any]:
        """A plain dict of plain dicts and lists; with `mode="json"` times and paths are text."""
        found: dict[str, Any] = _adapter(type(self)).dump_python(self, mode=mode, **options)
        return found

    def model_dump_json(self, **options: Any) -> str:
        """Its JSON."""
        return _adapter(type(self)).dump_json(self, **options).decode()

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A record with other values; they are not checked."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__, **(update or {}))
        other.__post_init__()
        return other


_CONTAINERS = frozenset({dict, list})
_PLAIN = (str, int, float, dict, list, NoneType)
"""What `json.dumps` writes."""


def _checked(self: Record, **values: Any) -> None:
    # As pydantic's own, but validators are given a dict here too.
    validator: SchemaValidator = type(self).__pydantic_validator__  # type: ignore[attr-defined]
    validator.validate_python(values, self_instance=self)


def _made(cls: type[Record], values: Mapping[str, Any]) -> Record:
    return cls(**values)


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _frozen(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return ReadOnlyDict({name: _frozen(part) for name, part in value.items()})
    return ReadOnlyList(map(_frozen, value)) if kind is list else value


def _is_rich(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    if kind is Literal or kind is Any:
        return False
    if isinstance(kind, type) and kind not in (Annotated, UnionType) and not issubclass(kind, _PLAIN):
        return True
    return any(map(_is_rich, get_args(annotation)))
