"""Tells what an amount of money is for: to be spent, or a price, a limit, a fee, a change, last year's, a result.

Only what is to be spent enters sums.
"""

import re
from typing import Final, Literal

from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.prompts.words import Words, load_words, lowered

Role = Literal["spend", "price", "limit", "change", "past", "part", "described"]

_BY: Final = re.compile(
    r"(?<!\w)(?<!funded )(?<!backed )(?<!paid )(?<!led )(?:by|um|extra|additional|"
    r"zusätzlich)\s(?:\w+\s)?$"
)
_MORE: Final = re.compile(
    r"\s(?:more|less|extra|higher|lower|fewer|on top|mehr|weniger|zusätzlich|de plus|de moins|"
    r"más|menos|a mais|a menos)(?!\w)"
)
_UP_TO: Final = re.compile(
    r"(?<!\w)(?:up|down|rises?|increases?d?|increased|raised?|lifted|lift|grows?|grew|cut|cuts|trimmed|adds?|added|gains?)\s$"
)
_TO_AMOUNT: Final = re.compile(r"\s(?:,\s)?(?:to|auf|à|a|para|taking it to|reaching)\s[$€£₹¥]?\d")
_TIME: Final = re.compile(r"(?<!\w)(?:per|a|each|every)\s(?:day|week|month|order|click)")


def role_of(amount: Amount, text: str, start: int, end: int) -> Role:
    """What `amount` is for, by the words around it between `start` and `end` of `text`."""
    words = load_words()
    if amount.change or amount.low < 0:
        return "change"
    since = max(start, amount.start - 60)
    until = min(end, amount.end + 60)
    line = text.rfind("\n", since, amount.start) + 1
    low = lowered(text[max(since, line) : until])
    here, there = amount.start - max(since, line), amount.end - max(since, line)
    stop = low.find("\n", there)
    low = low if stop < 0 else low[:stop]
    if amount.kind == "percent":
        return _share(words, low, here, there)
    if words.after("limits_after").match(low, there):
        return "limit"
    if words.after("prices").match(low, there) or words.after("unspent_after").match(low, there):
        return "price" if words.after("prices").match(low, there) else "described"
    if words.after("last_year").match(low, there) and not re.match(
        r"[\s)]*(?:vs|versus|against|before|up from|down from|compared|instead)", low[there:]
    ):
        return "past"
    before = low[:here]
    for section, role in (
        ("prices", "price"),
        ("limits_before", "limit"),
        ("last_year", "past"),
        ("unspent_before", "described"),
    ):
        if words.before(section).search(before):
            return role  # type: ignore[return-value]
    if _UP_TO.search(before) and _TO_AMOUNT.match(low, there):
        return "change"
    if _BY.search(before):
        return "change"
    if _MORE.match(low, there):
        return "change"
    if words.before("parts").search(before) and not re.search(r"\bwith\W*$", before):
        return "part"
    return "spend"


def _share(words: Words, low: str, here: int, there: int) -> Role:
    if words.after("shares_of_else").match(low, there):
        return "described"
    if re.match(
        r"\s?(?:of|von|de)\s(?:it|that|this|which|these|those|them|its|their|davon)(?!\w)", low[there:]
    ):
        return "part"
    if words.after("limits_after").match(low, there):
        return "limit"
    if words.before("share_changes").search(low[:here]):
        return "change"
    return "spend"
