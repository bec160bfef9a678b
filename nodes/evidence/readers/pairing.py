"""Pairs names and amounts in prose, clause by clause, as a reader does: what stands together belongs together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.document import Clause, Document
from rlhf.nodes.evidence.readers.facts import Facts
from rlhf.nodes.evidence.readers.readings import Beside, BesideKind
from rlhf.nodes.evidence.readers.retailers import Mention
from rlhf.prompts.words import load_words, lowered

MAX_IN_CLAUSE: Final = 60  # no honest sentence holds more; pairing compares each name with each amount
NEXT_TO: Final = 4  # characters that may stand between a name and an amount that touch
NEAR: Final = 25  # and between a name and an amount where there are fewer amounts than names

_LINK: Final = re.compile(
    r"\W{0,3}(?:\(?\d{1,3}(?:[.,]\d)?\s?%\)?\W{0,3})?(?:of (?:the|our|this) (?:total )?(?:budget|money|spend|pot)? ?)?"
    r"(?:goes |go |should go |will go |going |flows? |gehen |geht |fließen |va |vont |van |"
    r"irá |vai |vão |is |are |set aside |reserved |(?:of it )?)?"
    r"(?:to|for|on|at|in|into|towards?|with|via|through|behind|against|an|für|auf|bei|zu|"
    r"in den|à|chez|pour|sur|a|para|en|em|no|na|ao|à)\s"
    r"(?:the\s|le\s|la\s|el\s|o\s)?\W{0,4}",
    re.IGNORECASE,
)
_LOOSE_LINK: Final = re.compile(
    r"[,)]{0,2}\s(?:(?!(?:and|und|et|y|e|because|since|but|while|plus|which|of|from|than)\s)[\w'’-]+\s){1,4}"
    r"(?:to|for|on|at|in|into|towards?|with|behind|an|für|auf|bei|zu|à|chez|pour|sur|a|para|en|em|no|na|ao)\s"
    r"(?:the\s|le\s|la\s|el\s|o\s)?[*_\"“]{0,3}",
    re.IGNORECASE,
)
_EACH: Final = re.compile(
    r"(?<!\w)(?P<each>each(?: of (?:the )?(?:them|two|three|four|five|six))?|"
    r"every one(?: of (?:the )?(?:them|two|three|four|five|six))?|apiece|jeweils|je|chacun|"
    r"chacune|cada uno|cada um)(?!\w)|"
    r"(?<!\w)(?P<evenly>evenly|equally|half and half|"
    r"between them|fifty-fifty)(?!\w)",
    re.IGNORECASE,
)
_AND: Final = re.compile(r"\s?(?:,|&|,? and|/|\+|und|et|y|e)\s|/|\+", re.IGNORECASE)
_TOGETHER: Final = re.compile(
    r"(?<!\w)(?:together|combined|jointly|between them|in total|share|shares|split|zusammen|"
    r"gemeinsam|ensemble|juntos|juntas|en conjunto)(?!\w)",
    re.IGNORECASE,
)
_OWN_AMOUNT: Final = re.compile(
    r"\W{0,8}(?:amount|budget|spend|total|allocation|investment|betrag|montant|importe|presupuesto|valor|verba)(?!\w)",
    re.IGNORECASE,
)
_BUDGET_NEAR: Final = re.compile(
    r"(?<!\w)(?:budget|total|overall|to spend|available|pot|gesamt|presupuesto|orçamento)(?!\w)",
    re.IGNORECASE,
)
_APART: Final = re.compile(
    r"(?<!\w)(?:keep|keeps|kept|hold|holds|leave|leaves|leaving|remaining|rest|plus|behalten|und|reste|queda|sobra)(?!\w)[^.;()]{0,30}$"
)


@dataclass(slots=True)
class Taken:
    """What one retailer has been given: its amounts, and the percentage written beside them."""

    mention: Mention
    amount: Amount | None = None
    parts: bool = False
    """Whether the amount is the sum of the list items below the name."""
    share: Amount | None = None
    line: bool = False
    """Whether a line of its own, opening with the name, gives the amount."""
    later: list[Amount] = field(default_factory=list)
    """Amounts that stand with later mentions of the name."""


class Reader:
    """The split as read so far, clause by clause."""

    def __init__(self, document: Document, facts: Facts) -> None:
        self.response = document.text
        self.low = lowered(document.text)
        self.document = document
        self.facts = facts
        self.taken: dict[str, Taken] = {}  # with the mention that has the amount, or else the first
        self.beside: list[Beside] = []
        self.groups: list[tuple[tuple[str, ...], Amount]] = []
        self.free: list[Amount] = []
        self._heading: Mention | None = None  # the one retailer of the last clause with names
        self._unit = -1
        self._words = load_words()
        self._kept_before = self._words.pattern("reserves", "fees", "other_lines")

    def read_clause(
        self, clause: Clause, mentions: Sequence[Mention], found: Sequence[Amount], conditional: bool = False
    ) -> None:
        for mention in mentions:
            self.taken.setdefault(mention.name, Taken(mention))
        unit = self.document.units[clause.unit]
        new_unit = clause.unit != self._unit
        self._unit = clause.unit
        if new_unit and not mentions and self._heading is not None and not self._stands_under(clause.unit):
            self._heading = None
        amounts = [amount for amount in found if not self._echoes_budget(amount, mentions, found)]
        kept = [
            (amount, kind, label)
            for amount in amounts
            if (kept := self._kept(amount, clause, mentions))
            for kind, label in [kept]
        ]
        if (
            self._heading is not None and not mentions
        ):  # under a retailer "Search: $150K" is a part of its amount
            kept = [each for each in kept if each[1] != "other"]
        for amount, kind, label in kept[:2]:
            self._put_beside(amount, kind, label)
        amounts = [amount for amount in amounts if amount not in [each for each, _, _ in kept]]
        if conditional:  # "if July is weak, move $20K": only what nothing else says
            amounts = [a for a in amounts if any(self.taken[m.name].amount is None for m in mentions)]
        if not mentions:
            if self._heading and not kept and not self._is_total_line(clause.start):
                self._add_below(self._heading, amounts, unit.start, unit.kind == "item")
            else:
                self.free += [a for a in amounts if a.kind == "money"]
            return
        names = {mention.name for mention in mentions}
        self._heading = mentions[-1] if len(names) == 1 else None
        self._correct(clause, mentions, amounts)
        before = {name: self.taken[name].amount for name in names}
        self._pair(mentions, self._share_out(mentions, amounts))
        used = [t.amount for t in self.taken.values()]
        for amount in amounts:
            if amount not in used and amount.kind == "money" and not any(amount is g for _, g in self.groups):
                owner = next((m.name for m in reversed(mentions) if m.end <= amount.start), None)
                if owner is not None and before.get(owner) is not None:
                    self.taken[owner].later.append(amount)
                else:
                    self.free.append(amount)

    def _correct(self, clause: Clause, mentions: Sequence[Mention], amounts: Sequence[Amount]) -> None:
        """A line that opens with a name and its amount counts for more than a sentence that named both before."""
        first = mentions[0]
        taken = self.taken[first.name]
        opening = (
            self.document.units[clause.unit].start
            <= first.start
            <= self.document.units[clause.unit].start + 4
        )
        own = [a for a in amounts if 0 <= a.start - first.end <= NEXT_TO and a.kind == "money"]
        if opening and own and taken.amount is not None and not taken.line and taken.amount.kind == "money":
            self.taken[first.name] = Taken(first, line=True)
        elif opening and own and taken.amount is None:
            taken.line = True

    def read_in_order(self, amounts: Sequence[Amount]) -> None:
        """ "45% for A, 30% for B and 25% for C. That is $360K, $240K and $200K": amounts in the order of the shares."""
        shared = [t for t in self.taken.values() if t.amount is not None and t.amount.kind == "percent"]
        if len(shared) < 2 or len(shared) != sum(t.amount is not None for t in self.taken.values()):
            return
        shared.sort(key=lambda t: t.amount.start if t.amount else 0)
        last = shared[-1].amount
        assert last is not None
        for clause in self.document.clauses:
            if clause.start < last.start:
                continue
            here = [
                a
                for a in amounts
                if a.kind == "money" and clause.start <= a.start < clause.end and not self._is_budget(a)
            ]
            between = [self.response[a.end : b.start] for a, b in pairwise(here)]
            if len(here) == len(shared) and all(_AND.fullmatch(gap) or gap == ", " for gap in between):
                for taken, amount in zip(shared, here, strict=True):
                    taken.share, taken.amount = taken.amount, amount
                self.free = [a for a in self.free if a not in here]
                return

    def _stands_under(self, unit: int) -> bool:
        """Whether the unit is below the line that named a retailer: its item, its heading, or the next lines of it."""
        heading = self._heading
        assert heading is not None
        above = list(self.document.heads(unit))
        if any(each.start <= heading.start < each.end for each in above):
            return True
        owner = self.document.unit_at(heading.start)
        if owner is None:
            return True
        own, here = self.document.units[owner], self.document.units[unit]
        if own.kind == "heading":
            return False
        return (own.kind == here.kind == "paragraph" and unit - owner <= 2) or (
            own.kind == "paragraph" and here.kind == "item"
        )

    def _is_total_line(self, start: int) -> bool:
        match = self._words.after("totals").match(self.low, start)
        return match is not None

    def _put_beside(self, amount: Amount, kind: BesideKind, label: str) -> None:
        value = amount.over(self.facts.days) if amount.kind == "money" else None
        if value is None:
            if self.facts.budget is None:
                return
            value = self.facts.budget * amount.value / 100
        if any(
            near.kind == kind and abs(near.value - value) < 1 and near.label == label for near in self.beside
        ):
            return  # told a second time
        self.beside.append(Beside(label, kind, value, amount.start, amount.end, amount.kind == "percent"))

    def _add_below(self, heading: Mention, amounts: Sequence[Amount], start: int, item: bool) -> None:
        """An amount on a line below a name is the name's; those of several list items are added up."""
        a_part = item and not _OWN_AMOUNT.match(self.response, start)
        taken = self.taken[heading.name]
        if self._assign(heading, amounts):
            self.taken[heading.name].parts = a_part
        elif a_part and taken.parts and taken.amount and amounts and amounts[0].kind == taken.amount.kind:
            sums = taken.amount.low + amounts[0].low, taken.amount.high + amounts[0].high
            taken.amount = replace(taken.amount, low=sums[0], high=sums[1], end=amounts[0].end)
        elif amounts and amounts[0].kind == "money":
            taken.later += [a for a in amounts if a.kind == "money"]

    def _share_out(self, mentions: Sequence[Mention], amounts: list[Amount]) -> list[Amount]:
        """Read "A and B get $300K each", "A and B share $600K evenly" and "A and B together $1.2M"."""
        if not mentions or not amounts:
            return amounts
        free = list(amounts)
        until = max(amounts[-1].end, mentions[-1].end) + 20
        for match in _EACH.finditer(
            self.response, max(0, min(mentions[0].start, amounts[0].start) - 40), until
        ):
            close = [a for a in free if 0 <= match.start() - a.end <= 4 or 0 <= a.start - match.end() <= 20]
            if match["evenly"]:
                close = [a for a in free if 0 <= match.start() - a.end <= 12]
            if not close:
                continue
            group = self._group_before(mentions, min(close[-1].start, match.start()))
            if len(group) < 2:
                group = self._group_after(mentions, max(close[-1].end, match.end()))
            if len(group) > 1:
                amount = close[-1]
                count = len(group) if match["evenly"] else 1
                part = replace(amount, low=amount.low / count, high=amount.high / count)
                for mention in group:
                    self._assign(mention, [part])
                free.remove(amount)
        for match in _TOGETHER.finditer(self.response, mentions[0].start, until):
            close = [
                a
                for a in free
                if a.kind == "money"
                and (0 <= match.start() - a.end <= 14 or 0 <= a.start - match.end() <= 24)
            ]
            group = self._group_before(mentions, min(close[-1].start, match.start())) if close else []
            names = tuple(dict.fromkeys(mention.name for mention in group))
            if len(names) > 1 and all(self.taken[name].amount is None for name in names):
                self.groups.append((names, close[-1]))
                free.remove(close[-1])
        return free

    def _joined(self, start: int, end: int) -> bool:
        """Whether names are parts of one list, what stands in brackets aside."""
        between = re.sub(r"^\s?\([^()]{0,80}\)", "", self.response[start:end])
        return _AND.fullmatch(between) is not None

    def _group_before(self, mentions: Sequence[Mention], place: int) -> list[Mention]:
        """The last names before `place` that stand in one list: "A, B and C"."""
        group: list[Mention] = []
        for mention in reversed([mention for mention in mentions if mention.end <= place]):
            if group and not self._joined(mention.end, group[-1].start):
                break
            group.append(mention)
        return group

    def _group_after(self, mentions: Sequence[Mention], place: int) -> list[Mention]:
        """The first names after `place` that stand in one list: "$300K each to A, B and C"."""
        group: list[Mention] = []
        for mention in [mention for mention in mentions if mention.start >= place]:
            if group and not self._joined(group[-1].end, mention.start):
                break
            if not group and mention.start - place > 12:
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
            linked = near and _LINK.fullmatch(self.response, near[-1].end, mention.start)
            before = max((m.end for m in mentions if m.end <= mention.start), default=0)
            loose = near and before <= near[-1].start and mention.start - near[-1].end < 36
            if linked or (loose and _LOOSE_LINK.fullmatch(self.response, near[-1].end, mention.start)):
                self._assign(mention, [near[-1], *self._beside_it(near[-1], free)])
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

    def _beside_it(self, amount: Amount, free: Sequence[Amount]) -> list[Amount]:
        return [a for a in free if a.kind == "percent" and amount.kind == "money" and self._beside(amount, a)]

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
        money = (
            sorted(money, key=lambda each: -each.over(self.facts.days)) if len(whole) < len(money) else money
        )
        chosen = next(iter(whole or money or (shares if self.facts.split_wanted else [])), None)
        if chosen is None:
            return False
        beside = next(
            (share for share in shares if chosen.kind == "money" and self._beside(chosen, share)), None
        )
        line = self.taken[mention.name].line
        self.taken[mention.name] = Taken(
            mention, chosen, share=beside, line=line, later=[a for a in money if a is not chosen]
        )
        return True

    def _beside(self, amount: Amount, share: Amount) -> bool:
        """Whether nothing but marks, "or" and "of the budget" stands between an amount and a percentage."""
        first, last = sorted((amount, share), key=lambda each: each.start)
        between = self.response[first.end : last.start].lower()
        left = re.sub(
            r"(?<!\w)(?:or|is|i\.e\.|that is|equals|about|of the (?:total )?(?:budget|plan)|of budget|"
            r"also|soit|das sind|ou|o|"
            r"des budgets|vom budget|du budget|del presupuesto|do orçamento|share)(?!\w)",
            "",
            between,
        )
        return len(between) <= 30 and not re.search(r"\w", left)

    def _kept(
        self, amount: Amount, clause: Clause, mentions: Sequence[Mention]
    ) -> tuple[BesideKind, str] | None:
        """What the amount is set aside for where that is no retailer: a reserve, a fee, a test."""
        since = max([clause.start, *(mention.end for mention in mentions if mention.end <= amount.start)])
        before = self.low[since : amount.start]
        if since == clause.start and len(before) <= 80:
            match = self._kept_before.search(before)
            if match and not re.search(r"(?<!\w)(?:to|for|into)\s*$", before[: match.start()][-6:] + " "):
                ahead = [m for m in mentions if 0 <= m.start - amount.end < 40]
                linked = ahead and _LINK.fullmatch(self.response, amount.end, ahead[0].start)
                if not linked and len(before.split()) <= 9:
                    return self._kind(match[0]), match[0]
        stop = min([clause.end, amount.end + 70, *(m.start for m in mentions if m.start >= amount.end)])
        after = self.low[amount.end : stop]
        match = re.match(
            r"\W{0,4}(?:%|(?:as|in|for|is|stays?|goes|go|to|into|a|an|the|our|my|kept|held|hold|set|"
            r"aside|small|central|of it|on|"
            r"remains?|left|back|als|für|in|eine?|comme|pour|en|como|para|de|reste|bleiben|bleibt|quedan?|fica|ficam|we|i|is|it|"
            r"unspent|reserved|\d+ ?%|of|budget)\W{1,3}){0,6}",
            after,
        )
        assert match is not None
        kept = self._kept_before.match(after, match.end())
        if kept is None:
            return None
        named = any(m.start - amount.end <= kept.end() + 12 and m.start >= amount.end for m in mentions)
        if named and self._kind(kept[0]) != "reserve":
            return None
        apart = since == clause.start or _APART.search(before)
        return (self._kind(kept[0]), kept[0]) if apart else None

    def _kind(self, label: str) -> BesideKind:
        if self._words.pattern("reserves").match(label):
            return "reserve"
        return "fee" if self._words.pattern("fees").match(label) else "other"

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
        return "of " in before or bool(_BUDGET_NEAR.search(around)) or not mentions
