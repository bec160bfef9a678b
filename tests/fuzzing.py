"""How properties are fuzzed: a bounded share of the examples on every run, all of them by `make fuzz`."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SHARE = 150
"""Examples of each property that every run of the tests tries."""

TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "",
        "\x00",
        "\x1b[2J",
        "\u202e",
        "𝟙",
        "٣",
        "1e999",
        "-0",
        "nan",
        "null",
        "../..",
        "${HOME}",
        "\ud7ff",
        "a" * 5_000,
    ]
)
NUMBER = st.integers() | st.floats() | st.sampled_from([0, 1, 5, 6, -1, 2**63, 10**30, 10**400, 0.5, 1e308])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
"""What JSON can say: hostile texts and numbers among the plain ones."""

Place = tuple[Any, Any]


def shares(whole: int) -> pytest.MarkDecorator:
    """Parametrise a test with `examples`: its share in every run, and `whole` by `make fuzz`."""
    return pytest.mark.parametrize("examples", [SHARE, pytest.param(whole, marks=pytest.mark.fuzz)])


def tried(examples: int, strategy: st.SearchStrategy[Any], property: Callable[[Any], None]) -> None:
    """Hold the property against so many examples; the first that breaks it is shown, made small."""
    settings(max_examples=examples)(given(strategy)(property))()


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[Any]) -> Any:
    """A valid value of which up to four parts are replaced, left out, doubled, renamed or wrapped."""
    value = copy.deepcopy(draw(valid))
    for _ in range(draw(st.integers(0, 4))):
        places = _places(value)
        if not places:
            return draw(JSON)
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "replace", "drop", "add", "rename", "wrap"])):
            case "replace":
                parent[key] = draw(JSON)
            case "drop":
                del parent[key]
            case "wrap":
                parent[key] = draw(
                    st.sampled_from([[parent[key]], {"value": parent[key]}, [parent[key]] * 2])
                )
            case "rename" if isinstance(parent, dict):
                parent[draw(TEXT)] = parent.pop(key)
            case _:
                if isinstance(parent, dict):
                    parent[draw(TEXT)] = draw(JSON)
                else:
                    parent.append(draw(JSON))
    return value


def _places(value: Any) -> list[Place]:
    """Every part of a value as its container and the key or index in it."""
    found: list[Place] = []
    inside = [value]
    while inside:
        one = inside.pop()
        if isinstance(one, dict | list):
            keys: list[Any] = list(one) if isinstance(one, dict) else list(range(len(one)))
            found += [(one, key) for key in keys]
            inside += [one[key] for key in keys]
    return found


@st.composite
def scratched(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text of which up to three spans are cut out, doubled or written over."""
    text = draw(texts)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        text = (
            text[:start]
            + draw(TEXT | st.sampled_from(["", text[start:end] * 2, '"', "[", "{", "\n", "]]"]))
            + text[end:]
        )
    return text


def as_json(value: Any) -> str:
    """JSON as Python's reader takes it, NaN and Infinity included."""
    return json.dumps(value)


def refusal(kind: type[Exception], call: Callable[[], object]) -> str | None:
    """What the call is refused with, None if it is not. Any other exception breaks the property."""
    try:
        call()
    except kind as error:
        return str(error)
    return None


def assert_plain(told: str | None) -> None:
    """A refusal is one line for people, in no library's words; the empty one puts something off."""
    for bad in ("\n", "\r", "\x1b", "Traceback", "pydantic"):
        assert bad not in (told or "")
