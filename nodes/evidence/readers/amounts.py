"""Finds amounts of money and percentages in any text, with the place where each stands.

Currencies are those of Babel and of prompts/words/money.yaml. A number whose tail cannot be read ("$1.2X") is unknown,
never its first digits. One regular expression scans from left to right with bounded repeats: time is linear.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from rlhf.nodes.evidence.readers.numbers import (
    COUNT,
    FRACTION,
    NUMBER,
    WORDED,
    read_fraction,
    read_number,
    read_worded,
)
from rlhf.prompts.words import Words, load_words

Kind = Literal["money", "percent", "number", "unknown"]
Period = Literal["day", "week", "month", "quarter", "year"]

DAYS: Final[dict[Period, float]] = {"day": 1, "week": 7, "month": 365 / 12, "quarter": 365 / 4, "year": 365}
_PERCENT: Final = frozenset(
    ["%", "％", "percent", "per cent", "prozent", "pct", "pour cent", "por ciento", "por cento"]
)
_RANGE_GAP: Final = re.compile(r"\s{0,2}(?:-|–|—|to|and|bis|à|a)\s{0,2}", re.IGNORECASE)
# A plain "20,000" or "2 million" is money only before one of these: otherwise it counts something.
_PLAIN: Final = re.compile(
    r"[ \t\u00a0]{0,3}(?:$|[\r\n]|[^\w\s]|[A-Z]|(?:for|to|into|in|on|because|as|of|at|with|goes|and|or|since|"
    r"is|was|from|which|will|would|should|each|per|but|while|during|over|until|by|via|through|against|under|if|so|"
    r"are|gets?|more|total|apiece|für|an|bei|auf|pour|chez|para|en|em|a|e|y|und|et|weil|car|porque|da|held|kept|"
    r"reserve|stays?|set|left|altogether|together|combined|overall)(?!\w))",
)
_COUNTED_LATER: Final = re.compile(
    r"\s?(?:to|and|of|or|bis|-|–)\s?[\d.,]{1,15}[km]?\s(?=[a-z]{3,})(?!for\s|and\s|to\s)"
)
_CHANGES: Final = re.compile(
    r"(?<!\w)(?:mov|rais|increas|lift|cut|lower|reduc|shift|grow|grew|chang|went|gone|go|ris|rose|fell|fall|"
    r"drop|bring|take|adjust|scal|up|down|von|passe|de)\w{0,4}(?!\w)[^.!?\n]{0,40}(?<!\w)(?:from|von|de)\s$",
    re.IGNORECASE,
)
_SOLD: Final = re.compile(
    r"\s(?:in\s)?(?:sales|revenue|orders|profit|turnover|umsatz|ventes|ventas|vendas)", re.IGNORECASE
)
_TO: Final = re.compile(r"\s(?:to|auf|à|a|para)\s")
_BY_BEFORE: Final = re.compile(r"(?<!\w)(?:by|um|plus|up|down|adds?|adding|de)\s$", re.IGNORECASE)
_FROM: Final = re.compile(r"(?<!\w)(?:from|von|de)\s$", re.IGNORECASE)
_ARROW: Final = re.compile(r"\s{0,2}(?:→|->|=>|➔|⟶)\s{0,2}")
_POINTS: Final = re.compile(r"[ \u00a0]?(?:-?points?|pp|pts?|p\.p\.|basis)(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount: `low` and `high` differ only in a range; percentages are 0 to 100, money is in whole units.

    `currency` is a symbol ("$", "€", "CA$"), None where the text names none; `text[start:end]` is how it was
    written. A negative amount is below 0. `period` is the time it is paid for ("$20K per month"), `times` how often,
    where the text says so. `change` marks what is not an amount of its own: "+$20K", the first of "$200K → $300K".
    `bare` marks a number without currency, magnitude or grouping, `unknown` one that cannot be read.
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
        if not days:
            return self.value
        count = days / DAYS[self.period]
        return self.value * max(1.0, float(round(count)) if count > 4 else round(count, 1))


def find_amounts(text: str) -> tuple[Amount, ...]:
    """Every amount of money and every percentage of `text`, in order; never raises.

    A number without currency counts as money when it has a magnitude or thousands separators ("300K",
    "1,200,000") and no counted thing follows it ("2 million shoppers").
    """
    return tuple(each for each in find_figures(text) if each.kind in ("money", "percent"))


def find_figures(text: str) -> tuple[Amount, ...]:
    """The same with plain numbers (kind "number") and numbers that cannot be read (kind "unknown")."""
    return _find(text, load_words())


@lru_cache(maxsize=512)
def _find(text: str, words: Words) -> tuple[Amount, ...]:
    found: list[Amount] = []
    scale: list[float] = []  # the magnitude each found amount was written with, 1 for none
    for match in _amount(words).finditer(text):
        follows = bool(
            found and found[-1].currency and _RANGE_GAP.fullmatch(text, found[-1].end, match.start())
        )
        amount, magnitude = _read(match, text, follows, words)
        moved = found and found[-1].kind in ("money", "number") and amount.kind == "money"
        if (
            moved
            and not _SOLD.match(text, amount.end)
            and _ARROW.fullmatch(text, found[-1].end, amount.start)
        ):
            found[-1] = replace(found[-1], change=True)
        to = bool(found) and _TO.fullmatch(text, found[-1].end, amount.start) is not None
        if to and _BY_BEFORE.search(text, max(0, found[-1].start - 12), found[-1].start):
            found[-1] = replace(found[-1], change=True)
        falls = found and found[-1].low > amount.high and {found[-1].kind, amount.kind} == {"money"}
        if to and falls and _FROM.search(text, max(0, found[-1].start - 6), found[-1].start):
            found[-1] = replace(found[-1], change=True)
        if found and _is_range(found[-1], amount, text):
            if _CHANGES.search(text, max(0, found[-1].start - 60), found[-1].start) or (
                found[-1].low > amount.high
                and _FROM.search(text, max(0, found[-1].start - 6), found[-1].start)
            ):
                found[-1] = replace(found[-1], change=True)
            else:
                found[-1], scale[-1] = _join(found[-1], scale[-1], amount, magnitude), magnitude
                continue
        found.append(amount)
        scale.append(magnitude)
    return tuple(_signed(amount, text) for amount in found)


def format_money(value: float, currency: str | None = "$") -> str:
    """`value` as people write it: $1.2M, $750K, $1,234,567; at most two decimals, and exact to the cent."""
    sign = currency or ""
    cents = round(value * 100)
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        whole, rest = divmod(cents, round(size))  # hundredths of the unit
        if whole >= 100 and not rest:
            return f"{sign}{whole / 100:.2f}".rstrip("0").rstrip(".") + letter
    return f"{sign}{cents // 100:,}" + (f".{cents % 100:02d}" if cents % 100 else "")


def symbol_of(currency: str) -> str | None:
    """The symbol that stands for a code, symbol or word ("usd", "US$" and "dollars" are "$"); None for others."""
    return _currencies(load_words()).get(currency.strip().lower())


@lru_cache(maxsize=4)
def _currencies(words: Words) -> dict[str, str]:
    """What is written, in lower case → the symbol used here."""
    from babel import Locale

    symbols = {
        code: "FCFA" if "FCFA" in symbol.replace("\u202f", "") else symbol
        for code, symbol in Locale("en").currency_symbols.items()
    }
    no_codes = words.terms("no_codes")
    from babel.numbers import list_currencies

    found = {
        code.lower(): symbols.get(code, code)
        for code in list_currencies()
        if code.lower() not in no_codes and len(code) == 3
    }
    found |= {symbol.lower(): symbol for symbol in symbols.values() if symbol != "¤" and not symbol.isalpha()}
    found |= {said.lower(): symbols.get(code, code) for said, code in words.meanings("currencies").items()}
    return found


@lru_cache(maxsize=4)
def _magnitudes(words: Words) -> dict[str, float]:
    return {said: float(value) for said, value in words.meanings("magnitudes").items()}


@lru_cache(maxsize=4)
def _amount(words: Words) -> re.Pattern[str]:
    def either(written: list[str], escape: bool = True) -> str:
        return "|".join(re.escape(w) if escape else w for w in sorted(written, key=len, reverse=True))

    names = list(_currencies(words))
    codes = [name.upper() for name in names if len(name) == 3 and name.isalpha() and name.isascii()]
    signs = [name for name in names if not name.isalpha() or not name.isascii()]
    bare_words = [name for name in names if name.isalpha() and name.isascii() and name.upper() not in codes]
    prefixes = [name for name in bare_words if len(name) <= 3]  # Rs 500, kr 500, RM 500
    before = (
        rf"(?:{either([s for s in signs if not s[0].isalpha()])}"
        rf"|(?<!\w)(?:{either([s for s in signs if s[0].isalpha()])})"
        rf"|(?-i:(?<![A-Za-z])(?:T|k|M|Mio\. ?)?(?:{either(codes)})(?![a-z]))|(?<!\w)(?:{either(prefixes)})(?=[ .]?\d))"
    )
    after = (
        rf"(?:{either([s for s in signs if not s[0].isalnum()])})(?!\d|\.\d)"
        rf"|(?:{either([s for s in signs if s[0].isalpha()])})(?!\w)"
        rf"|(?-i:(?:{either(codes)}))(?![a-z])|(?:{either(bare_words)})(?!\w)"
    )
    sizes = either([m for m in _magnitudes(words) if m.isascii()])
    others = either([m for m in _magnitudes(words) if not m.isascii()])
    periods = either(list(words.meanings("periods")))
    return re.compile(
        rf"(?:(?=[^\n]{{0,9}}?[\d½¼¾⅓⅔])"
        rf"(?:(?P<before>{before})[ \u00a0\u202f]{{0,2}}(?P<minus>[-−]?)|(?<![\w.,]))"
        rf"(?P<number>{NUMBER})"
        rf"(?:(?P<gap>[ \u00a0\u202f-]?)(?P<magnitude>(?:{sizes})(?![^\W\d_])(?!\d)|(?:{others})|"
        rf"(?:k|mm?|bn?)(?=(?-i:{either(codes)})(?!\w)|€|£|\$(?!\d)))(?:\.(?=[ \u00a0]?[$€£]))?)?"
        rf"|(?<!\w)(?P<worded>{WORDED})(?=[ -](?:percent|per[ ]cent|prozent|dollars?|euros?|pounds|rupees|francs|yen|"
        rf"pesos|reais|US[ ]dollars|(?-i:USD|EUR|GBP|CHF|CAD|AUD|INR))(?!\w))"
        rf"|(?<!\w)(?P<big>(?:{WORDED}))(?<=thousand|.million)(?=\s(?:for|to|into|on|goes|and|is)(?!\w)|[.,;)\n]|$)"
        rf"|(?<!\w)(?P<fraction>{FRACTION}))"
        rf"(?:[ \u00a0\u202f]{{0,2}}-?(?:(?<=[a-zõé]\s)(?:de\s|d['’]))?(?P<after>[%％]|(?:percent|"
        rf"per[ ]cent|prozent|pct|pour[ ]cent|"
        rf"por[ ]ciento|por[ ]cento)(?!\w)|{after}))?"
        rf"(?:[ \u00a0]?(?:/[ ]?|(?:per|a|each|every|pro|im|al|par|por|je|le)[ ])(?P<period>(?-i:{periods}))(?!\w)"
        rf"|[ \u00a0](?P<period2>daily|weekly|monthly|quarterly|annually|yearly|monatlich|"
        rf"mensuels?|mensuales|mensais)(?!\w))?"
        rf"(?:(?<=[a-z])[ ](?:for|over|x|×)[ ](?P<times>{COUNT})[ ](?P<timed>day|week|month|quarter|year)s?(?!\w))?",
        re.IGNORECASE,
    )


def _read(match: re.Match[str], text: str, follows: bool, words: Words) -> tuple[Amount, float]:
    after = (match["after"] or "").lower()
    letter = (match["magnitude"] or "").lower()
    before = (match["before"] or "").lower()
    percent = bool(match["fraction"]) or after in _PERCENT
    worded = match["worded"] or match["big"]
    value: float | None
    if match["fraction"]:
        value, grouped = read_fraction(match["fraction"]), False
    elif worded:
        value, grouped = read_worded(worded), True
    else:
        value, grouped = read_number(match["number"], decimal=percent or (bool(letter) and letter.isascii()))
    currency = _currency(before, words) or _currency(after, words)
    size, prefixed = _scale(letter, before, currency, match["number"] or "", words)
    kind: Kind = "number"
    end = match.end()
    tail = text[end : end + 1]
    if percent:
        kind, currency = ("number", None) if _POINTS.match(text, end) else ("percent", None)
    elif currency:
        kind = "money"
    elif grouped and not letter and match["number"] and re.search(r"[ \u00a0\u202f]", match["number"]):
        kind = "number"  # "2 500" without a currency may be two numbers
    elif (grouped or letter) and _PLAIN.match(text, end) and not _COUNTED_LATER.match(text, end):
        # "5 m" may be metres and "4-b" a label: without a currency a lone letter must be plain
        lone = (
            not follows
            and len(letter) == 1
            and letter.isascii()
            and (bool(match["gap"]) or match["magnitude"] in "mb")
        )
        lone = lone or (letter in ("mi", "md", "mm", "mil", "cr", "lac", "mill") and bool(match["gap"]))
        kind = "number" if lone else "money"
    if kind == "number":
        letter, size = (
            ("", 1.0) if not grouped and not (letter and value and not match["gap"]) else (letter, size)
        )
        if not size or size == 1.0:
            end = match.end("number") if match["number"] else match.end("worded")
        end = max(end, match.start() + 1)
    if kind == "money" and (value is None or (tail.isalnum() and tail.isascii() and currency)):
        kind = "unknown"
    elif value is None:
        kind, value = "number", float("nan")
    amount = min((value or 0.0) * (1.0 if kind == "percent" else size), 1e18)
    if amount != amount:
        kind, amount = "unknown", 0.0
    if match["minus"]:
        amount = -amount
    name = match["period"] or match["period2"]
    period = _period(name, words) if name and kind in ("money", "percent") else None
    times = match["times"] if period else None
    count = None if times is None else max(1.0, read_worded(times) or 1.0)
    if count is not None and period is not None:
        count = max(1.0, round(count * _period_days(match["timed"]) / DAYS[period], 2))
    return Amount(
        amount, amount, kind, currency, match.start(), end, period, count
    ), size if not prefixed else 1.0


def _currency(written: str, words: Words) -> str | None:
    known = _currencies(words)
    if written in known:
        return known[written]
    bare = re.sub(r"^(?:t|k|m|mio\. ?)", "", written)
    return known.get(bare)


def _scale(letter: str, before: str, currency: str | None, number: str, words: Words) -> tuple[float, bool]:
    """The factor of a magnitude, and whether it stood before the number: "TEUR 500", "kEUR 500"."""
    if before and before not in _currencies(words):
        return (1e6 if before.startswith("m") else 1e3), True
    if letter == "mil":  # thousand in Spanish and Portuguese, million in American slang
        return (1e6 if currency == "$" and ("." in number or len(number) < 2) else 1e3), False
    return _magnitudes(words).get(letter, 1.0), False


def _period_days(name: str) -> float:
    return next(days for period, days in DAYS.items() if period == name.lower())


def _period(name: str, words: Words) -> Period | None:
    found = words.meanings("periods").get(name.lower()) or {
        "monatlich": "month", "mensuel": "month", "mensuels": "month", "mensuales": "month", "mensais": "month",
    }.get(name.lower())  # fmt: skip
    return found if found in DAYS else None


def _signed(amount: Amount, text: str) -> Amount:
    """Mark "+$20K" and "-$20K" as changes; a dash that stands as a bullet or between words is no sign."""
    sign = text[amount.start - 1 : amount.start] if amount.start else ""
    before = text[amount.start - 2 : amount.start - 1] if amount.start > 1 else "\n"
    if amount.low < 0:
        return replace(amount, change=True)
    if sign in ("+", "±", "Δ") or (sign in ("-", "−") and before in "( \t\n[|"):
        if amount.kind == "number":
            return amount
        factor = 1 if sign != "-" and sign != "−" else -1
        low, high = sorted((factor * amount.low, factor * amount.high))
        return replace(amount, low=low, high=high, start=amount.start - 1, change=True)
    return amount


def _is_range(first: Amount, second: Amount, text: str) -> bool:
    if first.kind in ("unknown",) or second.kind == "unknown":
        return False
    if first.kind == "percent" and second.kind != "percent":
        return False
    gap = _RANGE_GAP.fullmatch(text, first.end, second.start) if second.start - first.end <= 7 else None
    if gap is None or first.low != first.high or first.change:
        return False
    if gap[0].strip().lower() in ("à", "a") and not first.kind == second.kind == "money":
        return False
    if gap[0].strip().lower() == "a" and first.low >= second.low:
        return False
    if "and" in gap[0].lower() and not text[max(0, first.start - 8) : first.start].lower().endswith(
        "between "
    ):
        return False
    if first.currency and second.currency and first.currency != second.currency:
        return False
    if first.low > second.high and first.currency and second.currency:
        return False  # "from $660K to $330K" names two amounts
    spaced = gap[0] != gap[0].strip() and gap[0].strip() == "-"
    if spaced and second.kind == "number":
        return False  # "CVS $300K - 25 stores"
    return second.kind != "number" or (first.kind == "money" and first.low < 1000)


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
