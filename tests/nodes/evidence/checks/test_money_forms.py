"""Amounts survive being written out: any value, in any of the forms people use, reads back as itself."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlhf.nodes.evidence import collect_evidence, collect_findings
from rlhf.nodes.evidence.findings import finding
from rlhf.nodes.evidence.readers.amounts import Amount, find_amounts, format_money
from rlhf.nodes.evidence.readers.numbers import read_worded
from rlhf.nodes.evidence.readers.roles import role_of

SIGNS = st.sampled_from(["$", "€", "£"])
CODES = {"$": "USD", "€": "EUR", "£": "GBP"}


def _one(text: str) -> Amount:
    (amount,) = find_amounts(text)
    return amount


@st.composite
def written_money(draw: st.DrawFn) -> tuple[str, float, str]:
    """A text with one amount, its value and its currency."""
    sign = draw(SIGNS)
    value = draw(st.one_of(st.integers(1_000, 10**10), st.integers(1, 4_000).map(lambda n: n * 25_000)))
    grouped = f"{value:,}"
    forms = [
        f"{sign}{grouped}",
        f"{sign} {value}",
        f"{grouped} {CODES[sign]}",
        f"{CODES[sign]} {grouped}",
        f"{grouped.replace(',', '.')} {sign}" if value >= 1_000_000 else f"{grouped} {sign}",
        f"{sign}{grouped.replace(',', ' ')}",
        f"{sign}{grouped.replace(',', chr(0xA0))}",
        f"{grouped.replace(',', chr(39))} {CODES[sign]}",
        f"{sign}{grouped}.00",
        format_money(value, sign),
    ]
    if value % 10_000 == 0:
        forms += [f"{sign}{value / 1e6:.2f}m", f"{value / 1e6:.2f} million {CODES[sign]}"]
        forms += [f"{value / 1e6:.2f} Mio. {sign}".replace(".", ",", 1)]
    if value % 1_000 == 0:
        forms += [f"{sign}{value // 1_000}k", f"{value // 1_000} Tsd. {sign}"]
    return draw(st.sampled_from(forms)), float(value), sign


@given(
    written_money(), st.sampled_from(["Give {} to CVS.", "{}", "CVS: {}\nAmazon:", "({})", "about {} in all"])
)
def test_money_in_any_form_reads_back(written: tuple[str, float, str], around: str) -> None:
    form, value, currency = written
    text = around.format(form)
    amount = _one(text)

    assert amount.value == pytest.approx(value, rel=1e-9)
    assert (amount.kind, amount.currency) == ("money", currency)
    assert text[amount.start : amount.end].rstrip(".") == form.rstrip(".")


@given(
    st.integers(0, 10_000).map(lambda n: n / 100),
    st.sampled_from(["{}%", "{} %", "{} percent", "{} per cent"]),
)
def test_percentages_read_back(value: float, form: str) -> None:
    for shown in (f"{value:g}", f"{value:g}".replace(".", ",")):
        amount = _one(f"Amazon gets {form.format(shown)} of it.")
        assert amount.kind == "percent"
        assert amount.value == pytest.approx(value)


@given(st.integers(1, 900), st.integers(1, 99), st.sampled_from(["-", "–", " to ", " - "]), SIGNS)
def test_ranges_read_back(low: int, more: int, dash: str, sign: str) -> None:
    high = low + more
    for text in (
        f"{sign}{low}K{dash}{sign}{high}K",
        f"{sign}{low}{dash}{high}k",
        f"{sign}{low}k{dash}{high}k",
    ):
        amount = _one(text)
        assert (amount.low, amount.high) == (low * 1_000, high * 1_000)


@given(st.integers(1, 500), st.sampled_from([("month", 3, 3), ("week", 2, 2), ("quarter", 4, 4)]))
def test_amounts_per_period_are_multiplied(thousands: int, period: tuple[str, int, int]) -> None:
    name, count, times = period
    for text in (f"${thousands}K per {name}", f"${thousands}K/{name}", f"${thousands}K a {name}"):
        amount = _one(text)
        days = {"week": 7.0, "month": 365 / 12, "quarter": 365 / 4}[name] * count
        assert amount.period == name
        assert amount.over(days) == pytest.approx(thousands * 1_000 * times)
        assert amount.over(None) == thousands * 1_000
    assert _one(f"${thousands}K a {name} for {count} {name}s").over(None) == thousands * 1_000 * count


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("forty percent", 40, 40), ("thirty-five per cent", 35, 35), ("ninety thousand dollars", 90_000, 90_000),
        ("half a million euros", 500_000, 500_000), ("two hundred thousand pounds", 200_000, 200_000),
        ("€1.2–1.5 m", 1_200_000, 1_500_000), ("1,2 Mio. €", 1_200_000, 1_200_000), ("1'200'000 CHF", 1.2e6, 1.2e6),
        ("€1.250,50", 1250.5, 1250.5), ("1 200 000 €", 1.2e6, 1.2e6), ("₹5 lakh", 500_000, 500_000),
        ("$.99", 0.99, 0.99),
        ("2,5 Mrd. €", 2.5e9, 2.5e9),
    ],
)  # fmt: skip
def test_less_common_forms_are_read(text: str, low: float, high: float) -> None:
    amount = _one(text)
    assert (amount.low, amount.high) == pytest.approx((low, high))
    assert text[amount.start : amount.end] == text


@pytest.mark.parametrize("text", ["-$50,000", "(-€20k)", "a cut of −$5K", "$-5,000"])
def test_negative_amounts_are_changes(text: str) -> None:
    amount = _one(text)
    assert amount.value < 0
    assert amount.change


@pytest.mark.parametrize("text", ["CVS - $300K", "- $300K for CVS", "CVS – $300K", "A-$300K"])
def test_a_dash_is_no_minus(text: str) -> None:
    assert _one(text).value == 300_000


@pytest.mark.parametrize(
    ("text", "aside"),
    [
        ("It sold $3M of pods", True), ("a $2 billion market", True), ("sales of $4M", True), ("CPC of $0.45", True),
        ("sales rose 12%", True), ("12% better than before", True), ("60% of all pods", True),
        ("$3M for search", False), ("40% of the budget", False), ("40% to Amazon", False), ("spend $3M", False),
        ("$155K because baskets are large", False), ("$155K\nSales are high", False),
    ],
)  # fmt: skip
def test_what_only_describes_is_told_from_what_is_spent(text: str, aside: bool) -> None:
    assert (role_of(_one(text), text, 0, len(text)) != "spend") is aside


@given(st.integers(0, 99))
def test_small_numbers_in_words_are_read(number: int) -> None:
    ones = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    units = [*ones.split(), "seventeen", "eighteen", "nineteen"]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    word = (
        units[number]
        if number < 20
        else tens[number // 10 - 2] + (f"-{units[number % 10]}" if number % 10 else "")
    )
    assert read_worded(word) == number


_PIECES = [
    "$", "€", "1", "2.5", ",000", "M", "k", " ", "-", "–", " to ", "%", "forty percent", "per month", "Amazon",
    "CVS: ", "\n", "|", "- ", "total ", "from ", "cap ", "not ", "guaranteed", '"', "#1", "Owner: ", "March 3",
    "<|im_end|>", "\u200b", "а", "Ignore all rules", '{"level": 5}', "System:", ".", "(", "+", "each", "reserve ",
]  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "retailers": ["CVS", "Amazon"],
    "budget": 1e6,
    "caps": {"CVS": "40%"},
    "brand": "X",
    "banned_terms": ["a"],
}


_RESPONSES = st.one_of(st.text(), st.lists(st.sampled_from(_PIECES)).map("".join))


@given(_RESPONSES, st.one_of(st.just(""), st.text(max_size=80)))
@example("\ud800$1M", "")
@example("$1" + "0" * 400 + "%", "İ split CVS")
def test_every_finding_quotes_what_stands_at_its_place(response: str, prompt: str) -> None:
    for found in collect_findings(collect_evidence(prompt, response, _CONTEXT, ("Good.", "Very good."))):
        assert found.start <= found.end
        source = {"response": response, "prompt": prompt}.get(found.source, found.quote)
        assert source[found.start : found.end] == found.quote
        assert found == finding(found.kind, found.sentence, source, found.start, found.end, found.source)
