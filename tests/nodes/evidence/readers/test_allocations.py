"""Whatever way a response writes its split, each retailer gets its own amount."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.nodes.evidence import collect_evidence
from rlhf.nodes.evidence.readers.amounts import format_money

RETAILERS = ["CVS", "Amazon", "Walmart", "Target"]
CONTEXT: dict[str, Any] = {"brand": "Lumora", "retailers": RETAILERS, "budget": 1_200_000}
PROMPT = "Split a $1.2M retail media budget between CVS, Amazon, Walmart and Target for Lumora."
WANTED = {"CVS": 300_000.0, "Amazon": 400_000.0, "Walmart": 350_000.0, "Target": 150_000.0}


def _given(response: str, context: dict[str, Any] | None = None) -> dict[str, float]:
    return collect_evidence(PROMPT, response, CONTEXT if context is None else context).given


@pytest.mark.parametrize(
    "response",
    [
        "CVS: $300K\nAmazon: $400K\nWalmart: $350K\nTarget: $150K",
        "- **CVS** – $300,000 because\n- **Amazon** – $400,000\n- **Walmart** – $350,000\n- **Target** – $150,000",
        "CVS gets $300K, Amazon gets $400K, Walmart gets $350K and Target gets $150K.",
        "I would give $300K to CVS, $400K to Amazon, $350K to Walmart and $150K to Target.",
        "Spend $300K on CVS. Put $400K into Amazon. Use $350K for Walmart. Keep $150K for the Target app.",
        "| Retailer | Amount |\n|---|---|\n| CVS | $300K |\n"
        "| Amazon | $400K |\n| Walmart | $350K |\n| Target | $150K |",
        "## CVS\nAmount: $300K\nWhy: health\n## Amazon\nAmount: $400K\n## Walmart\n$350K\n## Target\n$150K",
        "CVS (25%): $300K\nAmazon (33%): $400K\nWalmart: $350K (29%)\nTarget: $150K (13%)",
        "CVS 25%, Amazon 33.3333333%, Walmart 29.1666667%, Target 12.5%",
        "Of the $1.2M budget, CVS receives $300K.\nAmazon receives $400K of the $1.2M.\nWalmart $350K. Target $150K.",
        "Here is a split of the $1.2M budget between CVS, Amazon, Walmart and Target:\n1. CVS: $300,000\n"
        "2. Amazon: $400,000\n3. Walmart: $350,000\n4. Target: $150,000\nTotal: $1,200,000",
        "cvs: 300,000\namazon: 400,000\nwalmart: 350,000\nTARGET: 150,000",
        "$300K: CVS\n$400K: Amazon\n$350K: Walmart\n$150K: Target",
        "CVS: $250K-$350K\nAmazon: $400K\nWalmart: $350K\nTarget: $100K to $200K",
    ],
)
def test_a_split_is_read(response: str) -> None:
    assert _given(response) == pytest.approx(WANTED, rel=1e-6)


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        ("CVS and Target get $300K each.", {"CVS": 300_000, "Target": 300_000}),
        ("CVS, Amazon, Walmart and Target share the $1.2M budget.", {}),
        ("We target a young audience with $300K.", {}),
        ("Target audience: $300K for teens.", {}),
        ("CVS is a drugstore. Amazon gets $400K.", {"Amazon": 400_000}),
        ("CVS\nTotal: $1.2M", {}),
        ("CVS: $1.2M", {"CVS": 1_200_000}),
        ("CVS: 20% of $1.2M = 0.2 * $1.2M = $240,000", {"CVS": 240_000}),
        ("CVS, Amazon and Target lowered their budgets from $660K to $330K.", {}),
        ("CVS: $300K. Later CVS may get $500K.", {"CVS": 300_000}),
        ("CVSX: $300K, Amazonia: $400K", {}),
        ("", {}),
    ],
)
def test_only_what_is_clearly_given_counts(response: str, wanted: dict[str, float]) -> None:
    assert _given(response) == wanted


@pytest.mark.parametrize(
    "name", ["Kohl's", "Sam's Club", "Ben & Jerry", "7-Eleven", "H-E-B", "Dick's Sporting Goods"]
)
def test_names_with_marks_are_found_however_they_are_typed(name: str) -> None:
    context = {"retailers": [name, "Amazon"], "budget": 100_000}

    for written in (name, name.replace("'", "’"), name.upper(), name.replace("-", " ")):
        assert _given(f"{written}: $40K", context) == {name: 40_000}


def test_a_name_inside_another_is_not_mistaken() -> None:
    context = {"retailers": ["Whole Foods", "Foods", "Amazon Fresh", "Amazon"], "budget": 100_000}
    given = _given("Whole Foods: $10K\nAmazon Fresh: $20K\nAmazon: $30K\nFoods: $40K", context)

    assert given == {"Whole Foods": 10_000, "Amazon Fresh": 20_000, "Amazon": 30_000, "Foods": 40_000}


def test_retailers_budget_and_caps_are_read_from_the_prompt_when_the_context_is_silent() -> None:
    prompt = (
        "Split our $900K budget between Kroger, H-E-B and Sam's Club. Cap Kroger at $300K. One reason each."
    )
    facts = collect_evidence(prompt, "", {}).facts

    assert facts.retailers == ("Kroger", "H-E-B", "Sam's Club")
    assert facts.budget == 900_000
    assert facts.caps == {"Kroger": 300_000}
    assert facts.currency == "$"


@pytest.mark.parametrize(
    "context",
    [
        {"retailers": "CVS", "budget": "$1.2M", "caps": {"CVS": "25%"}, "brand": ["x"]},
        {"retailers": 7, "budget": -1, "caps": [1], "brand": None, "required_terms": {"a": 1}},
        {"retailers": [None, "", "CVS", "CVS"], "budget": True, "caps": {"CVS": None}, "max_words": "ten"},
        {"retailers": ["("] * 1000, "budget": float("nan"), "banned_terms": ["[", "\\", "(?"], "brand": "*"},
        {"retailers": ["'", " ", "-"], "budget": 1e300, "currency": 5},
    ],
)
def test_a_context_of_the_wrong_shape_is_taken_as_not_given(context: dict[str, Any]) -> None:
    collect_evidence(PROMPT, "CVS: $300K", context)


def test_caps_and_budgets_may_be_written_as_text() -> None:
    facts = collect_evidence(
        "", "", {"budget": "€2M", "caps": {"CVS": "25%", "Amazon": "€0.4M", "Target": 7}}
    ).facts

    assert facts.budget == 2_000_000
    assert facts.currency == "€"
    assert facts.caps == {"CVS": 500_000, "Amazon": 400_000, "Target": 7}


@given(st.lists(st.integers(1, 2_000_000), min_size=4, max_size=4))
def test_any_amounts_written_line_by_line_come_back(values: list[int]) -> None:
    wanted = dict(zip(RETAILERS, values, strict=True))
    response = "\n".join(f"- {name}: {format_money(value)} because." for name, value in wanted.items())

    assert _given(response) == pytest.approx(wanted)


_PIECES = [
    *RETAILERS,
    "target",
    "$300K",
    "40%",
    ":",
    "\n",
    " to ",
    " each ",
    ", ",
    ". ",
    "|",
    "of the $1.2M budget",
    "#",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(_PIECES)).map("".join)))
def test_any_response_can_be_read(response: str) -> None:
    evidence = collect_evidence(PROMPT, response, CONTEXT)

    for name, allocation in evidence.split.allocations.items():
        assert 0 <= allocation.start < allocation.end <= len(response)
        assert name in RETAILERS
