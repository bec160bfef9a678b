"""Finds dates and owners: by when something is done, and by whom."""

import re
from collections.abc import Iterator
from typing import Final

_MONTH: Final = (
    r"(?:January|February|April|June|July|August|September|October|November|December|"
    r"Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Januar|Februar|Juni|Juli|Oktober|Dezember|März|Mai|"
    r"janvier|février|avril|juin|juillet|août|septembre|octobre|novembre|décembre|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)"
)
_NUMBER: Final = r"(?:\d{1,3}|one|two|three|four|five|six|seven|eight|nine|ten|twelve)"
DATE: Final = re.compile(
    rf"(?<!\w)(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}}|Q[1-4]|H[12]|KW ?\d{{1,2}}|"
    rf"\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?(?:{_MONTH}|March|May|Mar)(?:,? \d{{4}})?|"
    rf"(?:March|May|Mar|{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?(?!\d)(?:,? \d{{4}})?|"
    rf"(?:end|middle|start|beginning) of (?:{_MONTH}|March|May|(?:the )?(?:week|month|quarter|year))|"
    rf"(?:early|late|mid|in|by|until|from|of|before|after|during|since)[ -](?:March|May)|"
    rf"{_MONTH}(?: \d{{4}})?|"
    r"(?:every |each |next |on |by )?(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|"
    rf"(?:week|day|month|phase|sprint|quarter) {_NUMBER}|"
    rf"(?i:in|within|after|for|every|over) (?:the )?(?:next |first |last )?(?:{_NUMBER}|a) (?:business |"
    rf"working )?"
    rf"(?:days?|weeks?|months?|quarters?|hours?)|{_NUMBER} (?:days?|weeks?|months?) (?:before|after|from)|"
    r"(?:this|next|each|every) (?:week|month|quarter|year)|"
    r"(?:today|tomorrow|weekly|monthly|quarterly|daily|Black Friday|Cyber Monday|Thanksgiving|Christmas|"
    r"Easter|"
    r"Prime Day|Labor Day|Memorial Day))(?!\w)"
)
_ROLE: Final = (
    r"(?:team|manager|lead|director|analyst|buyer|planner|officer|counsel|specialist|coordinator|head|desk)"
)
_FIELD: Final = (
    r"(?:media|brand|sales|marketing|creative|legal|data|finance|analytics|category|retail|e-?commerce|"
    r"compliance|"
    r"product|insights|shopper|planning|account|trade|IT|field|design|store|supply|operations|PR|digital|"
    r"social|project|"
    r"campaign|content|growth|commercial|regional|launch|pricing|feed|research|procurement|logistics|"
    r"merchandising)"
)
_PERSON: Final = r"[A-Z][a-zà-ÿ'’-]{1,20}(?: [A-Z][a-zà-ÿ'’-]{1,20})?"
OWNER: Final = re.compile(
    rf"(?<!\w)(?:(?i:{_FIELD} {_ROLE}(?!s))|(?i:{_FIELD} (?:teams|managers|analysts|buyers|planners))|"
    rf"(?i:owner|owned by|responsible|accountable|assigned to|led by|lead|"
    rf"in charge)"
    rf"\s?[:=]?\s(?:the )?(?:{_PERSON}|(?i:{_FIELD})(?! (?i:{_ROLE})))|(?i:responsible|accountable|"
    rf"assigned to|led by)|"
    r"(?i:our (?:team|buyer|agency|planner|analyst)|the agency|brand owner|product owner))(?!\w)"
)


_ACTING: Final = re.compile(
    rf"(?:^|(?<=[.!?:;|,-] )|(?<=and )|(?<=\* )|(?<=\d\. )|(?<=\n))(?:[-*•] )?"
    rf"(?P<who>[A-Z][a-zà-ÿ'’]{{1,20}}|{_FIELD})(?: (?:from|in) [\w-]{{2,20}})? (?P<verb>[a-z]{{2,15}}) "
)


def owners_acting(text: str, acts: frozenset[str], not_people: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Names and departments that open a clause and do something: "Dana signs", "Finance approves"."""
    for match in _ACTING.finditer(text):
        if match["verb"].lower() in acts and match["who"].lower() not in not_people:
            yield match.span("who")
