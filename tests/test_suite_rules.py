"""How the tests are written: short stories, fixtures in conftest files, assertions that say one thing."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONGEST = 80
"""Lines of a test, its parameters included."""

Rule = Callable[[ast.Module], Iterator[tuple[int, str]]]
"""Finds what is wrong in a module: the line, and what it is."""


def long_tests(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            length = (node.end_lineno or node.lineno) - first + 1
            if length > LONGEST:
                yield first, f"{node.name} has {length} lines"


def imports_from_tests(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Fixtures belong in a conftest.py, helpers in a module of their own."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        for name in names:
            if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_"):
                yield node.lineno, f"imports from {name}"


def fixtures_taken_by_import(module: ast.Module) -> Iterator[tuple[int, str]]:
    """`from … import name as name` in a test is how a fixture is smuggled past the conftest files."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                if each.asname == each.name:
                    yield node.lineno, f"imports {each.name} as itself"


def assertions_of_one_or_the_other(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if not isinstance(node, ast.Assert):
            continue
        told = node.test
        if isinstance(told, ast.BoolOp) and isinstance(told.op, ast.Or):
            yield node.lineno, f"either, or: {ast.unparse(told)}"
        elif (
            isinstance(told, ast.Compare)
            and isinstance(told.ops[0], ast.In)
            and isinstance(told.comparators[0], ast.Tuple | ast.List | ast.Set)
        ):
            yield node.lineno, f"one of several: {ast.unparse(told)}"


RULES: list[Rule] = [
    long_tests,
    imports_from_tests,
    fixtures_taken_by_import,
    assertions_of_one_or_the_other,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    paths = sorted(HERE.rglob("*.py"))
    assert len(paths) > 100
    broken = [
        f"{path.relative_to(HERE.parent)}:{line}: {what}"
        for path in paths
        for line, what in rule(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (
            long_tests,
            "@mark(\n" + "1,\n" * LONGEST + ")\ndef test_a(): ...",
            "def helper():\n" + "    1\n" * (LONGEST + 1),
        ),
        (imports_from_tests, "from tests.nodes.test_a import made", "from tests.nodes.builders import made"),
        (imports_from_tests, "from tests.nodes import test_a", "from tests.nodes import conftest"),
        (imports_from_tests, "import tests.test_a", "import test_a"),
        (fixtures_taken_by_import, "from tests.a import b as b", "from tests.a import b as c"),
        (assertions_of_one_or_the_other, "assert a or b", "assert (a or b) == 1"),
        (assertions_of_one_or_the_other, "assert status in (0, 3)", "assert status in allowed"),
        (
            assertions_of_one_or_the_other,
            "assert winner in {'a', 'b'}, 'why'",
            "assert winner not in ('a', 'b')",
        ),
    ],
)
def test_a_rule_finds_what_it_forbids_and_nothing_else(rule: Rule, bad: str, good: str) -> None:
    assert len(list(rule(ast.parse(bad)))) == 1
    assert list(rule(ast.parse(good))) == []
