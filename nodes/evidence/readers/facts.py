"""What the context and the prompt demand of a response, read once and tolerantly.

The context comes from users: a value of the wrong shape is taken as not given, never as an error.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rlhf.nodes.evidence.readers.amounts import Amount, find_amounts, symbol_of
from rlhf.nodes.evidence.readers.demands import (
    budget_in,
    caps_in,
    days_covered,
    listed_names,
    wants_split,
)

MAX_NAMES: Final = 50
MAX_NAME: Final = 100

_DISCLOSURE_WANTED: Final = re.compile(
    r"(?<!\w)(?:disclos|influencer|sponsored (?:post|video|content|caption|story|review)|testimonial|endorse|"
    r"affiliate|paid (?:partner|post)|#ad(?!\w))",
    re.IGNORECASE,
)
_EACH_ITEM: Final = re.compile(
    r"(?<!\w)(?:each|apiece|per (?:line|item|headline|bullet)|every|jeweils|je|pro zeile|"
    r"chacune?s?|par ligne|cada|por línea)(?!\w)",
    re.IGNORECASE,
)
_ITEMS: Final = re.compile(
    r"(?<!\w)(?:headlines|subject lines|bullets|bullet points|captions|taglines|slogans|"
    r"titles|hooks|variants|options|names|lines|"
    r"claims|posts|tweets|messages|push notifications|überschriften|betreffzeilen|titres|"
    r"accroches|objets|titulares|asuntos|títulos|assuntos)(?!\w)",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(
    r"(?<!\w)(?:in total|altogether|in all|text|email|post|page|together)(?!\w)", re.IGNORECASE
)
_WORD_LIMIT: Final = re.compile(
    r"(?:(?:under|at most|no more than|not more than|not longer than|no longer than|"
    r"max(?:imum)?(?: of)?|up to|within|fewer than|less than|in|of|"
    r"\d{1,4} to|\d{1,4}[–-]|höchstens|maximal|bis zu|au plus|maximum|máximo(?: de)?|"
    r"como máximo|hasta|até|no máximo|de \d{1,4} a)\s?"
    r"(?P<number>\d{1,4})[\s-](?P<unit>words|characters|wörter[n]?|zeichen|mots|caractères|palabras|caracteres|palavras)"
    r"|(?P<number2>\d{1,4})[\s-](?P<unit2>words?|characters?|mots|palabras|palavras|wörter|zeichen|caractères|caracteres)\s"
    r"(?:at most|max(?:imum)?|or (?:fewer|less)|limit|each at most|höchstens|maximum|máximo|"
    r"como máximo|no máximo))(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known before the response is read. Money is in whole units of `currency`."""

    brand: str | None
    retailers: tuple[str, ...]
    aliases: dict[str, tuple[str, ...]]
    budget: float | None
    split_wanted: bool
    """Whether amounts for the retailers are asked for: there is a budget, or the prompt says so."""
    currency: str | None
    days: float | None
    """How long the budget is to last, in days, where that is known."""
    caps: dict[str, float]
    required_terms: tuple[str, ...]
    banned_terms: tuple[str, ...]
    disclosures: tuple[str, ...]
    disclosure_wanted: bool
    disclosure_word: str
    """The word of the prompt that asks for a disclosure, or nothing."""
    max_words: int | None
    max_characters: int | None
    item_limits: dict[str, int]
    """The most words or characters that each item (a headline, a bullet, a subject line) may have."""


def read_facts(prompt: str, context: Mapping[str, Any]) -> Facts:
    """The context's values first; what it leaves out is looked for in the prompt."""
    prompt = prompt[:20_000]  # demands stand in the first pages; a longer prompt is material
    amounts = find_amounts(prompt)
    named = _names(context.get("retailers") or context.get("channels"))
    # names that the prompt lists are retailers only where it asks to divide something between them
    retailers = named or (_names(listed_names(prompt)) if wants_split(prompt) else ())
    budget, currency = _budget(context, amounts, prompt)
    wanted = context.get("disclosure")
    disclosures = _names(context.get("disclosures")) or _names(wanted)
    asked = _DISCLOSURE_WANTED.search(prompt)
    limits, item_limits = _limits(prompt)
    return Facts(
        brand=next(iter(_names(context.get("brand"))), None),
        retailers=retailers,
        aliases=_aliases(context),
        budget=budget,
        split_wanted=budget is not None or wants_split(prompt),
        currency=currency,
        days=days_covered(prompt),
        caps={**caps_in(prompt, retailers, budget), **_caps(context, budget)},
        required_terms=_names(context.get("required_terms")),
        banned_terms=_names(context.get("banned_terms")),
        disclosures=disclosures,
        disclosure_wanted=bool(disclosures) or wanted is True or asked is not None,
        disclosure_word=asked[0] if asked else "",
        max_words=_whole(context.get("max_words")) or limits.get("words"),
        max_characters=_whole(context.get("max_characters")) or limits.get("characters"),
        item_limits=item_limits,
    )


def _limits(prompt: str) -> tuple[dict[str, int], dict[str, int]]:
    """The limits of length for the whole text and for each item, by unit."""
    whole: dict[str, int] = {}
    items: dict[str, int] = {}
    for match in _WORD_LIMIT.finditer(prompt):
        before = prompt[max(0, match.start() - 70) : match.start()]
        before = re.split(r"[.!?;\n]\s", before)[-1]
        after = re.split(r"[.!?;\n,]", prompt[match.end() : match.end() + 30])[0]
        each = (
            _EACH_ITEM.search(after)
            or _EACH_ITEM.search(before)
            or (_ITEMS.search(before) and not _WHOLE.search(before))
        )
        number = match["number"] or match["number2"]
        unit = (match["unit"] or match["unit2"]).lower()
        kind = "words" if unit.startswith(("word", "wört", "mots", "palabra", "palavra")) else "characters"
        (items if each else whole)[kind] = int(number)
    return whole, items


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
    value, written = _money(context.get("budget"), None)
    stated = context.get("currency")
    currency = written or (stated if isinstance(stated, str) and len(stated) <= 3 else None)
    best = budget_in(prompt, amounts) if value is None else None
    if best is not None:
        value, currency = best.over(days_covered(prompt)), currency or best.currency
    symbol = next((a.currency for a in amounts if a.kind == "money" and a.currency), None)
    return value, (symbol_of(currency) or currency if currency else None) or symbol


def _aliases(context: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    aliases = context.get("aliases")
    if not isinstance(aliases, Mapping):
        return {}
    return {str(name)[:MAX_NAME]: _names(own) for name, own in list(aliases.items())[:MAX_NAMES]}


def _caps(context: Mapping[str, Any], budget: float | None) -> dict[str, float]:
    caps = context.get("caps")
    if not isinstance(caps, Mapping):
        return {}
    read = {str(name)[:MAX_NAME]: _money(cap, budget)[0] for name, cap in list(caps.items())[:MAX_NAMES]}
    return {name: cap for name, cap in read.items() if cap is not None}
