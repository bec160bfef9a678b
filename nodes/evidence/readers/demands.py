"""What a prompt asks for when the context is silent: names, caps, the time a budget covers, limits of length."""

import re
from collections.abc import Sequence
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount, find_amounts
from rlhf.nodes.evidence.readers.numbers import COUNT, read_worded

_PART: Final = r"[A-Z0-9](?:[\w'’&+-]|\.(?=\w)){0,30}"
_NAME: Final = rf"{_PART}(?: (?:& )?{_PART}){{0,3}}"
_LOWER_NAME: Final = r"[a-z](?:[\w'’&+-]|\.(?=\w)){1,20}"  # dm, eBay: between two names that have a capital
_NAME_LIST: Final = re.compile(
    rf"(?<!\w)({_NAME})((?:, (?:{_NAME}|{_LOWER_NAME})(?=, |,? (?:and|&|or) )){{0,20}}),? (?:and|&|"
    rf"or) ({_NAME})"
)
_LIST_START: Final = re.compile(r"(?<!\w)(?:between|across|among|amongst|over)\s", re.IGNORECASE)

_BUDGET_WORD: Final = re.compile(
    r"(?<!\w)(?:budget|spend|fund|pot(?!\w)|total|have|for\s|over|across|between|split|divide|allocat|distribut|plan|aufteil|verteil|répart|repart|distribu|orçamento|presupuesto|verba)",
    re.IGNORECASE,
)
_BUDGET_ITSELF: Final = re.compile(
    r"(?<!\w)(?:budget|to spend|spend|fund|have|haben|habe|tengo|tenemos|temos|tenho|avons|"
    r"purse|presupuesto|orçamento|verba|with (?:just |only )?[$€£¥]|for [$€£¥])",
    re.IGNORECASE,
)
_CAP_WORD: Final = re.compile(
    r"(?<!\w)(?:cap(?:s|ped)?|at most|no more than|(?:not|n['’]t|never)\s(?:\w+\s){0,2}(?:more than|over|"
    r"above)|"
    r"more than|not exceed|exceed|max(?:imum)?|limit(?:ed|s)?|ceiling|under|below|above|up to|höchstens|maximal|"
    r"nicht mehr als|nicht über|unter|au plus|pas dépasser|pas plus d[e']|maximum|plafond|como máximo|no más de|máximo|"
    r"tope|no máximo|não mais de|até|limite)(?!\w)",
    re.IGNORECASE,
)
_LOOSE: Final = re.compile(r"(?:more than|above|exceed|under|below)", re.IGNORECASE)
_NEGATED: Final = re.compile(
    r"(?<!\w)(?:no|not|never|nobody|none|n['’]t|stay|keep|stays|remain|must)(?!\w)", re.IGNORECASE
)
_HALF: Final = re.compile(
    r"(?:than|als|über|de|que|the|a|die|la|exceed|at|most)\s(?P<part>half|a third|hälfte|moitié|mitad|metade)(?!\w)",
    re.IGNORECASE,
)
_EVERY_RETAILER: Final = re.compile(
    r"(?<!\w)(?:nobody|no[- ]one|none(?: of them)?|keiner|niemand|personne|nadie|ninguno|ninguém|nenhum|aucun)(?!\w)|"
    r"(?<!\w)(?:no (?:single |one )?|keine[rnms]? |kein |aucune? |ningún |nenhum[a]? |cada |"
    r"jede[rnm]? |chaque |any (?:single |one )?|each |every |per |a single |one )"
    r"(?:retailer|partner|channel|store|chain|account|network|line|händler|partner|enseigne|distributeur|cadena|minorista|varejista|rede)s?(?!\w)",
    re.IGNORECASE,
)
_SPLIT: Final = re.compile(
    r"(?<!\w)(?:dollar amounts?|dollars (?:per|go|each)|how many dollars|per retailer|"
    r"each retailer|share\s(?:[\w'’$€£.,-]{1,20}\s){1,7}(?:between|among|across)|split|divid|"
    r"allocat|distribut|apportion|share out|carve up|phase|spread|"
    r"aufteil|verteil|aufzuteil|teile|répart|partage|reparte|repartir|distribu|divida|dividir|"
    r"aloque|alocar)",
    re.IGNORECASE,
)
_MONTH_NAMES: Final = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_MONTH: Final = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_SPAN: Final = re.compile(rf"(?<!\w){_MONTH}\s?(?:to|through|until|till|and|-|–)\s?{_MONTH}(?!\w)")
_LASTS: Final = re.compile(
    rf"(?<!\w)(?:over|for|in|during|across|within)\s(?:the\s)?(?:next\s|coming\s|first\s)?({COUNT})[\s-]"
    r"(day|week|month|quarter|year)s?(?!\w)",
    re.IGNORECASE,
)
_NAMED_TIME: Final = (
    (re.compile(r"(?<!\w)(?:Q[1-4]|quarter(?:ly)?)(?!\w)", re.IGNORECASE), 365 / 4),
    (re.compile(r"(?<!\w)(?:H[12]|half[- ]year)(?!\w)", re.IGNORECASE), 365 / 2),
    (re.compile(r"(?<!\w)(?:year|annual|yearly|12[- ]month)(?!\w)", re.IGNORECASE), 365),
    (re.compile(r"(?<!\w)(?:month|monthly)(?!\w)", re.IGNORECASE), 365 / 12),
)
_DAYS: Final = {"day": 1.0, "week": 7.0, "month": 365 / 12, "quarter": 365 / 4, "year": 365.0}


def listed_names(prompt: str) -> list[str]:
    """The names of "between A, B and C", else those of the first list of three or more names."""
    matches = [_NAME_LIST.match(prompt, start.end()) for start in _LIST_START.finditer(prompt)]
    longer = (match for match in _NAME_LIST.finditer(prompt) if match[2])
    match = next((match for match in matches if match), None) or next(longer, None)
    return [match[1], *match[2].split(","), match[3]] if match else []


def caps_in(prompt: str, retailers: Sequence[str], budget: float | None) -> dict[str, float]:
    """The most each retailer may get, by the prompt's words: one amount after each word for a cap."""
    caps: dict[str, float] = {}
    for clause in re.split(r"[;\n]|(?<=[.!?])\s", prompt):
        words = list(_CAP_WORD.finditer(clause))
        amounts = find_amounts(clause) if words else ()
        half = _HALF.search(clause) if words and not amounts else None
        if half is not None:
            share = (
                50.0 if half["part"].lower() in ("half", "hälfte", "moitié", "mitad", "metade") else 100 / 3
            )
            amounts = (Amount(share, share, "percent", None, half.start("part"), half.end("part")),)
        if len(amounts) > 1:
            amounts = tuple(a for a in amounts if any(0 <= a.start - word.end() <= 25 for word in words))
        start = 0
        for amount in amounts:
            word = next((w for w in reversed(words) if w.start() <= amount.start or len(words) == 1), None)
            loose = word is None or (
                _LOOSE.fullmatch(word[0]) and not _NEGATED.search(clause, 0, word.start())
            )
            if loose:
                continue
            limit = amount.high * (budget or 0) / 100 if amount.kind == "percent" else amount.high
            named = (
                _named(clause[start : amount.start], retailers) or _named(clause[amount.end :], retailers)[:1]
            )
            if named and limit > 0:
                caps[named[-1]] = limit
            elif limit > 0 and _EVERY_RETAILER.search(clause):
                caps |= {name: limit for name in retailers if name not in caps}
            start = amount.end
    return caps


def _named(text: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that stand in `text`, in the order in which they last stand there."""
    return sorted((name for name in names if name in text), key=text.rfind)


def wants_split(prompt: str) -> bool:
    """Whether the prompt asks to divide something."""
    return _SPLIT.search(prompt) is not None


def days_covered(prompt: str) -> float | None:
    """How long the budget is to last, in days, as far as the prompt says."""
    if match := _LASTS.search(prompt):
        count = float(match[1]) if match[1].isdecimal() else max(1.0, read_worded(match[1]) or 1.0)
        return count * _DAYS[match[2].lower()]
    if match := _SPAN.search(prompt):
        first, last = _MONTHS[match[1].lower()], _MONTHS[match[2].lower()]
        return ((last - first) % 12 + 1) * _DAYS["month"]
    return next((days for pattern, days in _NAMED_TIME if pattern.search(prompt)), None)


def budget_in(prompt: str, amounts: Sequence[Amount]) -> Amount | None:
    """The amount that stands by a word for a budget, else the largest; a cap is none."""
    money = [a for a in amounts if a.kind == "money" and a.low == a.high and not a.change]
    whole = [a for a in money if a.period is None]
    money = (
        whole if any(_BUDGET_WORD.search(prompt, max(0, a.start - 30), a.end + 30) for a in whole) else money
    )
    uncapped = [a for a in money if not _CAP_WORD.search(prompt, max(0, a.start - 25), a.start)]
    word = _BUDGET_WORD if wants_split(prompt) else _BUDGET_ITSELF
    near = [a for a in uncapped if word.search(prompt, max(0, a.start - 30), a.end + 30)]
    return max(
        near or (uncapped or money if wants_split(prompt) else []),
        key=lambda amount: amount.value,
        default=None,
    )
