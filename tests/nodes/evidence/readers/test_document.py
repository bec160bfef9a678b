"""The structure of a response: what its lines are, what they stand under, and where its tables are."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlhf.nodes.evidence.readers.document import read_document


def _kinds(text: str) -> list[tuple[str, str]]:
    return [(unit.kind, text[unit.start : unit.end]) for unit in read_document(text).units]


def test_headings_items_and_paragraphs_are_told_apart() -> None:
    assert _kinds("## Plan\n\nIntro:\n\n- One\n  - Under one\n- Two\n\n> quoted\n") == [
        ("heading", "Plan"),
        ("paragraph", "Intro:"),
        ("item", "One"),
        ("item", "Under one"),
        ("item", "Two"),
        ("quote", "quoted"),
    ]


def test_lines_that_a_mail_program_broke_are_one_sentence_and_lines_of_a_list_are_not() -> None:
    wrapped = "We would put $80K behind Chewy, since Autoship buyers stay for\nmonths, and $40K behind Petco."
    listed = "CVS: $300K for pharmacy shoppers who come back every single week\nAmazon: $400K for search"

    assert len(read_document(wrapped).clauses) == 1
    assert len(read_document(listed).units) == 2


def test_an_item_stands_under_its_parent_its_lead_in_and_its_heading() -> None:
    text = "# Risks\n\nClaims to drop:\n\n- First\n  - Second\n"
    document = read_document(text)
    second = next(n for n, unit in enumerate(document.units) if text[unit.start : unit.end] == "Second")

    assert [text[head.start : head.end] for head in document.heads(second)] == [
        "First",
        "Claims to drop:",
        "Risks",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "| A | B |\n|---|---|\n| CVS | $1K |\n| Amazon | $2K |",
        "A | B\n--- | ---\nCVS | $1K\nAmazon | $2K",
        "| A | B |\n| CVS | $1K |\n| Amazon | $2K |",
        "a,b\nCVS,1000\nAmazon,2000",
        "a;b\nCVS;1000\nAmazon;2000",
        "A        B\nCVS      $1K\nAmazon   $2K\nTarget   $3K",
    ],
)
def test_tables_of_any_make_are_found_with_their_cells(text: str) -> None:
    (grid,) = read_document(text).grids

    assert any(
        cell.text == "CVS" and text[cell.start : cell.end] == "CVS" for row in grid.rows for cell in row
    )
    assert grid.headed


def test_a_json_answer_is_a_table_of_its_objects() -> None:
    text = '{"plan": [{"retailer": "CVS", "amount": 1000}, {"retailer": "Amazon", "amount": 2000}], "total": 3000}'
    (grid,) = read_document(text).grids

    assert [[cell.text for cell in row] for row in grid.rows] == [
        ["total", "3000"],
        ["CVS", "amount: 1000"],
        ["Amazon", "amount: 2000"],
    ]


_PIECES = [
    "- ",
    "# ",
    "> ",
    "| ",
    "|---|",
    "\n",
    "\n\n",
    "  ",
    "CVS",
    "$1K",
    ". ",
    "```",
    "1. ",
    '{"a": 1}',
    ",",
    ";",
    "\t",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(_PIECES)).map("".join)))
@example("\x00\ud800")
@settings(max_examples=60)
def test_any_text_has_a_structure_whose_parts_lie_in_order(text: str) -> None:
    document = read_document(text)

    assert all(0 <= unit.start <= unit.end <= len(text) for unit in document.units)
    assert [unit.start for unit in document.units] == sorted(unit.start for unit in document.units)
    assert all(0 <= clause.start < clause.end <= len(text) for clause in document.clauses)
