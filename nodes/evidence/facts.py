"""What the context and the prompt demand of a response, read once and tolerantly.

The context comes from users: a value of the wrong shape is taken as not given, never as an error.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodes.evidence.money import Amount, find_amounts

MAX_NAMES: Final = 50
MAX_NAME: Final = 100

_PART: Final = r"[A-Z0-9][\w'’&+-]{0,30}"
_NAME: Final = rf"{_PART}(?: (?:& )?{_PART}){{0,3}}"
_NAME_LIST: Final = re.compile(rf"(?<!\w)({_NAME})((?:, {_NAME}){{0,20}}),? (?:and|&|or) ({_NAME})")
_LIST_START: Final = re.compile(r"(?<!\w)(?:between|across|among|amongst|over)\s", re.IGNORECASE)
_BUDGET_WORD: Final = re.compile(r"(?<!\w)(?:budget|spend|fund|pot|total)", re.IGNORECASE)
_CAP_WORD: Final = re.compile(
    r"(?<!\w)(?:cap(?:s|ped)?|at most|no more than|not exceed|max(?:imum)?|limit(?:ed|s)?|under|below|"
    r"up to)(?!\w)",
    re.IGNORECASE,
)
_DISCLOSURE_WANTED: Final = re.compile(
    r"(?<!\w)(?:disclos|influencer|sponsored (?:post|video|content|caption|story|review)|testimonial|endorse|"
    r"affiliate|paid (?:partner|post)|#ad(?!\w))",
    re.IGNORECASE,
)
_WORD_LIMIT: Final = re.compile(
    r"(?:under|at most|no more than|max(?:imum)?(?: of)?|up to|within|fewer than|less than|in)\s"
    r"(?P<number>\d{1,4})\s(?P<unit>words|characters)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known before the response is read. Money is in whole units of `currency`."""

    brand: str | None
    retailers: tuple[str, ...]
    budget: float | None
    currency: str | None
    caps: dict[str, float]
    required_terms: tuple[str, ...]
    banned_terms: tuple[str, ...]
    disclosures: tuple[str, ...]
    disclosure_wanted: bool
    max_words: int | None
    max_characters: int | None


def read_facts(prompt: str, context: Mapping[str, Any]) -> Facts:
    """The context's values first; what it leaves out is looked for in the prompt."""
    prompt = prompt[:20_000]  # demands stand in the first pages; a longer prompt is material
    amounts = find_amounts(prompt)
    named = _names(context.get("retailers") or context.get("channels"))
    retailers = named or _listed_names(prompt)
    budget, currency = _budget(context, amounts, prompt)
    wanted = context.get("disclosure")
    disclosures = _names(context.get("disclosures")) or _names(wanted)
    limits = {match["unit"].lower(): int(match["number"]) for match in _WORD_LIMIT.finditer(prompt)}
    return Facts(
        brand=next(iter(_names(context.get("brand"))), None),
        retailers=retailers,
        budget=budget,
        currency=currency,
        caps=_caps(context, budget) or _caps_in(prompt, retailers, budget),
        required_terms=_names(context.get("required_terms")),
        banned_terms=_names(context.get("banned_terms")),
        disclosures=disclosures,
        disclosure_wanted=bool(disclosures) or wanted is True or bool(_DISCLOSURE_WANTED.search(prompt)),
        max_words=_whole(context.get("max_words")) or limits.get("words"),
        max_characters=_whole(context.get("max_characters")) or limits.get("characters"),
    )


def _names(value: Any) -> tuple[str, ...]:
    """A text, or a list of texts: stripped, distinct, in order, at most 50."""
    items: Sequence[Any] = (
        [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    )
    texts = [item.strip()[:MAX_NAME] for item in items[:MAX_NAMES] if isinstance(item, str)]
    return tuple(dict.fromkeys(text for text in texts if text))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _money(value: Any, budget: float | None) -> tuple[float | None, str | None]:
    """A context's amount: a number, "$1.2M", or "40%" of the budget."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e18:
        return float(value), None
    if isinstance(value, str):
        for amount in find_amounts(value[:MAX_NAME]):
            if amount.kind == "money":
                return amount.value, amount.currency
            if budget is not None:
                return budget * amount.value / 100, None
    return None, None


def _budget(
    context: Mapping[str, Any], amounts: Sequence[Amount], prompt: str
) -> tuple[float | None, str | None]:
    """The context's budget, else the amount that stands by a word for it, else the largest in the prompt."""
    money = [amount for amount in amounts if amount.kind == "money" and amount.low == amount.high]
    value, written = _money(context.get("budget"), None)
    stated = context.get("currency")
    currency = written or (stated if isinstance(stated, str) and len(stated) <= 3 else None)
    if value is None and money:
        near = [a for a in money if _BUDGET_WORD.search(prompt, max(0, a.start - 30), a.end + 30)]
        best = max(near or money, key=lambda amount: amount.value)
        value, currency = best.value, currency or best.currency
    symbol = next((amount.currency for amount in money if amount.currency), None)
    return value, {"USD": "$", "EUR": "€", "GBP": "£"}.get((currency or "").upper(), currency) or symbol


def _caps(context: Mapping[str, Any], budget: float | None) -> dict[str, float]:
    caps = context.get("caps")
    if not isinstance(caps, Mapping):
        return {}
    read = {str(name)[:MAX_NAME]: _money(cap, budget)[0] for name, cap in list(caps.items())[:MAX_NAMES]}
    return {name: cap for name, cap in read.items() if cap is not None}


def _caps_in(prompt: str, retailers: Sequence[str], budget: float | None) -> dict[str, float]:
    """Caps the prompt states: clauses with a word for it, one retailer and one amount."""
    caps: dict[str, float] = {}
    for clause in re.split(r"[;\n]|(?<=[.!?])\s", prompt):
        named = [name for name in retailers if name in clause]
        amounts = find_amounts(clause) if len(named) == 1 and _CAP_WORD.search(clause) else ()
        if len(amounts) == 1:
            share = (budget or 0) / 100 if amounts[0].kind == "percent" else 1
            caps[named[0]] = amounts[0].value * share
    return {name: cap for name, cap in caps.items() if cap > 0}


def _listed_names(prompt: str) -> tuple[str, ...]:
    """The names of "between A, B and C", else those of the first list of three or more names."""
    matches = [_NAME_LIST.match(prompt, start.end()) for start in _LIST_START.finditer(prompt)]
    longer = (match for match in _NAME_LIST.finditer(prompt) if match[2])
    match = next((match for match in matches if match), None) or next(longer, None)
    return _names([match[1], *match[2].split(","), match[3]]) if match else ()
