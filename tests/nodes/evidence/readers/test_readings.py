"""Splits as people write them: what is read, and that nothing is accused where a sensible reading is right."""

import pytest

from rlhf.evidence import check_evidence

NAMES = ["Walmart", "CVS", "Target"]
WANTED = {"Walmart": 300_000, "CVS": 200_000, "Target": 100_000}
PROMPT = "Split $600K for Vela between Walmart, CVS and Target."
FAULTS = {"sum_mismatch", "total_misstated", "share_mismatch", "over_budget", "amount_missing", "currency_mismatch",
          "implausible_amount", "retailer_missing", "cap_exceeded"}  # fmt: skip

SPLITS = {
    "magnitudes": "Walmart 0.3MM, CVS 0.2MM, Target 0.1MM.",
    "words": "Walmart gets three hundred thousand dollars, CVS two hundred thousand and Target one hundred thousand.",
    "grand": "300 grand for Walmart, 200 grand for CVS, 100 grand for Target.",
    "bare": "Of the 600, 300 goes to Walmart, 200 to CVS and 100 to Target.",
    "thousands": "(All amounts in thousands)\n\n- Walmart: $300\n- CVS: $200\n- Target: $100\n- Total: $600",
    "units": "| Retailer | $K | Why |\n|---|---|---|\n| Walmart | 300 | reach |\n| CVS | 200 | trust "
    "|\n| Target | 100 | style |",
    "years": "| Retailer | 2025 | Change | 2026 |\n|---|---|---|---|\n| Walmart | $320K | ($20K) | $300K |\n"
    "| CVS | $150K | $50K | $200K |\n| Target | $100K | – | $100K |\n| Total | $570K | $30K | $600K |",
    "transposed": "| | Walmart | CVS | Target |\n|---|---|---|---|\n| Budget | $300K | $200K | $100K |",
    "months": "| Retailer | May | June | Total |\n|---|---|---|---|\n| Walmart | $100K | $200K | $300K |\n"
    "| CVS | $100K | $100K | $200K |\n| Target | $40K | $60K | $100K |",
    "tactics": "| Retailer | Tactic | Budget |\n|---|---|---|\n| Walmart | Search | $200K |\n| Walmart "
    "| Display | $100K |\n"
    "| CVS | Search | $200K |\n| Target | Roundel | $100K |\n| | Total | $600K |",
    "equations": "- Walmart: $320K - $20K = $300K\n- CVS: $150K + $50K = $200K\n- Target: $100K",
    "increments": "Walmart goes up by $40K to $300K, CVS stays at $200K, Target falls from $140K to $100K.",
    "prices": "Walmart: $300K, at a CPM of $9. CVS: $200K; its baskets are $24. Target: $100K, $12 per display.",
    "parts": "Walmart gets $300K; of that, $200K goes to search. CVS gets $200K, $80K of it for "
    "display. Target: $100K.",
    "old plan": "You proposed $350K for Walmart last year. This year: Walmart $300K, CVS $200K, Target $100K.",
    "in order": "Walmart 50%, CVS 33.3%, Target 16.7%. In dollars that is $300K, $200K and $100K.",
    "condition": "Walmart: $300K. CVS: $200K. Target: $100K.\n\nIf the budget grows to $700K, add $100K to Target.",
    "options of a range": "Walmart: $280K to $320K\nCVS: $190K to $210K\nTarget: $90K to $110K",
}  # fmt: skip


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_is_read_and_not_accused(name: str) -> None:
    found = check_evidence(PROMPT, SPLITS[name], {"retailers": NAMES, "budget": 600_000}, "budgeting")

    assert found.reading["allocations"] == pytest.approx(WANTED, rel=0.002)
    assert not FAULTS & {each.kind for each in found.findings}


@pytest.mark.parametrize(
    ("response", "total"),
    [
        ("Walmart $280K, CVS $180K, Target $80K. The remaining $60K stays in reserve.", 600_000),
        ("Walmart $300K (of which $30K is held until July), CVS $200K, Target $100K.", 600_000),
        ("Walmart $300K, CVS $200K, Target $100K. Our fee of $48K is billed on top.", 600_000),
        ("After a 10% agency fee ($60K), $540K remains: Walmart 50% ($270K), CVS 30% ($162K), "
    "Target 20% ($108K).", 600_000),
    ],
)  # fmt: skip
def test_a_reserve_and_a_fee_count_where_that_fits(response: str, total: float) -> None:
    found = check_evidence(PROMPT, response, {"retailers": NAMES, "budget": 600_000}, "budgeting")

    assert found.reading["total"] == pytest.approx(total)
    assert not FAULTS & {each.kind for each in found.findings}


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ("Walmart: $330K\nCVS: $200K\nTarget: $100K", "sum_mismatch"),
        ("| Retailer | $K |\n|---|---|\n| Walmart | 330 |\n| CVS | 200 |\n| Target | 100 |", "sum_mismatch"),
        ("Walmart: $300K\nCVS: $200K\nTarget: $100K\nTotal: $650K", "total_misstated"),
        ("Walmart: $300K (50%)\nCVS: $200K (43%)\nTarget: $100K (17%)", "share_mismatch"),
        ("Walmart: $300K\nCVS: $200K\nTarget will follow.", "amount_missing"),
        ("Walmart: €300K\nCVS: €200K\nTarget: €100K", "currency_mismatch"),
    ],
)
def test_what_no_reading_explains_is_found(response: str, kind: str) -> None:
    context = {"retailers": NAMES, "budget": 600_000, "currency": "USD"}

    assert kind in {each.kind for each in check_evidence(PROMPT, response, context, "budgeting").findings}


def test_what_cannot_be_read_is_unknown_and_caps_nothing() -> None:
    text = "Walmart and CVS together get $500K and share it by sales. Target gets $100K."
    found = check_evidence(PROMPT, text, {"retailers": NAMES, "budget": 600_000}, "budgeting")

    assert not FAULTS & {each.kind for each in found.findings}
    assert found.dimensions["accuracy"].cap is None
