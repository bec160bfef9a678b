"""Checks on use: can somebody act on the response, by when, and with what figures."""

import re
from typing import Final

from nodes.evidence.results import Evidence, Grade
from nodes.evidence.text import words

WANTED_STEPS: Final = 3
WANTED_FIGURES: Final = 3

_ACTIONS: Final = """
    add agree align analyse analyze appoint approve arrange ask assign audit begin book brief build
    buy call check collect compare complete confirm contact correct create decide define deliver
    deploy design develop document draft email ensure establish finalise finalize fix hire hold
    identify implement increase inform install invest keep launch limit list map measure meet merge
    monitor move negotiate order pause pilot place plan prepare prioritise prioritize publish
    rebuild record reduce refresh remove rename repair replace report request reserve review revise
    run schedule secure select send set share shift sign split start stop submit switch target test
    track train update upload use validate verify write
"""
_VERBS: Final = frozenset(_ACTIONS.split())
_STEP_LEAD: Final = re.compile(
    r"(?:(?:next|first|immediate) steps?:?\s|(?:next|first|second|third|then|finally|lastly|afterwards|"
    r"step \d{1,2}|week \d{1,2}|day \d{1,3}|phase \d)[\s,:.–-]{1,3}|(?:we|you|the team|they) (?:will|"
    r"should|must|"
    r"need to|can)\s"
    r"|(?:it is|it's) (?:important|essential|best) to\s|to do:?\s|action:?\s|[*_]{1,2})+",
    re.IGNORECASE,
)
_DATE: Final = re.compile(
    r"(?<!\w)(?:\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|Q[1-4]|H[12]|"
    r"(?:January|February|April|June|July|August|September|October|November|December|"
    r"Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?(?: \d{1,2})?|(?:in|by|until|from|of|early|late|mid)"
    r" (?:March|May)|"
    r"(?:March|May) \d{1,2}|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|"
    r"(?:week|day|month|phase|sprint|quarter) (?:\d{1,3}|one|two|three|four)|"
    r"(?:in|within|after|for|every|over) (?:the )?(?:next |first |last )?(?:\d{1,3}|two|three|four|six|a) "
    r"(?:days?|weeks?|months?|quarters?|hours?)|(?:this|next|each|every) (?:week|month|quarter|year)|"
    r"(?:today|tomorrow|weekly|monthly|quarterly|daily|Black Friday|Cyber Monday|Thanksgiving|Christmas|"
    r"Easter|"
    r"Prime Day|Labor Day|Memorial Day|end of (?:the )?(?:week|month|quarter|year)))(?!\w)"
)
_OWNER: Final = re.compile(
    r"(?<!\w)(?:(?:media|brand|sales|marketing|creative|legal|data|finance|analytics|category|retail|"
    r"e-?commerce|"
    r"compliance|product|insights|shopper|planning|account|trade|IT) (?:team|manager|lead|director|"
    r"analyst|buyer|"
    r"planner|officer|counsel|owner|specialist)s?|owner|responsible|accountable|assigned to|led by|agency|"
    r"our (?:team|buyer|agency|planner))(?!\w)",
    re.IGNORECASE,
)
_FIGURE: Final = re.compile(r"(?<![\w.])\d{1,15}(?:[.,]\d{1,6}){0,5}(?!\w)")
_CALL: Final = re.compile(
    r"(?<!\w)(?:shop|buy|order|try|discover|visit|grab|get|add (?:it|them|one)|join|sign up|subscribe|"
    r"learn more|"
    r"find (?:it|yours|them|out|us)|click|tap|download|save|stock up|treat yourself|pick up|taste|"
    r"explore|start|book|"
    r"swipe|scan|come|head (?:to|over)|look for|don['’]t miss|see)(?!\w)",
    re.IGNORECASE,
)


def concrete_next_steps(evidence: Evidence) -> Grade:
    """Sentences that tell somebody to do something, over the three a plan needs."""
    steps = 0
    for sentence in evidence.sentences[:500]:
        lead = _STEP_LEAD.match(sentence)
        rest = words(sentence[lead.end() if lead else 0 :][:200])
        steps += len(rest) >= 4 and rest[0] in _VERBS
    if steps == 0:
        return Grade(0.0, "No concrete step.")
    return Grade(min(1.0, steps / WANTED_STEPS), f"{steps} concrete step{'s' if steps > 1 else ''}.")


def dates_or_owners_present(evidence: Evidence) -> Grade:
    """Different dates and owners, over the two a plan needs."""
    text = evidence.response[:50_000]
    found = {match[0].lower() for pattern in (_DATE, _OWNER) for match in pattern.finditer(text)}
    if not found:
        return Grade(0.0, "No date and no owner.")
    return Grade(min(1.0, len(found) / 2), f"Dates or owners: {len(found)}.")


def figures_present(evidence: Evidence) -> Grade:
    """Different figures, over the three a checked statement needs; list numbers don't count."""
    figures = {match[0] for sentence in evidence.sentences[:500] for match in _FIGURE.finditer(sentence)}
    value = min(1.0, len(figures) / WANTED_FIGURES)
    return Grade(
        value, f"{len(figures)} figure{'' if len(figures) == 1 else 's'}." if figures else "No figures."
    )


def call_to_action_present(evidence: Evidence) -> Grade:
    """1 if a sentence opens with a call to action, 0.4 if one stands inside a sentence."""
    for sentence in evidence.sentences[:500]:
        if _CALL.match(sentence):
            return Grade(1.0, "Has a call to action.")
    match = _CALL.search(evidence.response[:50_000])
    if match:
        return Grade(0.4, "The call to action is hidden.", match.span())
    return Grade(0.0, "No call to action.")
