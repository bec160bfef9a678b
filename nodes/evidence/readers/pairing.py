"""Pairs names and amounts clause by clause, as a reader does: what stands together belongs together."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.facts import Facts
from rlhf.nodes.evidence.readers.retailers import Mention

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
TOTAL: Final = re.compile(r"\W{0,6}(?:total|sum|overall|remaining|remainder|grand)(?!\w)", re.IGNORECASE)
_EACH: Final = re.compile(
    r"(?<!\w)(?P<each>each|apiece)(?!\w)|(?<!\w)(?P<evenly>evenly|equally|half and half|"
    r"between them)(?!\w)",
    re.IGNORECASE,
)
_AND: Final = re.compile(r"\s?(?:,|&|,? and|/)\s", re.IGNORECASE)
_ITEM: Final = re.compile(r"\s{0,8}(?:[-*•–+]|\d{1,2}[.)])\s|\s{2,8}\S")
_OWN_AMOUNT: Final = re.compile(r"\W{0,8}(?:amount|budget|spend|total|allocation)(?!\w)", re.IGNORECASE)
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


@dataclass(slots=True)
class Taken:
    """What one retailer has been given: its amounts, and the percentage written beside them."""

    mention: Mention
    amount: Amount | None = None
    parts: bool = False
    """Whether the amount is the sum of the list items below the name."""
    share: Amount | None = None


def clauses(
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


class Reader:
    """The split as read so far, clause by clause."""

    def __init__(self, response: str, facts: Facts) -> None:
        self.response = response
        self.facts = facts
        self.taken: dict[str, Taken] = {}  # with the mention that has the amount, or else the first
        self.kept: list[Amount] = []
        self._heading: Mention | None = None  # the one retailer of the last clause with names

    def read_clause(self, start: int, mentions: Sequence[Mention], found: Sequence[Amount]) -> None:
        for mention in mentions:
            self.taken.setdefault(mention.name, Taken(mention))
        amounts = [amount for amount in found if not self._echoes_budget(amount, mentions, found)]
        kept = [amount for amount in amounts if self._is_kept(amount, start, mentions)]
        self.kept += kept[:1]
        amounts = [amount for amount in amounts if amount not in kept]
        if not mentions:
            if self._heading and not kept and not TOTAL.match(self.response, start):
                self._add_below(self._heading, amounts, start)
            return
        names = {mention.name for mention in mentions}
        self._heading = mentions[-1] if len(names) == 1 else None
        self._pair(mentions, self._share_out(mentions, amounts))

    def _add_below(self, heading: Mention, amounts: Sequence[Amount], start: int) -> None:
        """An amount on a line below a name is the name's; those of several list items are added up."""
        item = _ITEM.match(self.response, start)
        a_part = item is not None and not _OWN_AMOUNT.match(self.response, start)
        taken = self.taken[heading.name]
        if self._assign(heading, amounts):
            self.taken[heading.name].parts = a_part
        elif a_part and taken.parts and taken.amount and amounts and amounts[0].kind == taken.amount.kind:
            sums = taken.amount.low + amounts[0].low, taken.amount.high + amounts[0].high
            taken.amount = replace(taken.amount, low=sums[0], high=sums[1], end=amounts[0].end)

    def _share_out(self, mentions: Sequence[Mention], amounts: list[Amount]) -> list[Amount]:
        """Read "A and B get $300K each" and "A and B share $600K evenly"; returns the amounts that are left."""
        if not mentions or not amounts:
            return amounts
        free = list(amounts)
        for match in _EACH.finditer(
            self.response, mentions[0].start, max(amounts[-1].end, mentions[-1].end) + 20
        ):
            close = [a for a in free if 0 <= match.start() - a.end <= 4 or 0 <= a.start - match.end() <= 20]
            if match["evenly"]:
                close = [a for a in free if 0 <= match.start() - a.end <= 12]
            if not close:
                continue
            group = self._group_before(mentions, min(close[-1].start, match.start()))
            if len(group) > 1:
                amount = close[-1]
                count = len(group) if match["evenly"] else 1
                part = replace(amount, low=amount.low / count, high=amount.high / count)
                for mention in group:
                    self._assign(mention, [part])
                free.remove(amount)
        return free

    def _group_before(self, mentions: Sequence[Mention], place: int) -> list[Mention]:
        """The last names before `place` that stand in one list: "A, B and C"."""
        group: list[Mention] = []
        for mention in reversed([mention for mention in mentions if mention.end <= place]):
            if group and not _AND.fullmatch(self.response, mention.end, group[-1].start):
                break
            group.append(mention)
        return group

    def _pair(self, mentions: Sequence[Mention], amounts: Sequence[Amount]) -> None:
        """In one clause: "AMOUNT to NAME" first, then NAME and the amounts after it, then "AMOUNT: NAME"."""
        free = list(amounts)
        touching = [self._touching(mention, free) for mention in mentions]
        if len(mentions) > 1 and all(touching):  # "$800K Kroger / $500K Target"
            for mention, own in zip(mentions, touching, strict=True):
                self._assign(mention, own)
            return
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

    def _touching(self, mention: Mention, amounts: Sequence[Amount]) -> list[Amount]:
        """The amount with nothing but a space between it and the name that follows."""
        return [a for a in amounts if self.response[a.end : mention.start] == " " and a.end < mention.start]

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
        self.taken[mention.name] = Taken(mention, chosen, share=beside)
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
