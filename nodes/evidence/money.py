"""Finds amounts of money and percentages in any text, with the place where each stands.

Read are forms such as $2.5M, 2,500,000 USD, €1.2 m, £300k, 2.5 million dollars, 40 % and ranges of them.
One regular expression scans from left to right with bounded repeats, so the time is linear in the text.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

Kind = Literal["money", "percent", "number"]

_CURRENCIES: Final = {
    "$": "$", "us$": "$", "usd": "$", "dollar": "$", "dollars": "$", "bucks": "$",
    "€": "€", "eur": "€", "euro": "€", "euros": "€",
    "£": "£", "gbp": "£", "pound": "£", "pounds": "£",
    "¥": "¥", "jpy": "¥", "yen": "¥",
    "a$": "A$", "aud": "A$", "c$": "C$", "cad": "C$", "chf": "CHF",
}  # fmt: skip
_MAGNITUDES: Final = {
    "k": 1e3, "thousand": 1e3,
    "m": 1e6, "mm": 1e6, "mn": 1e6, "mio": 1e6, "mil": 1e6, "million": 1e6, "millions": 1e6,
    "b": 1e9, "bn": 1e9, "billion": 1e9, "billions": 1e9,
}  # fmt: skip

_AMOUNT: Final = re.compile(
    r"(?:(?P<before>US\$|A\$|C\$|[$€£¥]|(?<!\w)(?:USD|EUR|GBP|AUD|CAD|CHF|JPY))[ \u00a0]{0,2}|(?<![\w.,]))"
    r"(?P<number>\d{1,18}(?:[.,\u00a0\u202f]\d{1,18}){0,6})"
    r"(?:(?P<gap>[ \u00a0-]?)(?P<magnitude>thousand|millions?|mio|mil|mm|mn|billions?|bn|[kmb])(?![^\W_]))?"
    r"(?:[ \u00a0]{0,2}(?P<after>%|[€£]|(?:percent|per[ ]cent|USD|EUR|GBP|AUD|CAD|CHF|JPY|"
    r"US[ ]dollars?|dollars?|bucks|euros?|pounds|yen)(?!\w)))?",
    re.IGNORECASE,
)
_GROUPED: Final = re.compile(r"\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?:\.\d+)?")
_GROUPED_BY_POINTS: Final = re.compile(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?")
_RANGE_GAP: Final = re.compile(r"\s{0,2}(?:-|–|—|to|and)\s{0,2}", re.IGNORECASE)
# What a bare "2 million" counts when one of these follows; then it isn't money.
_COUNTED: Final = re.compile(
    r"\s{0,2}(?:[a-z-]{1,20}\s)?(?:impressions?|clicks?|views?|visits?|visitors?|shoppers?|users?|customers?|"
    r"people|households?|followers?|subscribers?|members?|units?|stores?|products?|skus?|rows?|records?|"
    r"orders?|"
    r"consumers?|buyers?|times|words|characters|years?|months?|weeks?|days?|hours?)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount: `low` and `high` differ only in a range; percentages are 0 to 100, money is in whole units.

    `currency` is None where the text names none; `text[start:end]` is how it was written.
    """

    low: float
    high: float
    kind: Kind
    currency: str | None
    start: int
    end: int

    @property
    def value(self) -> float:
        """The amount, or the middle of the range."""
        return (self.low + self.high) / 2


def find_amounts(text: str) -> tuple[Amount, ...]:
    """Every amount of money and every percentage of `text`, in order; never raises.

    A number without currency counts as money when it has a magnitude or thousands separators ("300K",
    "1,200,000") and no counted thing follows it ("2 million shoppers").
    """
    found: list[Amount] = []
    scale: list[float] = []  # the magnitude each found amount was written with, 1 for none
    for match in _AMOUNT.finditer(text):
        amount, magnitude = _read(match, text)
        if found and _is_range(found[-1], amount, text):
            found[-1], scale[-1] = _join(found[-1], scale[-1], amount, magnitude), magnitude
        else:
            found.append(amount)
            scale.append(magnitude)
    return tuple(amount for amount in found if amount.kind != "number")


def format_money(value: float, currency: str | None = "$") -> str:
    """`value` as people write it: $1.2M, $750K, $1,234,567; at most two decimals, and exact to the cent."""
    sign = currency or ""
    cents = round(value * 100)
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        whole, rest = divmod(cents, round(size))  # hundredths of the unit
        if whole >= 100 and not rest:
            return f"{sign}{whole / 100:.2f}".rstrip("0").rstrip(".") + letter
    return f"{sign}{cents // 100:,}" + (f".{cents % 100:02d}" if cents % 100 else "")


def _read(match: re.Match[str], text: str) -> tuple[Amount, float]:
    number, after = match["number"], (match["after"] or "").lower()
    letter = (match["magnitude"] or "").lower()
    percent = after in ("%", "percent", "per cent")
    value, grouped = _number(number, decimal=percent or bool(letter))
    currency = _CURRENCIES.get((match["before"] or "").lower()) or _CURRENCIES.get(after.removeprefix("us "))
    kind: Kind = "number"
    end = match.end()
    if percent:
        kind, currency = "percent", None
    elif currency:
        kind = "money"
    elif (grouped or letter) and not _COUNTED.match(text, match.end()):
        # "5 m" may be metres and "4-b" a label: without a currency a lone letter must be plain
        lone = len(letter) == 1 and (bool(match["gap"]) or match["magnitude"] in "mb")
        kind = "number" if lone else "money"
    if kind == "number" and letter:
        letter, end = "", match.end("number")
    magnitude = 1.0 if kind == "percent" else _MAGNITUDES.get(letter, 1.0)
    value = min(value * magnitude, 1e18)
    return Amount(value, value, kind, currency, match.start(), end), magnitude


def _number(written: str, decimal: bool) -> tuple[float, bool]:
    """The value, and whether thousands surely are set apart; with `decimal`, "1.250" is below two."""
    if _GROUPED.fullmatch(written):
        return float(re.sub(r"[,\u00a0\u202f]", "", written)), True
    if _GROUPED_BY_POINTS.fullmatch(written):
        return float(written.replace(".", "").replace(",", ".")), True
    parts = re.split(r"[.,\u00a0\u202f]", written)
    if len(parts) == 2 and "." in written and len(parts[1]) == 3 and parts[0] != "0" and not decimal:
        return float("".join(parts)), False
    if len(parts) == 2 and ("." in written or (decimal and len(parts[1]) < 3)):
        return float(".".join(parts)), False
    return float(parts[0]), False


def _is_range(first: Amount, second: Amount, text: str) -> bool:
    if first.kind == "percent" and second.kind != "percent":
        return False
    gap = _RANGE_GAP.fullmatch(text, first.end, second.start) if second.start - first.end <= 7 else None
    if gap is None or first.low != first.high:
        return False
    if "and" in gap[0].lower() and not text[max(0, first.start - 8) : first.start].lower().endswith(
        "between "
    ):
        return False
    if first.currency and second.currency and first.currency != second.currency:
        return False
    if first.low > second.high and first.currency and second.currency:
        return False  # "from $660K to $330K" names two amounts
    return second.kind != "number" or first.kind == "money"


def _join(first: Amount, first_scale: float, second: Amount, scale: float) -> Amount:
    """One amount from "$1-1.2M": each side lends the other what it leaves unsaid."""
    low, high = first.low, second.high
    if second.kind != "percent":
        if first_scale == 1 and low < 1000:
            low = low * scale
        if scale == 1 and high < 1000 <= low:
            high = high * first_scale
    low, high = min(low, high), max(low, high)
    kind: Kind = "percent" if second.kind == "percent" else "money"
    currency = first.currency or second.currency
    return replace(first, low=low, high=high, kind=kind, currency=currency, end=second.end)
