"""Amounts are found in every form people write them, and in no text do they break anything."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlhf.nodes.evidence.readers.amounts import find_amounts, format_money


@pytest.mark.parametrize(
    ("text", "low", "high", "kind", "currency"),
    [
        ("$2.5M", 2_500_000, 2_500_000, "money", "$"),
        ("2,500,000 USD", 2_500_000, 2_500_000, "money", "$"),
        ("€1.2 m", 1_200_000, 1_200_000, "money", "€"),
        ("£300k", 300_000, 300_000, "money", "£"),
        ("2.5 million dollars", 2_500_000, 2_500_000, "money", "$"),
        ("US$5bn", 5e9, 5e9, "money", "$"),
        ("1.200.000 €", 1_200_000, 1_200_000, "money", "€"),
        ("€1,5M", 1_500_000, 1_500_000, "money", "€"),
        ("USD 1\u00a0200\u00a0000", 1_200_000, 1_200_000, "money", "$"),
        ("$1,200.50", 1200.5, 1200.5, "money", "$"),
        ("$500.000", 500_000, 500_000, "money", "$"),
        ("300K", 300_000, 300_000, "money", None),
        ("300,000", 300_000, 300_000, "money", None),
        ("40 %", 40, 40, "percent", None),
        ("12.5%", 12.5, 12.5, "percent", None),
        ("12.345%", 12.345, 12.345, "percent", None),
        ("40 percent", 40, 40, "percent", None),
        ("$1M-$1.2M", 1_000_000, 1_200_000, "money", "$"),
        ("$1-1.2M", 1_000_000, 1_200_000, "money", "$"),
        ("1.2 to 1.5 million dollars", 1_200_000, 1_500_000, "money", "$"),
        ("$500,000 – $600,000", 500_000, 600_000, "money", "$"),
        ("$3M-5M", 3_000_000, 5_000_000, "money", "$"),
        ("10-15%", 10, 15, "percent", None),
    ],
)
def test_a_written_amount_is_read(
    text: str, low: float, high: float, kind: str, currency: str | None
) -> None:
    around = f"About {text} for CVS."
    (amount,) = find_amounts(around)

    assert (amount.low, amount.high) == pytest.approx((low, high))
    assert (amount.kind, amount.currency) == (kind, currency)
    assert around[amount.start : amount.end] == text
    assert amount.value == pytest.approx((low + high) / 2)


@pytest.mark.parametrize(
    "text",
    [
        "in 2024", "2 million shoppers", "2,000 new visitors", "1,200 products", "v2.5M", "A4 paper", "5 m long",
        "the 3-b plan", "1,2,3,4", "5-10", "section 3.2", "24 hours", "iPhone15k", "", "$", "€ ", "percent",
    ],
)  # fmt: skip
def test_other_numbers_are_no_amounts(text: str) -> None:
    assert find_amounts(text) == ()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$300K to CVS, $400K to Amazon", [300_000, 400_000]),
        ("$400K and $500K", [400_000, 500_000]),
        ("between $1M and $2M", [1_500_000]),
        ("500K (40%)", [500_000, 40]),
        ("$5 of €6", [5, 6]),
        ("from $660K to $330K", [660_000, 330_000]),
        ("$1.2.", [1.2]),
        ("1. $300K 2. $4", [300_000, 4]),
    ],
)
def test_several_amounts_stay_apart(text: str, values: list[float]) -> None:
    assert [amount.value for amount in find_amounts(text)] == values


@given(
    st.one_of(st.integers(1, 10**12), st.integers(1, 4000).map(lambda n: n * 25_000)),
    st.sampled_from(["$", "€", "£"]),
)
def test_a_formatted_amount_reads_back_as_itself(value: int, currency: str) -> None:
    written = format_money(value, currency)
    (amount,) = find_amounts(f"Give {written} to CVS.")

    assert amount.value == pytest.approx(value, abs=0.005)
    assert amount.currency == currency


@given(st.integers(0, 10**14))
def test_cents_are_kept(cents: int) -> None:
    (amount,) = find_amounts(format_money(cents / 100))

    assert amount.value == pytest.approx(cents / 100, rel=1e-9)


_PIECES = [
    "$",
    "€",
    "1",
    "2.5",
    ",000",
    ".",
    ",",
    "M",
    "k",
    " ",
    "-",
    " to ",
    "%",
    "million",
    "USD",
    "between ",
    "\n",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(_PIECES)).map("".join)))
@example("$1" + "0" * 400)
@example("\x00$1M\ud800")
@example("٣٤٥ %")
def test_any_text_is_read_and_spans_lie_inside_in_order(text: str) -> None:
    last = 0
    for amount in find_amounts(text):
        assert last <= amount.start < amount.end <= len(text)
        assert float("-inf") < amount.low <= amount.high < float("inf")
        if not amount.change:
            assert amount.low >= 0, "only a change may be below nothing"
        last = amount.end


@pytest.mark.parametrize("piece", ["1,", "$1 to ", "$", "9", "1-", "1 million ", "US", "1 000 ", "$1.", "%"])
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    find_amounts((piece * 200_000)[:200_000])  # a quadratic scan would run into the time limit of the suite
