"""Dates in order: deadlines that are missed, and sequences that cannot be.

Dates are read in the languages of prompts/words; "Week 3", "Day 5" and "Hour 20" are times of their own kind. A date
without a year lies within half a year of the one it is held against.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from rlhf.nodes.evidence.readers.document import Document
from rlhf.nodes.evidence.readers.text import STOPWORDS, content_words
from rlhf.nodes.evidence.readers.text import words as words_of
from rlhf.prompts.words import Words, load_words, lowered

Scale = Literal["calendar", "hour", "day", "week", "month", "phase"]
HALF_A_YEAR: Final = 183
_TO: Final = re.compile(
    r"\s?(?:to|until|till|through|–|-|—|bis(?: zum)?|au|al|a|à|e|and|und|até|"
    r"hasta(?: el)?)\s?(?:the\s|den\s|le\s|el\s|o\s)?",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(
    r"(?<!\w)(?:between|from|vom|von|zwischen|du|del|desde el|de|entre|from the)\s(?:the\s)?$", re.IGNORECASE
)
_AFTER_HEAD: Final = re.compile(
    r"\W*(?:after(?:wards)?|follow[- ]?up|danach|nachher|nachbereitung|après|suivi|después|depois|post[- ]event)\W*$",
    re.IGNORECASE,
)
_BEFORE_HEAD: Final = re.compile(
    r"\W*(?:before|preparation|prep|vorher|vorbereitung|avant|préparation|antes|preparación|preparação)\W*$",
    re.IGNORECASE,
)
_RELATIVE: Final = re.compile(
    r"(?<!\w)(?P<unit>hour|day|week|month|phase|woche|tag|semaine|jour|semana|día|dia)s?\s(?P<first>\d{1,3})(?:\s?[–-]\s?(?P<last>\d{1,3}))?(?!\w)",
    re.IGNORECASE,
)
_WITHIN: Final = re.compile(
    r"(?<!\w)(?:within|in|inside|innerhalb von|sous|en|dentro de|"
    r"em)\s(?P<n>\d{1,3})\s(?P<unit>hour|day|week|month)s?(?!\w)",
    re.IGNORECASE,
)
_UNITS: Final = {
    "woche": "week",
    "tag": "day",
    "semaine": "week",
    "jour": "day",
    "semana": "week",
    "día": "day",
    "dia": "day",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a span of time: days in a year of 372 (12 months of 31), or a number on a scale of its own."""

    first: int
    last: int
    year: int | None
    scale: Scale
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TimeFault:
    """What is wrong with a date: the deadline it misses, or why the order cannot be."""

    kind: Literal["deadline_missed", "impossible_order"]
    start: int
    end: int
    sentence: str


@lru_cache(maxsize=4)
def _pattern(words: Words) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(words.meanings("months"), key=len, reverse=True))
    day = r"\d{1,2}(?:st|nd|rd|th|\.|er|º)?"
    to = r"\s?(?:to|until|through|–|-|—|bis|au|al|a|and|und|e|y|et)\s?(?:the\s|den\s|le\s|el\s)?"
    return re.compile(
        r"(?<![\w.])(?:(?P<iso>\d{4})-(?P<im>\d{2})-(?P<id>\d{2})(?!\d)"
        rf"|(?P<d1>{day}){to}(?P<d2>{day})\s(?:of\s|de\s)?(?P<m2>{names})(?!\w)(?:,?\s(?:de\s)?(?P<y2>20\d\d))?"
        rf"|(?P<d>{day})\s(?:of\s|de\s)?(?P<m>{names})(?!\w)(?:,?\s(?:de\s)?(?P<y>20\d\d))?"
        rf"|(?P<mm>{names})\s(?P<md>\d{{1,2}})(?:st|nd|rd|th)?(?:\s?[–-]\s?(?P<md2>\d{{1,2}}))?(?![\d%])(?:,?\s(?P<my>20\d\d))?"
        r"|(?P<nd>\d{1,2})\.\s?(?P<nm>\d{1,2})\.(?P<ny>20\d\d)?(?!\d))"
    )


def find_moments(text: str) -> list[Moment]:
    """Every date of `text`, in order; two that a word for "to" joins are one span."""
    words = load_words()
    months = words.meanings("months")
    low = lowered(text)
    found: list[Moment] = []
    for match in _pattern(words).finditer(low):
        part = match.groupdict()
        last: int | None = None
        if part["iso"]:
            year, month, day = int(part["iso"]), int(part["im"]), int(part["id"])
        elif part["m2"]:
            year, month = int(part["y2"] or 0), int(months[part["m2"]])
            day, last = _int(part["d1"]), _int(part["d2"])
        elif part["m"]:
            year, month, day = int(part["y"] or 0), int(months[part["m"]]), _int(part["d"])
        elif part["mm"]:
            year, month, day = int(part["my"] or 0), int(months[part["mm"]]), int(part["md"])
            last = int(part["md2"]) if part["md2"] else None
        else:
            year, month, day = int(part["ny"] or 0), int(part["nm"]), int(part["nd"])
        if not (1 <= month <= 12 and 1 <= day <= 31 and (last is None or 1 <= last <= 31)):
            continue
        base = month * 31
        found.append(Moment(base + day, base + (last or day), year or None, "calendar", *match.span()))
    for match in _RELATIVE.finditer(low):
        unit = _UNITS.get(match["unit"], match["unit"])
        first = int(match["first"])
        found.append(Moment(first, int(match["last"] or first), None, unit, *match.span()))  # type: ignore[arg-type]
    found.sort(key=lambda each: each.start)
    return list(_joined(text, found))


def _int(written: str) -> int:
    return int(re.sub(r"\D", "", written) or 0)


def _joined(text: str, found: Sequence[Moment]) -> Iterator[Moment]:
    held: Moment | None = None
    for each in found:
        if (
            held is not None
            and held.scale == each.scale == "calendar"
            and _TO.fullmatch(text, held.end, each.start)
        ):
            held = replace(held, last=each.last, year=held.year or each.year, end=each.end)
            continue
        if held is not None:
            yield held
        held = each
    if held is not None:
        yield held


def _after(moment: Moment, other: Moment, last: bool = True) -> bool | None:
    """Whether `moment` ends (or, without `last`, starts) after the end of `other`; None where that is not known."""
    if moment.scale != other.scale:
        return None
    here = moment.last if last else moment.first
    gap = here - other.last
    if moment.scale == "calendar":
        if moment.year and other.year:
            gap += 372 * (moment.year - other.year)
        elif gap > HALF_A_YEAR:
            gap -= 372
        elif gap < -HALF_A_YEAR:
            gap += 372
    return gap > 0


def time_faults(document: Document, prompt: str) -> Iterator[TimeFault]:
    """Missed deadlines and impossible orders, each place once."""
    moments = find_moments(document.text)
    if not moments:
        return
    seen: set[int] = set()
    for fault in (
        *_reversed(document, moments),
        *_missed(document, prompt, moments),
        *_out_of_order(document, prompt, moments),
    ):
        if fault.start not in seen:
            seen.add(fault.start)
            yield fault


def _reversed(document: Document, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    for each in moments:
        wraps = each.scale == "calendar" and each.first - each.last > HALF_A_YEAR
        if each.last < each.first and not wraps:
            said = document.text[each.start : each.end]
            yield TimeFault("impossible_order", each.start, each.end, f"{said}: it ends before it starts.")


@dataclass(frozen=True, slots=True)
class _Deadline:
    moment: Moment
    about: frozenset[str]
    whole: bool
    event: bool


def _deadlines(prompt: str) -> Iterator[_Deadline]:
    words = load_words()
    low = lowered(prompt[:20_000])
    moments = find_moments(prompt[:20_000])
    within = [
        (match, Moment(int(match["n"]), int(match["n"]), None, match["unit"].lower(), *match.span()))  # type: ignore[arg-type]
        for match in _WITHIN.finditer(low)
    ]
    before = words.before("late_words")
    for moment in [*moments, *(each for _, each in within)]:
        sentence_start = max(low.rfind(mark, 0, moment.start) for mark in (". ", "? ", "! ", "\n", ": ")) + 1
        sentence_end = min(
            (place for mark in (". ", "? ", "! ", "\n") if (place := low.find(mark, moment.end)) >= 0),
            default=len(low),
        )
        sentence = low[sentence_start:sentence_end]
        match = before.search(low[sentence_start : moment.start])
        ranged = moment.first != moment.last
        if match is None and not any(each is moment for _, each in within):
            on = re.search(r"(?<!\w)(?:on|am|le|el|em|for)\s(?:\w+\s)?$", low[sentence_start : moment.start])
            if on and not ranged:
                yield _Deadline(moment, _stems(sentence), False, True)
            continue
        if ranged and match is None:
            continue
        event = match is not None and bool(
            re.match(
                r"(?:open|launch|start|begin|take|event|party|webinar|fair|conf|eröff|messe|ouv|salon|apert|feria|abert|feira)",
                match[0],
            )
        )
        whole = bool(
            re.search(
                r"(?<!\w)(?:everything|all of it|alles|tout|todo|tudo|(?:is|be|are) (?:done|finished|"
                r"complete|completed|ready|over))(?!\w)",
                sentence,
            )
        )
        yield _Deadline(moment, _stems(sentence), whole, event)


def _stems(text: str) -> frozenset[str]:
    return frozenset(
        word[:4] for word in content_words(words_of(text)) if len(word) >= 4 and word not in STOPWORDS
    )


def _missed(document: Document, prompt: str, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    words = load_words()
    deadlines = list(_deadlines(prompt))
    names = {word[:4] for word in words_of(prompt) if word[:1].isupper()}
    months = {name[:4] for name in words.meanings("months")}
    later = re.compile(
        r"(?<!\w)(?:review|measur|report|evaluat|follow|later|after|refund|learn|debrief|lesson|"
        r"result|thank|archiv|invoic|pay|lease|contract|renew|trial|sampl|keep|still|if |onward|"
        r"auswert|bilan|evalua|balance|avalia|not before|not a day)"
    )
    prepares = re.compile(
        r"(?<!\w)(?:rehears|prepar|set up|setup|deliver|train|brief|print|install|invit|build|"
        r"built|confirm|assembl|proof|generalprobe|aufbau|lieferung|schulung|répétition|livraison|"
        r"montage|ensayo|montaje|ensaio|treinamento|montagem)"
    )
    low = lowered(document.text)
    for deadline in deadlines:
        about = deadline.about - months - names
        for moment in moments:
            if _after(moment, deadline.moment) is not True:
                continue
            if (
                moment.scale == "calendar"
                and moment.last - deadline.moment.last > 130
                and not (moment.year and deadline.moment.year)
            ):
                continue
            clause = document.clause_at(moment.start)
            if clause is None:
                continue
            grid = document.in_grid(moment.start)
            span = low[clause.start : clause.end]
            if grid is not None:
                row = next((row for row in grid.rows if row[0].start <= moment.start <= row[-1].end), None)
                span = low[row[0].start : row[-1].end] if row else span
            own = _stems(span) - months - names
            if deadline.event:
                fits = bool(prepares.search(span)) and not later.search(span)
            elif deadline.whole:
                fits = not later.search(span)
            else:
                shared = own & about
                fits = (
                    bool(shared)
                    and not later.search(span)
                    and _after(moment, deadline.moment, last=False) is not False
                )
            if fits:
                said, due = (
                    document.text[moment.start : moment.end],
                    prompt[deadline.moment.start : deadline.moment.end],
                )
                yield TimeFault(
                    "deadline_missed", moment.start, moment.end, f"{said} is after the deadline, {due}."
                )


def _out_of_order(document: Document, prompt: str, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    low = lowered(document.text)
    events = [m for m in find_moments(prompt[:20_000]) if m.scale == "calendar" and m.first == m.last]
    previous: Moment | None = None
    previous_clause = None
    then = load_words().pattern("date_words")
    for moment in moments:
        clause, unit = document.clause_at(moment.start), document.unit_at(moment.start)
        if clause is None or unit is None:
            continue
        said = document.text[moment.start : moment.end]
        for head in document.heads(unit):
            title = document.text[head.start : head.end]
            if len(events) == 1 and moment.scale == "calendar":
                early = _after(events[0], moment)
                if _AFTER_HEAD.match(title) and early:
                    yield TimeFault(
                        "impossible_order",
                        moment.start,
                        moment.end,
                        f"{said} stands under {title.strip(' *#:')}, but comes before the day itself.",
                    )
                elif _BEFORE_HEAD.match(title) and _after(moment, events[0]):
                    yield TimeFault(
                        "impossible_order",
                        moment.start,
                        moment.end,
                        f"{said} stands under {title.strip(' *#:')}, but comes after the day itself.",
                    )
            own = [m for m in moments if head.start <= m.start < head.end]
            bare = (
                len(own) == 1
                and len(title.strip(" *#:_")) <= len(document.text[own[0].start : own[0].end]) + 8
            )
            if (
                bare
                and _after(own[0], moment)
                and re.search(r"(?<!\w)(?:has|have|is|are|was|were)\s\w+", low[clause.start : moment.start])
                and not re.search(r"(?<!\w)(?:since|already|until|from)\s", low[clause.start : moment.start])
            ):
                yield TimeFault(
                    "impossible_order",
                    moment.start,
                    moment.end,
                    f"{said} stands under {title.strip(' *#:')}.",
                )
        lead = low[clause.start : clause.start + 30].lstrip(" *-–(")
        follows = re.match(
            r"(?:once|after that|after this|afterwards|when that is done|when they|then|thereafter|"
            r"sobald|danach|anschließend|ensuite|puis|une fois|después|luego|una vez|depois|"
            r"em seguida|assim que)(?!\w)",
            lead,
        )
        if (
            follows
            and previous is not None
            and previous_clause is not clause
            and _after(previous, moment)
            and then
        ):
            yield TimeFault(
                "impossible_order",
                moment.start,
                moment.end,
                f"{said} is to come after {document.text[previous.start : previous.end]}.",
            )
        if previous_clause is not clause or previous is None or moment.last > previous.last:
            previous, previous_clause = moment, clause
    yield from _misplaced(document, moments)
    yield from _between_columns(document, moments)
    yield from _depending(document, moments)
    yield from _phases(document, moments)


def _misplaced(document: Document, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    """The one line out of its place in a list of lines that open with their dates, all others in order."""
    runs: list[list[Moment]] = [[]]
    previous = -2
    for number, unit in enumerate(document.units):
        own = next((m for m in moments if unit.start <= m.start <= unit.start + 4), None)
        if unit.kind == "row" or own is None:
            if unit.kind == "heading":
                continue
            runs.append([])
            continue
        if runs[-1] and (runs[-1][-1].scale != own.scale or number - previous > 3):
            runs.append([])
        runs[-1].append(own)
        previous = number
    for run in runs:
        if len(run) < 4:
            continue
        drops = [n for n in range(1, len(run)) if _before(run[n], run[n - 1])]
        if len(drops) != 1:
            continue
        at = drops[0]
        late = at - 1 if at == 1 or not _before(run[at], run[at - 2]) else at
        rest = [m for n, m in enumerate(run) if n != late]
        if not any(_before(rest[n], rest[n - 1]) for n in range(1, len(rest))):
            said = document.text[run[late].start : run[late].end]
            yield TimeFault(
                "impossible_order", run[late].start, run[late].end, f"{said} stands out of order."
            )


def _before(moment: Moment, other: Moment) -> bool:
    return _after(replace(other, last=other.first), replace(moment, last=moment.first)) is True


def _between_columns(document: Document, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    """Rows of a table whose end comes before their start."""
    for grid in document.grids:
        if not grid.headed:
            continue
        titles = [lowered(cell.text) for cell in grid.rows[0]]
        start = next(
            (
                n
                for n, t in enumerate(titles)
                if re.match(r"(?:start|begin|from|beginn|von|début|inicio|início)", t)
            ),
            None,
        )
        end = next(
            (
                n
                for n, t in enumerate(titles)
                if re.match(r"(?:end|finish|due|until|to(?!\w)|ende|bis|fin|fim)", t)
            ),
            None,
        )
        if start is None or end is None:
            continue
        for row in grid.rows[1:]:
            if max(start, end) >= len(row):
                continue
            first = next((m for m in moments if row[start].start <= m.start < row[start].end), None)
            last = next((m for m in moments if row[end].start <= m.start < row[end].end), None)
            if first and last and _before(last, first):
                yield TimeFault("impossible_order", last.start, last.end, "It ends before it starts.")


def _depending(document: Document, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    """Rows of a plan that start before a row they depend on has ended."""
    for grid in document.grids:
        if not grid.headed:
            continue
        titles = [lowered(cell.text).replace("_", " ") for cell in grid.rows[0]]
        depends = next(
            (
                n
                for n, title in enumerate(titles)
                if re.match(
                    r"(?:depends|depends on|after|needs|predecessor|dependency|dependencies|vorgänger|dépend|depende)",
                    title,
                )
            ),
            None,
        )
        if depends is None:
            continue
        rows: dict[str, list[Moment]] = {}
        for row in grid.rows[1:]:
            number = re.match(r"\W*(\d{1,3})", row[0].text)
            own = [m for m in moments if row[0].start <= m.start < row[-1].end]
            if number and own:
                rows[number[1]] = own
        for row in grid.rows[1:]:
            own = [m for m in moments if row[0].start <= m.start < row[-1].end]
            if not own or depends >= len(row):
                continue
            for number in re.findall(r"\d{1,3}", row[depends].text):
                earlier = rows.get(number)
                if earlier and _after(earlier[-1], replace(own[0], last=own[0].first)):
                    yield TimeFault(
                        "impossible_order",
                        own[0].start,
                        own[-1].end,
                        f"It starts before step {number}, which it depends on, has ended.",
                    )


def _phases(document: Document, moments: Sequence[Moment]) -> Iterator[TimeFault]:
    """Numbered phases of which a later one starts before an earlier one."""
    held: tuple[int, Moment] | None = None
    for number, match in enumerate(
        re.finditer(r"(?:phase|step|stage|schritt|étape|etapa|fase)\s(\d{1,2})(?!\w)", lowered(document.text))
    ):
        unit = document.unit_at(match.start())
        if number > 40 or unit is None:
            continue
        block = document.units[unit]
        if match.start() - block.start > 6:
            continue
        own = [
            m
            for m in moments
            if m.scale == "calendar" and block.start <= m.start < min(block.end, match.end() + 90)
        ]
        if not own:
            continue
        if (
            held is not None
            and int(match[1]) == held[0] + 1
            and _after(replace(held[1], last=held[1].first), replace(own[0], last=own[0].first))
        ):
            yield TimeFault(
                "impossible_order",
                own[0].start,
                own[0].end,
                f"Phase {match[1]} starts before phase {held[0]}.",
            )
        held = int(match[1]), own[0]
