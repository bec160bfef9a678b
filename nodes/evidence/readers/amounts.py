"""Finds amounts of money and percentages in any text, with the place where each stands.

Read are forms such as $2.5M, 2,500,000 USD, €1.2 m, 1,2 Mio. €, £300k, 2.5 million dollars, 40 %, forty percent,
-$50,000, $20K per month, and ranges of them.
One regular expression scans from left to right with bounded repeats, so the time is linear in the text.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from rlhf.nodes.evidence.readers.numbers import (
    COUNT,
    FRACTION,
    MAGNITUDES,
    NUMBER,
    WORDED,
    read_fraction,
    read_number,
    read_worded,
)

Kind = Literal["money", "percent", "number"]
Period = Literal["day", "week", "month", "quarter", "year"]

_CURRENCIES: Final = {
    "$": "$", "us$": "$", "usd": "$", "dollar": "$", "dollars": "$", "bucks": "$",
    "€": "€", "eur": "€", "euro": "€", "euros": "€",
    "£": "£", "gbp": "£", "pound": "£", "pounds": "£",
    "¥": "¥", "jpy": "¥", "yen": "¥", "₹": "₹", "inr": "₹", "rupees": "₹",
    "a$": "A$", "aud": "A$", "c$": "C$", "cad": "C$", "chf": "CHF", "sek": "SEK", "pln": "PLN",
}  # fmt: skip
_CODES: Final = "USD|EUR|GBP|AUD|CAD|CHF|JPY|INR|SEK|PLN"
_PERIODS: Final[dict[str, Period]] = {
    "day": "day", "daily": "day", "tag": "day", "week": "week", "wk": "week", "weekly": "week", "woche": "week",
    "month": "month", "mo": "month", "monthly": "month", "monat": "month", "mois": "month", "mes": "month",
    "quarter": "quarter", "quarterly": "quarter", "quartal": "quarter",
    "year": "year", "yr": "year", "annually": "year", "yearly": "year", "annum": "year", "jahr": "year",
}  # fmt: skip
DAYS: Final[dict[Period, float]] = {"day": 1, "week": 7, "month": 365 / 12, "quarter": 365 / 4, "year": 365}

_AMOUNT: Final = re.compile(
    rf"(?:(?P<before>US\$|A\$|C\$|[$€£¥₹]|(?<!\w)(?:{_CODES}))[ \u00a0]{{0,2}}(?P<minus>[-−]?)|(?<![\w.,]))"
    rf"(?:(?P<number>{NUMBER})"
    r"(?:(?P<gap>[ \u00a0-]?)(?P<magnitude>thousand|tausend|tsd|millionen|millions?|mio|mln|mil|mm|mn|"
    r"milliarden|"
    r"mrd|billions?|bn|lakhs?|crores?|[kmb])(?![^\W_])(?:\.(?=[ \u00a0]?[$€£]))?)?"
    rf"|(?P<worded>{WORDED})(?=[ -](?:percent|per[ ]cent|dollars?|euros?|pounds|USD|EUR|GBP)(?!\w))"
    rf"|(?<!\w)(?P<fraction>{FRACTION}))"
    rf"(?:[ \u00a0]{{0,2}}-?(?P<after>%|[$€£](?![\d.])|(?:percent|per[ ]cent|prozent|pct|{_CODES}|"
    r"US[ ]dollars?|dollars?|bucks|euros?|pounds|yen|rupees)(?!\w)))?"
    r"(?:[ \u00a0]?(?:/[ ]?|(?:per|a|each|every|pro|im|al|par)[ ])"
    r"(?P<period>day|week|wk|month|mo|quarter|year|yr|annum|tag|woche|monat|quartal|jahr|mois|mes)(?!\w)"
    r"|[ \u00a0](?P<period2>daily|weekly|monthly|quarterly|annually|yearly)(?!\w))?"
    rf"(?:(?<=[a-z])[ ](?:for|over|x|×)[ ](?P<times>{COUNT})[ ](?:day|week|month|quarter|year)s?(?!\w))?",
    re.IGNORECASE,
)
_RANGE_GAP: Final = re.compile(r"\s{0,2}(?:-|–|—|to|and|bis)\s{0,2}", re.IGNORECASE)
# A plain "20,000" or "2 million" is money only before one of these: otherwise it counts something.
_PLAIN: Final = re.compile(
    r"[ \t\u00a0]{0,3}(?:$|[\r\n]|[^\w\s]|[A-Z]|(?:for|to|into|in|on|because|as|of|at|with|goes|and|or|since|"
    r"is|was|"
    r"from|which|will|would|should|each|per|but|while|during|over|until|by|via|through|against|under|if|so|"
    r"if|"
    r"is|are|gets?|more|total|apiece)(?!\w))",
)
_COUNTED_LATER: Final = re.compile(
    r"\s?(?:to|and|of|or|bis|-|–)\s?[\d.,]{1,15}[km]?\s(?=[a-z]{3,})(?!for\s|and\s|to\s)"
)
_CHANGES: Final = re.compile(
    r"(?<!\w)(?:mov|rais|increas|lift|cut|lower|reduc|shift|grow|grew|chang|went|gone|ris|rose|fell|fall|"
    r"drop|bring|"
    r"take|adjust|scal|up|down)\w{0,4}(?!\w)[^.!?\n]{0,40}(?<!\w)from\s$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount: `low` and `high` differ only in a range; percentages are 0 to 100, money is in whole units.

    `currency` is None where the text names none; `text[start:end]` is how it was written. A negative amount is
    below 0. `period` is the time it is paid for ("$20K per month"), `times` how often, where the text says so.
    `change` marks what is not an amount of its own: "+$20K", or the first of "from $200K to $300K".
    """

    low: float
    high: float
    kind: Kind
    currency: str | None
    start: int
    end: int
    period: Period | None = None
    times: float | None = None
    change: bool = False

    @property
    def value(self) -> float:
        """The amount, or the middle of the range."""
        return (self.low + self.high) / 2

    def over(self, days: float | None) -> float:
        """The value in all: an amount per period is multiplied over `days`, where they are known."""
        if self.period is None:
            return self.value
        if self.times is not None:
            return self.value * self.times
        return self.value * max(1.0, round(days / DAYS[self.period], 1)) if days else self.value


def find_amounts(text: str) -> tuple[Amount, ...]:
    """Every amount of money and every percentage of `text`, in order; never raises.

    A number without currency counts as money when it has a magnitude or thousands separators ("300K",
    "1,200,000") and no counted thing follows it ("2 million shoppers").
    """
    found: list[Amount] = []
    scale: list[float] = []  # the magnitude each found amount was written with, 1 for none
    for match in _AMOUNT.finditer(text):
        # in "€1.2-1.5 m" the first amount says that the second is money too
        follows = bool(
            found and found[-1].currency and _RANGE_GAP.fullmatch(text, found[-1].end, match.start())
        )
        amount, magnitude = _read(match, text, follows)
        if found and _is_range(found[-1], amount, text):
            if _CHANGES.search(text, max(0, found[-1].start - 60), found[-1].start):
                found[-1] = replace(found[-1], change=True)
            else:
                found[-1], scale[-1] = _join(found[-1], scale[-1], amount, magnitude), magnitude
                continue
        found.append(amount)
        scale.append(magnitude)
    return tuple(_signed(amount, text) for amount in found if amount.kind != "number")


def format_money(value: float, currency: str | None = "$") -> str:
    """`value` as people write it: $1.2M, $750K, $1,234,567; at most two decimals, and exact to the cent."""
    sign = currency or ""
    cents = round(value * 100)
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        whole, rest = divmod(cents, round(size))  # hundredths of the unit
        if whole >= 100 and not rest:
            return f"{sign}{whole / 100:.2f}".rstrip("0").rstrip(".") + letter
    return f"{sign}{cents // 100:,}" + (f".{cents % 100:02d}" if cents % 100 else "")


def _read(match: re.Match[str], text: str, follows: bool) -> tuple[Amount, float]:
    after = (match["after"] or "").lower()
    letter = (match["magnitude"] or "").lower()
    percent = bool(match["fraction"]) or after in ("%", "percent", "per cent", "prozent", "pct")
    if match["fraction"]:
        value, grouped = read_fraction(match["fraction"]), False
    elif match["worded"]:
        value, grouped = read_worded(match["worded"]), False
    else:
        value, grouped = read_number(match["number"], decimal=percent or bool(letter))
    currency = _CURRENCIES.get((match["before"] or "").lower()) or _CURRENCIES.get(after.removeprefix("us "))
    kind: Kind = "number"
    end = match.end()
    if percent:
        kind, currency = "percent", None
    elif currency:
        kind = "money"
    elif grouped and not letter and re.search(r"[ '’\u00a0\u202f]", match["number"]):
        kind = "number"  # "2 500" without a currency may be two numbers
    elif (
        (grouped or letter)
        and _PLAIN.match(text, match.end())
        and not _COUNTED_LATER.match(text, match.end())
    ):
        # "5 m" may be metres and "4-b" a label: without a currency a lone letter must be plain
        lone = not follows and len(letter) == 1 and (bool(match["gap"]) or match["magnitude"] in "mb")
        kind = "number" if lone else "money"
    if kind == "number":
        letter, end = "", match.end("number") if match["number"] else match.end("worded")
    magnitude = 1.0 if kind == "percent" else MAGNITUDES.get(letter, 1.0)
    value = min(value * magnitude, 1e18)
    if match["minus"]:
        value = -value
    name = match["period"] or match["period2"]
    period = _PERIODS[name.lower()] if name and kind != "number" else None
    times = match["times"] if period else None
    count = None if times is None else float(times) if times.isdecimal() else max(1.0, read_worded(times))
    return Amount(value, value, kind, currency, match.start(), end, period, count), magnitude


def _signed(amount: Amount, text: str) -> Amount:
    """Mark "+$20K" and "-$20K" as changes; a dash that stands as a bullet or between words is no sign."""
    sign = text[amount.start - 1 : amount.start] if amount.start else ""
    before = text[amount.start - 2 : amount.start - 1] if amount.start > 1 else "\n"
    if amount.low < 0:
        return replace(amount, change=True)
    if sign == "+" or (sign in ("-", "−") and before in "( \t\n["):
        factor = -1 if sign != "+" else 1
        low, high = sorted((factor * amount.low, factor * amount.high))
        return replace(amount, low=low, high=high, start=amount.start - 1, change=True)
    return amount


def _is_range(first: Amount, second: Amount, text: str) -> bool:
    if first.kind == "percent" and second.kind != "percent":
        return False
    gap = _RANGE_GAP.fullmatch(text, first.end, second.start) if second.start - first.end <= 7 else None
    if gap is None or first.low != first.high or first.change:
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
    return replace(
        second, low=low, high=high, kind=kind, currency=first.currency or second.currency, start=first.start
    )
