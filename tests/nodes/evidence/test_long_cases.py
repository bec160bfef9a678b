"""The long casebook keeps its own rules: enough of it, each twin one edit away, every figure recomputed."""

import ast
import operator
import re
from collections import Counter
from typing import Final, get_args

import pytest

from rlhf.nodes.evidence import FindingKind
from tests.nodes.evidence.long_cases import FOLDER, Case, is_held_back, load_cases

NEW: Final = frozenset({"deadline_missed", "impossible_order", "item_too_long"})
INFO: Final = frozenset({"amount", "allocation", "concrete_step", "owner", "date", "call_to_action"})
_OF_THE_WHOLE: Final = """
    empty too_short too_long hard_to_read poor_structure off_topic copied_prompt placeholder refusal no_step
    no_date_or_owner no_figures no_call_to_action disclosure_missing same_amounts
"""
OF_THE_WHOLE: Final = frozenset(_OF_THE_WHOLE.split())
MAY_BE_SHORT: Final = frozenset({"empty", "too_short", "placeholder", "copied_prompt", "refusal"})
_WORD: Final = re.compile(r"[^\W_]+(?:[.,'’\-][^\W_]+)*")
_DONE: Final = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}

CASES: Final = load_cases()
CLEAN: Final = [case for case in CASES if case.twin_of is None]
TWINS: Final = [case for case in CASES if case.twin_of is not None]


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 300
    assert len(CLEAN) >= 120
    assert len({case.id for case in CASES}) == len(CASES)
    assert len({case.response for case in CASES}) == len(CASES)
    assert all(len(path.read_text("utf-8").splitlines()) < 900 for path in FOLDER.glob("*.yaml"))


def test_every_kind_is_there() -> None:
    known = set(get_args(FindingKind)) | NEW
    wanted = Counter(kind for case in TWINS for kind in case.kinds)
    named = (
        wanted.keys() | {kind for case in TWINS for kind in case.also} | {k for c in CLEAN for k in c.reads}
    )

    assert named <= known
    assert wanted.keys() >= known - INFO
    assert {kind for case in CLEAN for kind in case.reads} | {"allocation"} >= INFO
    assert all(kind in (FOLDER / "README.md").read_text("utf-8") for kind in NEW)


def test_both_halves_are_large() -> None:
    assert 0.4 <= sum(map(is_held_back, CASES)) / len(CASES) <= 0.6
    assert 0.4 <= sum(map(is_held_back, CLEAN)) / len(CLEAN) <= 0.6


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_length(case: Case) -> None:
    short = MAY_BE_SHORT & set(case.kinds)
    assert (0 if short else 60) <= len(_WORD.findall(case.response)) <= 300


@pytest.mark.parametrize("case", TWINS, ids=lambda case: case.id)
def test_a_twin_shows_its_fault(case: Case) -> None:
    assert case.id.startswith(f"{case.twin_of}--")
    assert case.edit is not None
    if case.span is not None:
        assert case.response.count(case.span) == 1
        assert case.missing is None
    elif case.missing is not None:
        assert case.missing in f"{case.prompt}\n{_texts(case.context)}"
        assert case.missing not in case.response
    else:
        assert set(case.kinds) <= OF_THE_WHOLE


@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.id)
def test_a_clean_answer_is_right(case: Case) -> None:
    assert not case.kinds
    assert not case.span
    if case.total is not None:
        assert sum(case.given.values()) + sum(case.beside.values()) == pytest.approx(case.total, abs=0.005)
    for line in case.sums:
        _hold(line)
    for texts in case.reads.values():
        assert all(text in case.response for text in texts)
    said = _plain(case.response)
    assert not [term for term in case.context.get("banned_terms", []) if _plain(term) in said]
    for key in ("brand", "required_terms", "disclosures"):
        value = case.context.get(key, [])
        assert all(_plain(term) in said for term in ([value] if isinstance(value, str) else value))


def _texts(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(_texts(each) for pair in value.items() for each in pair)
    return "\n".join(map(_texts, value)) if isinstance(value, list) else str(value)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def _hold(line: str) -> None:
    """A line such as 420/1200 = 35% is right to the last digit it shows."""
    left, right = (side.strip() for side in line.split("="))
    digits = right.rstrip("%")
    step = 10.0 ** -len(digits.partition(".")[2]) / (100 if right.endswith("%") else 1)
    stated = float(digits) / (100 if right.endswith("%") else 1)
    assert abs(_value(ast.parse(left, mode="eval").body) - stated) <= step * 0.5001, line


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.BinOp):
        return float(_DONE[type(node.op)](_value(node.left), _value(node.right)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int | float)
    return float(node.value)
