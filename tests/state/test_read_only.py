"""Records as read-only mappings: what people do with a dict works, at every level, and nothing can be changed."""

import copy
import importlib
import json
import pickle
import pkgutil
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

import rlhf
from rlhf.state.read_only import Record
from rlhf.state.records import HumanLabel

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=8,
)


class Part(Record):
    """A part of a whole."""

    name: str
    share: float = Field(default=0.5, ge=0.0, le=1.0)


class Whole(Record):
    """One of everything."""

    title: str = ""
    part: Part = Part(name="first")
    parts: list[Part] = Field(default_factory=list)
    by_name: dict[str, Part] = Field(default_factory=dict)
    given: dict[str, Any] = Field(default_factory=dict)
    made_at: datetime | None = None
    files: tuple[Path, ...] = ()


WHOLE = Whole(
    title="all",
    parts=[Part(name="a", share=0.25)],
    by_name={"b": Part(name="b")},
    given={"budget": 5, "caps": [{"CVS": 3}]},
    made_at=datetime(2026, 11, 25, 8, tzinfo=UTC),
    files=(Path("a/b.jsonl"),),
)


def test_it_reads_like_a_dict() -> None:
    assert isinstance(WHOLE, Mapping)
    assert (
        list(WHOLE)
        == list(WHOLE.keys())
        == ["title", "part", "parts", "by_name", "given", "made_at", "files"]
    )
    assert len(WHOLE) == 7
    assert "title" in WHOLE
    assert "nonsense" not in WHOLE
    assert WHOLE["parts"][0]["share"] == WHOLE.parts[0].share == 0.25
    assert WHOLE["by_name"]["b"]["name"] == "b"
    assert WHOLE.get("title") == "all"
    assert WHOLE.get("nonsense", 7) == 7
    assert dict(WHOLE.items()) == {**WHOLE} == dict(zip(WHOLE.keys(), WHOLE.values(), strict=True))
    assert (lambda **known: known)(**WHOLE["part"]) == {"name": "first", "share": 0.5}
    with pytest.raises(KeyError):
        WHOLE["nonsense"]
    match WHOLE:
        case {"part": {"name": name}}:
            assert name == "first"
        case _:
            pytest.fail("a pattern for mappings does not see it")


def test_it_is_its_own_json() -> None:
    text = json.dumps(WHOLE)
    assert json.loads(text) == WHOLE == WHOLE.model_dump(mode="json")
    assert json.loads(text)["made_at"] == WHOLE["made_at"] == "2026-11-25T08:00:00Z"
    assert WHOLE["files"] == ["a/b.jsonl"]
    assert WHOLE.made_at == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert Whole.model_validate_json(text) == WHOLE == Whole(**WHOLE)
    assert json.loads(json.dumps([WHOLE, WHOLE.part], indent=1, sort_keys=True)) == [WHOLE, WHOLE.part]


@given(given=st.dictionaries(st.text(), JSON), name=st.text(), share=st.floats(0.0, 1.0))
def test_whatever_json_it_holds_comes_back(given: dict[str, Any], name: str, share: float) -> None:
    whole = Whole(given=given, parts=[Part(name=name, share=share)])
    assert whole.given == given
    assert json.loads(json.dumps(whole)) == whole
    assert Whole.model_validate(json.loads(whole.model_dump_json())) == whole


@pytest.mark.parametrize("place", [WHOLE, WHOLE.part, WHOLE.by_name, WHOLE.given, WHOLE.given["caps"][0]])
def test_nothing_in_it_is_set_or_taken_out(place: Any) -> None:
    before = json.dumps(WHOLE)
    some = next(iter(place))
    for change in (
        lambda: place.__setitem__(some, 1),
        lambda: place.__delitem__(some),
        lambda: place.__ior__({some: 1}),
        lambda: place.update({some: 1}),
        lambda: place.pop(some),
        lambda: place.setdefault("new", 1),
        place.popitem,
        place.clear,
    ):
        with pytest.raises(TypeError, match="read-only: dict"):
            change()
    assert json.dumps(WHOLE) == before


@pytest.mark.parametrize("place", [WHOLE.parts, WHOLE.given["caps"], WHOLE["files"]])
def test_nor_are_its_lists_changed(place: Any) -> None:
    before = json.dumps(WHOLE)
    for change in (
        lambda: place.append(1),
        lambda: place.extend([1]),
        lambda: place.insert(0, 1),
        lambda: place.remove(place[0]),
        lambda: place.__setitem__(0, 1),
        lambda: place.__delitem__(0),
        lambda: place.__iadd__([1]),
        lambda: place.__imul__(2),
        place.pop,
        place.sort,
        place.reverse,
        place.clear,
    ):
        with pytest.raises(TypeError, match="read-only"):
            change()
    assert json.dumps(WHOLE) == before


def test_its_fields_stay_too() -> None:
    with pytest.raises(FrozenInstanceError, match="title"):
        WHOLE.title = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="title"):
        del WHOLE.title


def test_a_copy_is_a_dict_to_work_with() -> None:
    for made in (dict(WHOLE), WHOLE.copy(), WHOLE | {"title": "x"}, {**WHOLE}, WHOLE.model_dump()):
        assert type(made) is dict
        made["title"] = "other"
    assert WHOLE.title == "all"
    other = WHOLE.model_copy(update={"title": "other", "given": {"a": []}})
    assert (other.title, other["title"], type(other)) == ("other", "other", Whole)
    with pytest.raises(TypeError):
        other.given["a"].append(1)


def test_equal_is_what_has_one_class_and_equal_fields() -> None:
    assert Whole(**WHOLE) == WHOLE
    assert WHOLE.model_copy(update={"title": "x"}) != WHOLE
    assert dict(WHOLE) == WHOLE
    assert OrderedDict(WHOLE) == WHOLE

    class Other(Record):
        name: str
        share: float

    assert Other(name="first", share=0.5) != WHOLE.part
    assert len({Part(name="a"), Part(name="a"), Part(name="b")}) == 2


def test_it_survives_pickling_and_copying() -> None:
    for made in (pickle.loads(pickle.dumps(WHOLE)), copy.copy(WHOLE), copy.deepcopy(WHOLE)):
        assert made == WHOLE
        assert type(made) is Whole
        assert (made.made_at, made.files, type(made.parts[0])) == (WHOLE.made_at, WHOLE.files, Part)
        with pytest.raises(TypeError):
            made.given["caps"].append(1)


def test_it_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValidationError, match="share"):
        Part(name="a", share=1.5)
    with pytest.raises(ValidationError, match="nonsense"):
        Part.model_validate({"name": "a", "nonsense": 1})
    with pytest.raises(ValidationError, match="name"):
        Part.model_validate_json("{}")
    with pytest.raises(ValidationError, match="labelled_at"):
        HumanLabel(response_id="r", rating=3, reviewer="ana", labelled_at=datetime(2026, 1, 1))


def test_a_model_of_pydantics_takes_and_gives_it() -> None:
    class Letter(BaseModel):
        whole: Whole

    letter = Letter.model_validate({"whole": json.loads(json.dumps(WHOLE))})
    assert letter.whole == WHOLE
    assert letter.model_dump(mode="json") == {"whole": WHOLE}
    assert "Part" in Letter.model_json_schema()["$defs"]


@pytest.mark.parametrize("name", ["items", "keys", "get", "copy", "update", "model_dump"])
def test_a_field_that_would_hide_a_method_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"cannot be called {name}"):
        type("Bad", (Record,), {"__annotations__": {name: int}})


def all_records() -> list[type[Record]]:
    """Every record of the package, those of modules that nobody has imported yet too."""
    for module in pkgutil.walk_packages(rlhf.__path__, "rlhf."):
        if not module.name.startswith(
            ("rlhf.__main__", "rlhf.nodes.crews.")
        ):  # crewai warns while it is imported
            importlib.import_module(module.name)
    found, waiting = [], [Record]
    while waiting:
        waiting += (subclasses := waiting.pop().__subclasses__())
        found += [each for each in subclasses if each.__module__.startswith("rlhf.")]
    return found


def sample(annotation: Any, within: tuple[Any, ...]) -> Any:
    """Some value of a field's type; nothing in a record's container of its own kind."""
    kind, parts = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (dict, list) and parts[-1] in within:
        return kind()
    if kind is Literal:
        return parts[0]
    if kind in (Annotated, Union, UnionType):
        return sample(parts[0], within)
    if kind is dict:
        return {"a": sample(parts[1], within)}
    if kind in (list, tuple):
        return kind([sample(parts[0], within)])
    if isinstance(kind, type) and issubclass(kind, Record):
        return unchecked(kind, within)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return next(iter(kind))
    return PLAIN[kind]


PLAIN = {
    Any: "anything",
    AwareDatetime: WHOLE.made_at,
    NoneType: None,
    Path: Path("a/b"),
    bool: True,
    datetime: WHOLE.made_at,
    float: 0.5,
    int: 1,
    str: "text",
}


def unchecked(record: type[Record], within: tuple[Any, ...] = ()) -> Record:
    """A record with every field filled, though not as its class would check it."""
    made = record.__new__(record)
    for name, field in record.model_fields.items():
        made.__dict__[name] = sample(field.annotation, (*within, record))
    made.__post_init__()
    return made


def test_every_record_of_the_package_is_its_own_json() -> None:
    records = all_records()
    assert len(records) > 60
    for record in records:
        made = unchecked(record)
        assert json.loads(json.dumps(made)) == made == made.model_dump(mode="json"), record.__name__
