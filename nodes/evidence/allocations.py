"""Matches the amounts of a response to the retailers it names.

Responses write a split in many ways: "CVS: $300K", "$300K to CVS", a heading with the amount below, a table,
"40% for CVS", "CVS and Target get $300K each". Each retailer gets the first amount that clearly is its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from nodes.evidence.facts import Facts
from nodes.evidence.money import Amount
from nodes.evidence.text import content_words, words

MAX_IN_CLAUSE: Final = 60  # no honest sentence holds more; pairing compares each name with each amount

NEXT_TO: Final = 4  # characters that may stand between a name and an amount that touch
NEAR: Final = 25  # and between a name and an amount where there are fewer amounts than names

# Names that are everyday words too: in lower case, or before these, they are not the retailer.
_EVERYDAY: Final = frozenset(
    {"target", "gap", "next", "boots", "giant", "express", "shell", "metro", "coles"}
)
_NOT_A_NAME: Final = re.compile(
    r"\s(?:audiences?|markets?|demographics?|groups?|keywords?|dates?|steps?)(?!\w)", re.I
)
_LINK: Final = re.compile(
    r"\W{0,3}(?:\d{1,3}\s?%\W{0,3})?(?:of (?:the|our|this) (?:total )?(?:budget )?)?"
    r"(?:goes |should go |going )?(?:to|for|on|at|in|into|towards?|with|via|through)\s(?:the\s)?\W{0,4}",
    re.IGNORECASE,
)
_CLAUSE_END: Final = re.compile(r"\n+|(?<=[.;!?])\s+")
_TOTAL: Final = re.compile(
    r"\W{0,6}(?:total|sum|overall|remaining|remainder|budget|grand)(?!\w)", re.IGNORECASE
)
_EACH: Final = re.compile(r"(?<!\w)(?:each|apiece|respectively each)(?!\w)", re.IGNORECASE)
_BUDGET_NEAR: Final = re.compile(r"(?<!\w)(?:budget|total|overall)(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Allocation:
    """One retailer the response names: its amount (None if only named), the place, and its reason.

    `reason_words` counts the content words around it that no other retailer's reason has used before.
    """

    amount: float | None
    start: int
    end: int
    reason_words: int


class Mention(NamedTuple):
    """A retailer's name in the response."""

    name: str
    start: int
    end: int


def find_mentions(text: str, names: tuple[str, ...]) -> list[Mention]:
    """Each place where one of `names` stands as a name, in order."""
    if not names:
        return []
    found = []
    pattern, by_key = _pattern(names)
    for match in pattern.finditer(text):
        written = match[0]
        everyday = written.lower() in _EVERYDAY
        if everyday and (written.islower() or _NOT_A_NAME.match(text, match.end())):
            continue
        found.append(Mention(by_key[_key(written)], match.start(), match.end()))
    return found


def allocate(
    response: str, facts: Facts, amounts: Sequence[Amount], mentions: Sequence[Mention]
) -> dict[str, Allocation]:
    """Retailer → its allocation, for each retailer the response names; percentages are of the budget."""
    split = _Split(response, facts)
    for start, named, found in _clauses(response, mentions, amounts):
        split.read_clause(start, named, found)
    anchors = sorted(split.anchors.values(), key=lambda mention: mention.start)
    reasons = _reason_words(response, anchors)
    return {
        mention.name: Allocation(
            split.values.get(mention.name), mention.start, mention.end, reasons[mention.name]
        )
        for mention in anchors
    }


def _key(written: str) -> str:
    return re.sub(r"[\W_]+", "", written.lower())


@lru_cache(maxsize=128)
def _pattern(names: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern for all names, the longest first; apostrophes, spaces and hyphens may differ."""
    by_key = {_key(name): name for name in reversed(names) if _key(name)}
    forms = [
        "".join("['’]?" if c in "'’" else r"[\s-]{1,2}" if c in " -" else re.escape(c) for c in name)
        for name in sorted(by_key.values(), key=len, reverse=True)
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms) or '(?!)'})(?!\w)", re.IGNORECASE), by_key


def _clauses(
    response: str, mentions: Sequence[Mention], amounts: Sequence[Amount]
) -> Iterator[tuple[int, list[Mention], list[Amount]]]:
    """Each line or sentence that holds a mention or an amount: its start, and what it holds."""
    ends = [match.end() for match in _CLAUSE_END.finditer(response)]
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


class _Split:
    """The split as read so far, clause by clause."""

    def __init__(self, response: str, facts: Facts) -> None:
        self.response = response
        self.facts = facts
        self.values: dict[str, float] = {}
        self.anchors: dict[str, Mention] = {}  # the mention that has the amount, or else the first
        self._heading: Mention | None = None  # the one retailer of the last clause with names

    def read_clause(self, start: int, mentions: Sequence[Mention], found: Sequence[Amount]) -> None:
        for mention in mentions:
            self.anchors.setdefault(mention.name, mention)
        amounts = [amount for amount in found if not self._echoes_budget(amount, mentions, found)]
        if not mentions:
            if self._heading and not _TOTAL.match(self.response, start):
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
            until = min(until, mention.end + NEAR) if len(mentions) > len(amounts) else until
            own = [amount for amount in free if mention.end <= amount.start < until]
            if self._assign(mention, own):
                free = [amount for amount in free if amount not in own]
        for mention in mentions:
            own = [amount for amount in free if 0 <= mention.start - amount.end <= NEXT_TO]
            if self._assign(mention, own):
                free.remove(own[0])

    def _assign(self, mention: Mention, amounts: Sequence[Amount]) -> bool:
        """Give `mention` the first money of `amounts`, else the first percentage; whether it took one."""
        if mention.name in self.values:
            return False
        value = next((amount.value for amount in amounts if amount.kind == "money"), None)
        if value is None and self.facts.budget is not None:
            shares = (amount.value / 100 for amount in amounts if amount.kind == "percent")
            value = next((self.facts.budget * share for share in shares), None)
        if value is None:
            return False
        self.values[mention.name] = round(value, 2)
        self.anchors[mention.name] = mention
        return True

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
