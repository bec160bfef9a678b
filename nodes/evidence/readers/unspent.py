"""Tells amounts that are to be spent from those that only describe: sales, market sizes, prices, growth."""

import re
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount

_THING: Final = (
    r"(?:sales|revenues?|turnover|profits?|gmv|category|market|business|industry|company|cpcs?|cpms?|cpas?|"
    r"acos|"
    r"roas|baskets? (?:size|value)s?|order values?|average (?:basket|order)s?|income|savings|margins?|"
    r"valuation|"
    r"prices?|last year|a year ago|previously)"
)
_WORD: Final = (
    r"(?:(?!(?:because|since|as|for|to|and|or|on|with|while|so|from|where|when|which|that|its|their|our|at|"
    r"is|goes|into|"
    r"but|each)\b)[\w'’-]{1,20} )"
)
# On the same line: what follows on the next one is another matter.
_MONEY_AFTER: Final = re.compile(
    rf" ?(?:(?:of|in|worth of) {_WORD}{{0,3}})?{_WORD}?{_THING}(?!\w)", re.IGNORECASE
)
_MONEY_BEFORE: Final = re.compile(
    rf"(?<!\w)if (?:[\w'’-]+ ){{1,4}}$|(?<!\w)(?:sold|sells|selling|worth|valued at|earn(?:s|ed)|made|"
    rf"generat(?:es?|ed|ing)|"
    rf"return(?:s|ed)|"
    rf"priced at|retails? (?:at|for)|brings? in|brought in|{_THING}(?:\s(?:of|is|was|at|reached|hit|worth|"
    rf"by))?|"
    rf"against|compared (?:to|with)|up from|down from|instead of|rather than|versus|vs\.?|more than|"
    rf"capp?e?d? (?:at|of)|"
    rf"(?:cap|limit|ceiling|maximum) of|stays? under|under (?:its|the)|below (?:its|the)|its|under|over)"
    rf"\s(?:about|around|roughly|nearly|some|almost|only|the|a|just)?\s?$",
    re.IGNORECASE,
)
_CAP_AFTER: Final = re.compile(r"\s(?:cap|limit|ceiling|maximum)(?!\w)", re.IGNORECASE)
_SHARE_AFTER: Final = re.compile(
    r"\s?(?:of\s(?!(?:(?:the|our|this|your|that|its|all)\s)?(?:(?:total|overall|full|whole|entire|media|"
    r"remaining|ad|"
    r"advertising|marketing)\s){0,2}(?:budget|money|spend|spending|pot|funds?|total|amount|allocation|"
    r"dollars|it(?!\w)|"
    r"[$€£]|\d))|better|more|less|higher|lower|growth|lift|increase|decrease|rise|drop|off(?!\w)|discount|"
    r"cheaper|"
    r"faster|larger|bigger|smaller|margin|conversion|roas|ctr|acos|market share|in (?:spring|summer|autumn|"
    r"winter|"
    r"sales|q[1-4])|(?:year|month|week)[- ]on|last year|(?:safe|natural|sure|vegan|plant|organic|cotton|"
    r"recycl))",
    re.IGNORECASE,
)
_SHARE_BEFORE: Final = re.compile(
    r"(?<!\w)(?:rose|rise|rises|grew|grow|grows|growing|fell|fall|falls|dropped|jumped|climbed|gained|"
    r"increased?|"
    r"decreased?|lift(?:s|ed)?|growth|margins?|ctr|acos|roas|conversion|discount|up|down|at least|saves?|"
    r"saved|reduced?|"
    r"cut|improved?|market share|shift|cap(?:ped)?|limit|under|below)\s(?:rates?\s)?(?:by\s|of\s|at\s|to\s|"
    r"is\s|"
    r"another\s|about\s|around\s|roughly\s|some\s|the\s){0,2}$",
    re.IGNORECASE,
)


def is_aside(amount: Amount, text: str) -> bool:
    """Whether the words around `amount` say that it isn't spent: a change, a rate, a price or a result."""
    if amount.change:
        return True
    window = max(0, amount.start - 40)
    line = max(window, text.rfind("\n", window, amount.start) + 1)
    if amount.kind == "percent":
        return bool(_SHARE_AFTER.match(text, amount.end) or _SHARE_BEFORE.search(text, line, amount.start))
    return bool(
        _MONEY_AFTER.match(text, amount.end)
        or _CAP_AFTER.match(text, amount.end)
        or _MONEY_BEFORE.search(text, line, amount.start)
    )
