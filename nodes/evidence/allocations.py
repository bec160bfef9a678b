"""Matches the amounts of a response to the retailers it names, and reads the totals it states.

Responses write a split in many ways: "CVS: $300K", "$300K to CVS", a heading with the amount below, a table,
"40% for CVS", "CVS and Target get $300K each". Each retailer gets the first amount that clearly is its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from nodes.evidence.asides import is_aside
from nodes.evidence.facts import Facts
from nodes.evidence.money import Amount
from nodes.evidence.names import Mention
from nodes.evidence.text import content_words, words

MAX_IN_CLAUSE: Final = 60  # no honest sentence holds more; pairing compares each name with each amount
NEXT_TO: Final = 4  # characters that may stand between a name and an amount that touch
NEAR: Final = 25  # and between a name and an amount where there are fewer amounts than names

_LINK: Final = re.compile(
    r"\W{0,3}(?:\d{1,3}\s?%\W{0,3})?(?:of (?:the|our|this) (?:total )?(?:budget|money|spend|pot)? ?)?"
    r"(?:goes |go |should go |will go |going |is |are |set aside |reserved |(?:of it )?)?"
    r"(?:to|for|on|at|in|into|towards?|with|via|through)\s(?:the\s)?\W{0,4}",
    re.IGNORECASE,
)
_CLAUSE_END: Final = re.compile(r"\n+|(?<=[.;!?])\s+")
_TOTAL: Final = re.compile(r"\W{0,6}(?:total|sum|overall|remaining|remainder|grand)(?!\w)", re.IGNORECASE)
_EACH: Final = re.compile(r"(?<!\w)(?:each|apiece|respectively each)(?!\w)", re.IGNORECASE)
_BUDGET_NEAR: Final = re.compile(r"(?<!\w)(?:budget|total|overall|to spend|available)(?!\w)", re.IGNORECASE)
_KEPT: Final = (
    r"(?:reserves?|contingency|buffer|hold-?back|held back|tests?|testing|experiments?|measurement|analytics|"
    r"research|"
    r"agency|fees?|production|creative|creatives|content|learning|unallocated|kept back|flex(?:ible)?|"
    r"retargeting|"
    r"brand lift|opportunity)"
)
_KEPT_BEFORE: Final = re.compile(
    rf"\W{{0,8}}(?:(?:a|the|our|small|for|and|plus|keep|hold|"
    rf"[A-Z]\w+) ){{0,3}}{_KEPT}(?!\w)[^.\n$€£]{{0,40}}$",
    re.IGNORECASE,
)
_KEPT_AFTER: Final = re.compile(
    rf"\W{{0,3}}(?:(?:as|in|for|is|stays|goes|to|into|a|an|the|our|kept|held|set|aside|small|"
    rf"central) ){{0,5}}{_KEPT}(?!\w)",
    re.IGNORECASE,
)
_STATED_BEFORE: Final = re.compile(
    r"(?<!\w)(?:total(?:s|ing|ling|led)?|altogether|overall|sum(?:s)?|in all|grand total|adds? up|add(?:s|"
    r"ing) to|"
    r"comes?|makes?|equals?|all together)(?!\w)(?!\s(?:budget|media budget))[^.\n$€£]{0,24}$",
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


@dataclass(slots=True)
class _Taken:
    mention: Mention
    amount: Amount | None = None
    share: Amount | None = None


def allocate(response: str, facts: Facts, amounts: Sequence[Amount], mentions: Sequence[Mention]) -> Split:
    """The split as the response writes it; percentages are of the budget."""
    spent = [amount for amount in amounts if not is_aside(amount, response)]
    totals = [amount for amount in spent if _is_stated_total(amount, response, mentions)]
    reader = _Reader(response, facts)
    for start, named, found in _clauses(response, mentions, [a for a in spent if a not in totals]):
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


def _allocation(taken: _Taken, facts: Facts, reason_words: int) -> Allocation:
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
    in_row = "|" in row and _TOTAL.match(response, start) is not None
    if before is None and not in_row and not _STATED_AFTER.match(response, amount.end):
        return False
    since = before.start() if before else amount.start
    return not any(since <= mention.start < amount.start for mention in mentions)


def _clauses(
    response: str, mentions: Sequence[Mention], amounts: Sequence[Amount]
) -> Iterator[tuple[int, list[Mention], list[Amount]]]:
    """Each line or sentence that holds a mention or an amount: its start, and what it holds."""
    inside = {place for amount in amounts for place in range(amount.start, amount.end)}  # "1,2 Mio. €"
    ends = [match.end() for match in _CLAUSE_END.finditer(response) if match.start() not in inside]
    start, next_mention, next_amount = 0, 0, 0
    for end in [*ends, len(response) + 1]:
        first_mention, first_amount = next_mention, next_amount
        while next_mention < len(mentions) and mentions[next_mention].start < end:
            next_mention += 1
        while next_amount < len(amounts) and amounts[next_amount].start < end:
            next_amount += 1
        if next_mention > first_mention or next_amount > first_amount:
            named = list(mentions[first_mention : min(next_mention, first_mention + MAX_IN_CLAUSE)])
            yield start, named, list(amounts[first_amount : min(next_amount, first_amount + MAX_IN_CLAUSE)])
        start = end


class _Reader:
    """The split as read so far, clause by clause."""

    def __init__(self, response: str, facts: Facts) -> None:
        self.response = response
        self.facts = facts
        self.taken: dict[str, _Taken] = {}  # with the mention that has the amount, or else the first
        self.kept: list[Amount] = []
        self._heading: Mention | None = None  # the one retailer of the last clause with names

    def read_clause(self, start: int, mentions: Sequence[Mention], found: Sequence[Amount]) -> None:
        for mention in mentions:
            self.taken.setdefault(mention.name, _Taken(mention))
        amounts = [amount for amount in found if not self._echoes_budget(amount, mentions, found)]
        kept = [amount for amount in amounts if self._is_kept(amount, start, mentions)]
        self.kept += kept[:1]
        amounts = [amount for amount in amounts if amount not in kept]
        if not mentions:
            if self._heading and not kept and not _TOTAL.match(self.response, start):
                self._assign(self._heading, amounts)
            return
        names = {mention.name for mention in mentions}
        self._heading = mentions[-1] if len(names) == 1 else None
        if len(names) > 1 and len(amounts) == 1 and _EACH.search(self.response, start, amounts[0].end + 20):
            for mention in mentions:
                self._assign(mention, amounts)
        else:
            self._pair(mentions, amounts)

    def _pair(self, mentions: Sequence[Mention], amounts: Sequence[Amount]) -> None:
        """In one clause: "AMOUNT to NAME" first, then NAME and the amounts after it, then "AMOUNT: NAME"."""
        free = list(amounts)
        for mention in mentions:
            near = [amount for amount in free if 0 < mention.start - amount.end < 60]
            if near and _LINK.fullmatch(self.response, near[-1].end, mention.start):
                self._assign(mention, near[-1:])
                free.remove(near[-1])
        for index, mention in enumerate(mentions):
            until = mentions[index + 1].start if index + 1 < len(mentions) else len(self.response)
            # a list of names before one amount gives it to none of them, unless the last name touches it
            distinct = len({each.name for each in mentions})
            until = min(until, mention.end + NEAR) if distinct > len(amounts) else until
            own = [amount for amount in free if mention.end <= amount.start < until]
            if self._assign(mention, own):
                free = [amount for amount in free if amount not in own]
        for mention in mentions:
            own = [amount for amount in free if 0 <= mention.start - amount.end <= NEXT_TO]
            if self._assign(mention, own):
                free.remove(own[0])

    def _assign(self, mention: Mention, amounts: Sequence[Amount]) -> bool:
        """Give `mention` the first money of `amounts`, else the first percentage; whether it took one."""
        if self.taken[mention.name].amount is not None:
            return False
        money = [amount for amount in amounts if amount.kind == "money"]
        shares = [amount for amount in amounts if amount.kind == "percent"]
        whole = [amount for amount in money if amount.period is None]
        chosen = next(iter(whole or money or (shares if self.facts.budget is not None else [])), None)
        if chosen is None:
            return False
        beside = next(
            (share for share in shares if chosen.kind == "money" and self._beside(chosen, share)), None
        )
        self.taken[mention.name] = _Taken(mention, chosen, beside)
        return True

    def _beside(self, amount: Amount, share: Amount) -> bool:
        """Whether nothing but marks, "or" and "of the budget" stands between an amount and a percentage."""
        first, last = sorted((amount, share), key=lambda each: each.start)
        between = self.response[first.end : last.start].lower()
        left = re.sub(
            r"(?<!\w)(?:or|is|i\.e\.|that is|equals|about|of the (?:total )?budget|of budget)(?!\w)",
            "",
            between,
        )
        return len(between) <= 25 and not re.search(r"\w", left)

    def _is_kept(self, amount: Amount, start: int, mentions: Sequence[Mention]) -> bool:
        """Whether the amount is set aside for something other than a retailer: a reserve, a test, a fee."""
        since = max([start, *(mention.end for mention in mentions if mention.end <= amount.start)])
        own_line = since == start and _KEPT_BEFORE.match(self.response, start, amount.start)
        after = _KEPT_AFTER.match(self.response, amount.end)
        if after and any(amount.end <= mention.start < after.end() + 12 for mention in mentions):
            return False
        # "Costco: $200K, $50K for tests" is a part of Costco's; "Costco $200K and we keep $50K as a reserve" is not
        apart = since == start or re.search(
            r"(?<!\w)(?:keep|hold|leave|leaving|plus|with|and|remaining|rest)(?!\w)[^.;()]{0,20}$",
            self.response[since : amount.start],
            re.IGNORECASE,
        )
        return bool(own_line or (after and apart))

    def _is_budget(self, amount: Amount) -> bool:
        budget = self.facts.budget
        return budget is not None and amount.kind == "money" and abs(amount.value - budget) <= 0.001 * budget

    def _echoes_budget(self, amount: Amount, mentions: Sequence[Mention], found: Sequence[Amount]) -> bool:
        """Whether the amount only repeats the budget, as in "20% of the $1.2M" or "the $1.2M budget"."""
        if not self._is_budget(amount):
            return False
        if any(0 <= amount.start - mention.end <= NEXT_TO for mention in mentions):
            return False
        if len({mention.name for mention in mentions}) > 1 or not all(map(self._is_budget, found)):
            return True
        before = self.response[max(0, amount.start - 12) : amount.start].lower()
        around = self.response[max(0, amount.start - 25) : amount.end + 25]
        return "of " in before or bool(_BUDGET_NEAR.search(around))


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
