"""Matches the amounts of a response to the retailers it names, and reads the totals it states.

Responses write a split in many ways: "CVS: $300K", "$300K to CVS", a heading with the amount below, a table,
"40% for CVS", "CVS and Target get $300K each". Each retailer gets the first amount that clearly is its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.facts import Facts
from rlhf.nodes.evidence.readers.pairing import TOTAL, Reader, Taken, clauses
from rlhf.nodes.evidence.readers.retailers import Mention
from rlhf.nodes.evidence.readers.text import content_words, words
from rlhf.nodes.evidence.readers.unspent import is_aside

_STATED_BEFORE: Final = re.compile(
    r"(?<!\w)(?:total(?:s|ing|ling|led)?|altogether|overall|sum(?:s)?|in all|grand total|adds? up|add(?:s|"
    r"ing) to|comes? to|"
    r"all together|(?:that|this|which|it|they|all) (?:makes?|comes?|equals?|is))(?!\w)(?!\s(?:budget|"
    r"media budget))"
    r"[^.\n$€£]{0,24}$",
    re.IGNORECASE,
)
_STATED_AFTER: Final = re.compile(
    r"\s(?:in total|altogether|overall|all told|in all|all in all|combined|in sum)(?!\w)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Allocation:
    """One retailer the response names: its amount (None if only named), the place, and its reason.

    `low` and `high` differ from `amount` in a range; `share` is the percentage written beside an amount of money.
    `start` and `end` are the amount's place, or else the name's. `reason_words` counts the content words around
    it that no other retailer's reason has used before.
    """

    amount: float | None
    start: int
    end: int
    reason_words: int
    low: float = 0.0
    high: float = 0.0
    currency: str | None = None
    by_share: bool = False
    share: Amount | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """The whole split: retailer → allocation, what else is set aside, and the totals the response states."""

    allocations: dict[str, Allocation] = field(default_factory=dict)
    kept: tuple[float, ...] = ()
    totals: tuple[Amount, ...] = ()


def allocate(response: str, facts: Facts, amounts: Sequence[Amount], mentions: Sequence[Mention]) -> Split:
    """The split as the response writes it; percentages are of the budget."""
    spent = [amount for amount in amounts if not is_aside(amount, response)]
    totals = [amount for amount in spent if _is_stated_total(amount, response, mentions)]
    stated = set(totals)
    reader = Reader(response, facts)
    for start, named, found in clauses(response, mentions, [a for a in spent if a not in stated]):
        reader.read_clause(start, named, found)
    anchors = sorted((taken.mention for taken in reader.taken.values()), key=lambda mention: mention.start)
    reasons = _reason_words(response, anchors)
    split = {
        mention.name: _allocation(reader.taken[mention.name], facts, reasons[mention.name])
        for mention in anchors
    }
    kept = tuple(value for amount in reader.kept if (value := _worth(amount, facts)) is not None)
    return Split(split, kept, tuple(total for total in totals if total.kind == "money"))


def _worth(amount: Amount, facts: Facts, bound: float | None = None) -> float | None:
    """Money as it is, in all; a percentage of the budget. `bound` is a range's own end."""
    if amount.kind == "money":
        whole = amount.over(facts.days)
        return round(whole if bound is None or not amount.value else whole * bound / amount.value, 2)
    share = amount.value if bound is None else bound
    return None if facts.budget is None else round(facts.budget * share / 100, 2)


def _allocation(taken: Taken, facts: Facts, reason_words: int) -> Allocation:
    mention, amount = taken.mention, taken.amount
    value = None if amount is None else _worth(amount, facts)
    if amount is None or value is None:
        return Allocation(None, mention.start, mention.end, reason_words)
    return Allocation(
        value,
        amount.start,
        amount.end,
        reason_words,
        low=_worth(amount, facts, amount.low) or 0.0,
        high=_worth(amount, facts, amount.high) or 0.0,
        currency=amount.currency,
        by_share=amount.kind == "percent",
        share=taken.share,
    )


def _is_stated_total(amount: Amount, response: str, mentions: Sequence[Mention]) -> bool:
    if amount.kind != "money" or amount.period:
        return False
    start = max(0, amount.start - 60, response.rfind("\n", 0, amount.start) + 1)
    before = _STATED_BEFORE.search(response, start, amount.start)
    row = response[start : amount.start]
    in_row = "|" in row and TOTAL.match(response, start) is not None
    if before is None and not in_row and not _STATED_AFTER.match(response, amount.end):
        return False
    since = before.start() if before else amount.start
    return not any(since <= mention.start < amount.start for mention in mentions)


def _reason_words(response: str, anchors: Sequence[Mention]) -> dict[str, int]:
    """Content words from each name to the next, less those that an earlier retailer's part has used."""
    used: set[str] = set()
    counts = {}
    names = {word for mention in anchors for word in content_words(words(mention.name))}
    for index, mention in enumerate(anchors):
        until = anchors[index + 1].start if index + 1 < len(anchors) else mention.end + 400
        own = set(content_words(words(response[mention.end : min(until, mention.end + 400)]))) - names
        counts[mention.name] = len(own - used)
        used |= own
    return counts
