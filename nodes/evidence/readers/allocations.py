"""Who gets what by the response, what is set aside, the totals it states, and the reading in which it fits.

Tables first; prose is paired only where no table speaks. Each retailer gets the amount that clearly is its own.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.columns import Line, MoneyTable, read_table
from rlhf.nodes.evidence.readers.document import Clause, Document
from rlhf.nodes.evidence.readers.facts import Facts
from rlhf.nodes.evidence.readers.pairing import MAX_IN_CLAUSE, Reader, Taken
from rlhf.nodes.evidence.readers.readings import (
    NOTHING_READ,
    Beside,
    BesideKind,
    Reading,
    Verdict,
    near,
    slack_of,
    step_of,
    sums,
)
from rlhf.nodes.evidence.readers.retailers import Mention
from rlhf.nodes.evidence.readers.roles import role_of
from rlhf.nodes.evidence.readers.sums import equation_results
from rlhf.nodes.evidence.readers.text import content_words, last_match, words
from rlhf.prompts.words import load_words, lowered

_STATED_BEFORE: Final = re.compile(r"(?!\s(?:budget|media budget))[^.\n$€£%]{0,24}$")
_STATED_AFTER: Final = re.compile(
    r"\s(?:in total|altogether|overall|all told|in all|all in all|combined|in sum|insgesamt|"
    r"zusammen|au total|en tout|en total|no total|ao todo)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Allocation:
    """One retailer the response names: its amount (None if only named), the place, and its reason.

    `low` and `high` differ from `amount` in a range; `share` is the percentage written beside an amount of money.
    `start` and `end` are the amount's place, or else the name's. `reason_words` counts the content words around it
    that no other retailer's reason has used before. `unknown` marks an amount that cannot be read, or one that is
    given to several retailers together.
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
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """The whole split: retailer → allocation, what else is set aside, the totals stated, and how it was read."""

    allocations: dict[str, Allocation] = field(default_factory=dict)
    beside: tuple[Beside, ...] = ()
    totals: tuple[Amount, ...] = ()
    reading: Reading = NOTHING_READ
    wrong_totals: tuple[Amount, ...] = ()
    """Totals that no reading comes to."""
    unread: bool = False
    """Whether money stands in the response that could not be given to anybody."""

    @property
    def kept(self) -> tuple[float, ...]:
        """What is counted beside the retailers."""
        return tuple(each.value for each in self.reading.counted)


def allocate(
    document: Document, facts: Facts, amounts: Sequence[Amount], mentions: Sequence[Mention]
) -> Split:
    """The split as the response writes it; percentages are of the budget."""
    names = tuple(dict.fromkeys((*facts.retailers, *facts.caps)))
    tables = [
        table
        for grid in document.grids
        if (table := read_table(document.text, grid, names, facts.aliases, facts.budget)) is not None
    ]
    main = max(tables, key=lambda table: len({n for line in table.lines for n in line.names}), default=None)
    if main is not None and not any(line.names for line in main.lines):
        main = None
    readings = range(main.readings) if main else range(1)
    prose = _Prose(document, facts, amounts, mentions, tables)
    found = [_split(document, facts, mentions, prose, main, reading) for reading in readings]
    fitting = next(
        (split for split in found if split.reading.verdict == "fits" and not split.wrong_totals), None
    )
    fitting = fitting or next((split for split in found if split.reading.verdict == "fits"), None)
    return fitting or found[0]


_UNIT_STATED: Final = re.compile(
    r"(?<!\w)(?:in|en|em)\s(?:thousands?|millions?|tausend|tsd\.?|mio\.?|milliers|miles|milhares|[$€£]?\s?000s?|k[$€]|teur|[$€£]k)(?!\w)"
    r"|[$€£]\s?000(?![\d,.])|(?:thousands?|tausend|milliers|miles|milhares) (?:of|de|d['’])",
    re.IGNORECASE,
)
_CONDITION: Final = re.compile(
    r"\W{0,4}(?:if|should|in case|unless|wenn|falls|sollte|si|au cas où|se|caso)(?!\w)", re.IGNORECASE
)
_EARLIER: Final = re.compile(
    r"(?<!\w)(?:you (?:proposed|asked|suggested|had)|last (?:year|spring|autumn|"
    r"season) \w+ (?:had|got|took|was)|previously|"
    r"it said|by mistake|originally|im vorjahr|l['’]an dernier|el año pasado|no ano passado)(?!\w)",
    re.IGNORECASE,
)
_LINKED: Final = re.compile(
    r"\s(?:k\s)?(?:goes |go |flows? |)(?:to|for|on|at|into|with|behind|an|für|auf|à|pour|a|para|en|em)\s(?:the\s)?",
    re.IGNORECASE,
)
_TAKES: Final = re.compile(
    r"(?:\s?[:=–—-]\s?|\s?[.…_]{2,40}\s?|\s\(|\s(?:gets?|takes?|receives?|has|at|with|bekommt|erhält|reçoit|"
    r"recibe|recebe)\s(?:only |about )?|\s)",
    re.IGNORECASE,
)


def _bare(
    document: Document, facts: Facts, figures: Sequence[Amount], mentions: Sequence[Mention]
) -> list[Amount]:
    """Plain numbers that stand with names as amounts do ("220 to Amazon, 180 to Walmart"), in the likely unit.

    They count only where they stand with at least two names, and only in a unit in which they come near the budget.
    """
    text = document.text
    starts = [each.start for each in figures]
    found: dict[str, Amount] = {}
    for mention in mentions:
        if mention.name in found:
            continue
        near = bisect_left(starts, mention.start - 70), bisect_left(starts, mention.end + 44)
        for each in figures[near[0] : near[1]]:
            if each.kind != "number" or not 0 < each.value < 1e9 or each.start > mention.end + 44:
                continue
            ahead = 0 < mention.start - each.end < 26 and _LINKED.fullmatch(text, each.end, mention.start)
            behind = 0 < each.start - mention.end < 44 and _TAKES.fullmatch(text, mention.end, each.start)
            counted = re.match(r"\s?(?:[a-z]{3,}|%)", text[each.end : each.end + 12]) if behind else None
            stop = (
                re.match(r"\s?(?:for|because|as|since|to|and|on|in)\b", text[each.end : each.end + 12])
                if counted
                else None
            )
            if ahead or (behind and (not counted or stop)):
                found[mention.name] = each
                break
    if len(found) < 2 or facts.budget is None:
        return []
    total = sum(each.value for each in found.values())
    for factor in (1.0, 1e3, 1e6):
        if 0.5 <= total * factor / facts.budget <= 1.6:
            return [
                replace(a, kind="money", low=a.low * factor, high=a.high * factor) for a in found.values()
            ]
    return []


class _Prose:
    """What stands outside of tables, paired once."""

    def __init__(
        self,
        document: Document,
        facts: Facts,
        amounts: Sequence[Amount],
        mentions: Sequence[Mention],
        tables: Sequence[MoneyTable],
    ) -> None:
        inside = [(table.start, table.end) for table in tables]
        inside += [(u.start, u.end) for u in document.units if u.kind == "code" and not tables]
        outside = [a for a in amounts if not any(s <= a.start < e for s, e in inside)]
        named = [m for m in mentions if not any(s <= m.start < e for s, e in inside)]
        self.reader = Reader(document, facts)
        self.totals: list[Amount] = []
        self.unreadable = [a for a in outside if a.kind == "unknown"]
        terms = equation_results(document.text, outside)
        outside = [a for a in outside if a not in terms or a.kind == "percent"]
        readable = [a for a in outside if a.kind in ("money", "percent")]
        readable = sorted([*readable, *_bare(document, facts, outside, named)], key=lambda a: a.start)
        quoted = [(u.start, u.end) for u in document.units if u.kind == "quote"]
        if any(not any(s <= m.start < e for s, e in quoted) for m in named):
            readable = [a for a in readable if not any(s <= a.start < e for s, e in quoted)]
            named = [m for m in named if not any(s <= m.start < e for s, e in quoted)]
        next_mention, next_amount = 0, 0
        later: list[tuple[Clause, list[Mention], list[Amount]]] = []
        for clause in document.clauses:
            first_mention, first_amount = next_mention, next_amount
            while next_mention < len(named) and named[next_mention].start < clause.end:
                next_mention += 1
            while next_amount < len(readable) and readable[next_amount].start < clause.end:
                next_amount += 1
            here = [m for m in named[first_mention:next_mention] if m.start >= clause.start][:MAX_IN_CLAUSE]
            there = [a for a in readable[first_amount:next_amount] if a.start >= clause.start][:MAX_IN_CLAUSE]
            if not here and not there:
                continue
            spent = [a for a in there if role_of(a, document.text, clause.start, clause.end) == "spend"]
            totals = [
                a for a in spent if _is_stated_total(a, document.text, self.reader.low, clause.start, here)
            ]
            self.totals += totals
            aside = _EARLIER.search(document.text, clause.start, clause.end)
            if aside or _CONDITION.match(document.text, clause.start):
                later.append((clause, here, spent))
                continue
            self.reader.read_clause(clause, here, [a for a in spent if a not in totals])
        for clause, here, spent in later:
            self.reader.read_clause(clause, here, spent, conditional=True)
        self.reader.read_in_order(readable)


def _split(
    document: Document,
    facts: Facts,
    mentions: Sequence[Mention],
    prose: _Prose,
    table: MoneyTable | None,
    number: int,
) -> Split:
    reader = prose.reader
    anchors = _anchors(mentions)
    reasons = _reason_words(document, anchors)
    found: dict[str, Allocation] = {}
    beside: list[Beside] = []
    groups: list[tuple[tuple[str, ...], float]] = []
    totals = list(prose.totals)
    subtotals: list[Amount] = []
    if table is not None:
        found, own_beside, own_totals, subtotals, own_groups = _from_table(table, number, facts, reasons)
        beside += own_beside
        totals = [*own_totals, *totals]
        groups += own_groups
    for name, taken in reader.taken.items():
        known = found.get(name)
        if known is None or (known.amount is None and not known.unknown):
            found[name] = _allocation(taken, facts, reasons.get(name, 0))
    for group, amount in reader.groups:
        if not any(found[name].amount is not None for name in group if name in found):
            groups.append((group, amount.over(facts.days)))
            for name in group:
                found[name] = replace(found[name], unknown=True)
    if table is None:
        beside += reader.beside
        beside += [Beside("", "free", a.over(facts.days), a.start, a.end) for a in reader.free[:12]]
    else:
        told = {round(each.value) for each in beside}
        beside += [replace(each, kind="free") for each in reader.beside if round(each.value) not in told]
    later = {name: taken.later for name, taken in reader.taken.items()} if table is None else {}
    split = Split(found, tuple(beside), tuple(totals))
    return _settled(document, facts, split, groups, subtotals, later, bool(prose.unreadable))


def _settled(
    document: Document,
    facts: Facts,
    split: Split,
    groups: Sequence[tuple[tuple[str, ...], float]],
    subtotals: Sequence[Amount],
    later: dict[str, list[Amount]],
    unreadable: bool,
) -> Split:
    """`split` with the reading that fits, or the likeliest one where none does."""
    given = {name: place for name, place in split.allocations.items() if place.amount is not None}
    together = sum(amount for _, amount in groups)
    by_share = bool(given) and all(place.by_share for place in given.values())
    units = Counter(
        step_of(document.text[place.start : place.end], place.amount or 0.0) for place in given.values()
    )
    target = facts.budget if facts.budget is not None else 100.0 if by_share else None
    factor = _unit_of(document.text, given, target)
    if factor != 1.0:
        given = {name: _times(place, factor) for name, place in given.items()}
        beside = tuple(replace(each, value=each.value * factor) for each in split.beside)
        split = replace(split, allocations={**split.allocations, **given}, beside=beside)
    low = sum(place.low for place in given.values()) + together
    high = sum(place.high for place in given.values()) + together
    middle = sum(place.amount or 0.0 for place in given.values()) + together
    missing = [
        name for name in facts.retailers if name not in given and not any(name in g for g, _ in groups)
    ]
    base = target
    best: tuple[Beside, ...] | None = None
    if target is not None and given:
        slack = slack_of(target, by_share, units)
        for counted in sums(split.beside):
            extra = sum(each.value for each in counted)
            if near(middle + extra, target, slack) or low + extra <= target <= high + extra:
                best = counted
                break
            if by_share and extra:  # shares of what is left when the rest is taken off
                left = target - sum(each.value for each in counted if not each.by_share)
                if near(middle * left / target, left, slack):
                    best, base = counted, left
                    break
        if best is None:
            again = _again(given, later, middle, target, slack, split.beside)
            if again is not None:
                given, best = again
                split = replace(split, allocations={**split.allocations, **given})
                middle = sum(place.amount or 0.0 for place in given.values()) + together
    if base is not None and target and base != target:
        scaled = {
            n: replace(
                p,
                amount=round((p.amount or 0.0) * base / target, 2),
                low=p.low * base / target,
                high=p.high * base / target,
            )
            for n, p in given.items()
        }
        split = replace(split, allocations={**split.allocations, **scaled})
        middle = sum(place.amount or 0.0 for place in scaled.values()) + together
    counted = best if best is not None else next(iter(sums(split.beside)), ())
    total = middle + sum(each.value for each in counted)
    vague = any(place.unknown for place in split.allocations.values() if place.amount is None) and not groups
    verdict: Verdict
    if best is not None:
        verdict = "fits"
    elif target is None or not given or vague or unreadable or (missing and total < target):
        verdict = "open"
    else:
        verdict = "off"
    wrong = (
        ()
        if unreadable or vague
        else _wrong_totals(split, facts, middle, groups, subtotals, by_share, units, missing)
    )
    return replace(
        split,
        reading=Reading(verdict, total, counted, base if _shares(given) else None),
        wrong_totals=wrong,
        unread=bool(unreadable or vague or any(each.kind == "free" for each in split.beside)),
    )


def _unit_of(text: str, given: dict[str, Allocation], target: float | None) -> float:
    """The unit of amounts that are far too small as they stand: thousands or millions, where that comes near."""
    total = sum(place.amount or 0.0 for place in given.values())
    if (
        target is None
        or len(given) < 2
        or not total
        or total > 0.02 * target
        or any(p.by_share for p in given.values())
    ):
        return 1.0
    stated = _UNIT_STATED.search(text) is not None
    for factor in (1e3, 1e6):
        ratio = total * factor / target
        if abs(ratio - 1) <= 0.001 or (stated and 0.5 <= ratio <= 1.6):
            return factor
    return 1.0


def _times(place: Allocation, factor: float) -> Allocation:
    return replace(
        place, amount=(place.amount or 0.0) * factor, low=place.low * factor, high=place.high * factor
    )


def _shares(given: dict[str, Allocation]) -> bool:
    return any(place.by_share or place.share for place in given.values())


def _again(
    given: dict[str, Allocation],
    later: dict[str, list[Amount]],
    middle: float,
    target: float,
    slack: float,
    beside: Sequence[Beside],
) -> tuple[dict[str, Allocation], tuple[Beside, ...]] | None:
    """One retailer read another way: by an amount of a later mention, or by all its amounts added up."""
    tried = 0
    more = {name: [a.value for a in amounts] for name, amounts in later.items() if amounts and name in given}
    if len(more) > 1:
        whole = middle + sum(map(sum, more.values()))
        for counted in list(sums(beside))[:8]:
            if near(whole + sum(each.value for each in counted), target, slack):
                longer = {n: _with_later(given[n], later[n]) for n in more}
                return {**given, **longer}, counted
    for name, amounts in later.items():
        place = given.get(name)
        if place is None or not amounts:
            continue
        first = place.amount or 0.0
        others = [(a.value, a) for a in amounts[:6]]
        everything = first + sum(value for value, _ in others)
        for value, amount in [(everything, amounts[-1])]:
            for counted in list(sums(beside))[:8]:
                tried += 1
                if tried > 400:
                    return None
                if near(middle - first + value + sum(each.value for each in counted), target, slack):
                    read = replace(
                        place,
                        amount=value,
                        low=value,
                        high=value,
                        start=min(place.start, amount.start),
                        end=max(place.end, amount.end),
                    )
                    return {**given, name: read}, counted
    return None


def _with_later(place: Allocation, later: Sequence[Amount]) -> Allocation:
    """The allocation with the amounts of later mentions added: phases, tactics, months."""
    value = (place.amount or 0.0) + sum(each.value for each in later)
    return replace(place, amount=value, low=value, high=value, end=max(place.end, later[-1].end))


def _wrong_totals(
    split: Split,
    facts: Facts,
    middle: float,
    groups: Sequence[tuple[tuple[str, ...], float]],
    subtotals: Sequence[Amount],
    by_share: bool,
    units: Counter[float],
    missing: Sequence[str],
) -> tuple[Amount, ...]:
    given = sorted(
        (place.start, place.amount, place.low, place.high)
        for place in split.allocations.values()
        if place.amount is not None
    )
    if len(given) < 2:
        return ()
    low = middle - sum(g[1] for g in given) + sum(g[2] for g in given)
    high = middle - sum(g[1] for g in given) + sum(g[3] for g in given)
    lines = sorted(
        [(start, amount) for start, amount, _, _ in given]
        + [(b.start, b.value) for b in split.beside if b.kind != "free"]
    )
    runs = {0.0}
    if len(lines) <= 40:
        runs = {
            sum(v for _, v in lines[a:b]) for a in range(len(lines)) for b in range(a + 2, len(lines) + 1)
        }
    wrong = []
    for stated in split.totals:
        slack = slack_of(stated.value, by_share, units)
        fits = any(
            low + extra - slack <= stated.value <= high + extra + slack
            for counted in sums(split.beside)
            for extra in [sum(each.value for each in counted)]
        )
        fits = fits or any(near(run, stated.value, slack) for run in runs)
        if facts.budget is not None and near(stated.value, facts.budget, 0.001 * facts.budget):
            fits = (
                fits or split.reading.verdict != "off" or True
            )  # the sum is what is wrong, and is found as such
        if stated.period is not None or (missing and stated.value > middle):
            fits = True
        if not 0.6 <= stated.value / max(middle, 1e-9) <= 1.67:
            fits = True  # a total of something else
        if any(place.start == stated.start for place in split.allocations.values()):
            fits = True
        if not fits:
            wrong.append(stated)
    return tuple(wrong)


def _from_table(
    table: MoneyTable, number: int, facts: Facts, reasons: dict[str, int]
) -> tuple[
    dict[str, Allocation], list[Beside], list[Amount], list[Amount], list[tuple[tuple[str, ...], float]]
]:
    found: dict[str, Allocation] = {}
    beside: list[Beside] = []
    totals: list[Amount] = []
    subtotals: list[Amount] = []
    groups: list[tuple[tuple[str, ...], float]] = []
    all_words = load_words()
    for line in table.lines:
        amount = line.amounts[number] if number < len(line.amounts) else None
        value = amount.value if amount is not None else _of_share(line.share, facts)
        if line.kind == "total":
            if amount is not None:
                totals.append(amount)
        elif line.kind == "subtotal":
            if amount is not None:
                subtotals.append(amount)
            if line.names and line.names[0] not in found and len(line.names) == 1 and amount is not None:
                found[line.names[0]] = _placed(line, amount, value, facts, reasons)
        elif line.kind == "beside":
            low = lowered(line.label)
            if value is None:
                continue
            kind: BesideKind = "other"
            if all_words.pattern("reserves").search(low):
                kind = "reserve"
            elif all_words.pattern("fees").search(low):
                kind = "fee"
            spot = amount or line.share
            beside.append(
                Beside(
                    line.label,
                    kind,
                    value,
                    spot.start if spot else line.start,
                    spot.end if spot else line.end,
                    amount is None,
                )
            )
        elif len(line.names) > 1:
            if value is not None:
                groups.append((line.names, value))
            for name in line.names:
                found.setdefault(
                    name, Allocation(None, line.start, line.end, reasons.get(name, 0), unknown=True)
                )
        elif line.names:
            name = line.names[0]
            placed = _placed(line, amount, value, facts, reasons)
            known = found.get(name)
            if known is None or known.amount is None:
                found[name] = placed
            elif placed.amount is not None:
                found[name] = replace(
                    known,
                    amount=known.amount + placed.amount,
                    low=known.low + placed.low,
                    high=known.high + placed.high,
                    end=placed.end,
                    share=None,
                )
    return found, beside, totals, subtotals, groups


def _placed(
    line: Line, amount: Amount | None, value: float | None, facts: Facts, reasons: dict[str, int]
) -> Allocation:
    name = line.names[0]
    spot = amount or line.share
    if value is None or spot is None:
        return Allocation(None, line.start, line.end, reasons.get(name, 0), unknown=line.unknown)
    low, high = (amount.low, amount.high) if amount is not None else (value, value)
    return Allocation(
        value,
        spot.start,
        spot.end,
        reasons.get(name, 0),
        low=low,
        high=high,
        currency=amount.currency if amount is not None else None,
        by_share=amount is None,
        share=line.share if amount is not None else None,
    )


def _of_share(share: Amount | None, facts: Facts) -> float | None:
    return None if share is None or facts.budget is None else round(facts.budget * share.value / 100, 2)


def _worth(amount: Amount, facts: Facts, bound: float | None = None) -> float | None:
    """Money as it is, over the time the budget covers; a percentage of the budget. `bound` is a range's own end."""
    if amount.kind == "money":
        whole = amount.over(facts.days)
        return round(whole if bound is None or not amount.value else whole * bound / amount.value, 2)
    share = amount.value if bound is None else bound
    return share if facts.budget is None else round(facts.budget * share / 100, 2)


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


def _is_stated_total(amount: Amount, text: str, low: str, start: int, mentions: Sequence[Mention]) -> bool:
    if amount.kind != "money" or amount.period:
        return False
    if any(0 < m.start - amount.end < 26 and _LINKED.fullmatch(text, amount.end, m.start) for m in mentions):
        return False
    since = max(start, amount.start - 70)
    window = low[since : amount.start]
    match = last_match(load_words().pattern("totals"), window)
    before = match is not None and _STATED_BEFORE.match(window, match.end()) is not None
    if not before and not _STATED_AFTER.match(text, amount.end):
        return False
    since = since + match.start() if match is not None and before else amount.start
    return not any(since <= mention.start < amount.start for mention in mentions)


def _anchors(mentions: Sequence[Mention]) -> list[Mention]:
    first: dict[str, Mention] = {}
    for mention in mentions:
        first.setdefault(mention.name, mention)
    return sorted(first.values(), key=lambda mention: mention.start)


def _reason_words(document: Document, anchors: Sequence[Mention]) -> dict[str, int]:
    """Content words from each name to the next, less those that an earlier retailer's part has used."""
    response = document.text
    used: set[str] = set()
    counts = {}
    names = {word for mention in anchors for word in content_words(words(mention.name))}
    for index, mention in enumerate(anchors):
        until = anchors[index + 1].start if index + 1 < len(anchors) else mention.end + 400
        own = set(content_words(words(response[mention.end : min(until, mention.end + 400)]))) - names
        counts[mention.name] = len(own - used)
        used |= own
    return counts
