"""Checks on use: can somebody act on the response, by when, and with what figures."""

import re
from collections.abc import Iterator
from typing import Final

from rlhf.nodes.evidence.findings import MOST, Finding
from rlhf.nodes.evidence.readers.dates import DATE, OWNER, owners_acting
from rlhf.nodes.evidence.readers.text import Sentence, words
from rlhf.nodes.evidence.readers.timeline import find_moments, time_faults
from rlhf.nodes.evidence.results import Evidence, Grade

WANTED_STEPS: Final = 3
WANTED_FIGURES: Final = 3
DATED_STEP: Final = 5
"""Words of a sentence with a date, in any language, that say what is done by then."""
READ_AT_MOST: Final = 50_000  # characters

_ACTIONS: Final = """
    add adjust agree align allocate analyse analyze appoint approve arrange ask assign audit begin block
    book brief build buy call change check choose clean close collect compare complete confirm contact
    correct count create cut decide define deliver deploy design develop document draft email ensure
    escalate establish file film finalise finalize find fix flag give hire hold identify implement
    improve increase inform install invest invite join keep launch limit list load log lower map mark
    measure meet merge monitor move negotiate notify open order pause pick pilot place plan post prepare
    print prioritise prioritize publish pull push put raise rank rebuild record reduce refresh reload
    remove rename repair replace report request rerun reserve restore review revise roll run sample
    schedule secure select send set share shift ship show sign speak split staff start stock stop submit
    switch talk target tell test track train trim turn update upload use validate verify widen write
"""
_VERBS: Final = frozenset(_ACTIONS.split())
ACTS: Final = frozenset(
    form
    for verb in _VERBS
    for form in (verb + "s", verb + "es", verb[:-1] + "ies" if verb.endswith("y") else verb + "s")
)
_NOT_NAMES: Final = """
    a ads an data each every everyone everything he i it its nobody nothing one our people reach results sales search
    she shoppers that the their there they this we what which who you your
"""
_OPENERS: Final = frozenset(_NOT_NAMES.split())
_STEP_LEAD: Final = re.compile(
    r"(?:(?:next|first|immediate) steps?:?\s|(?:next|first|second|third|then|finally|lastly|afterwards|also|"
    r"now|"
    r"please|owner:? [A-Z]\w+(?: [A-Z]\w+)?|"
    r"step \d{1,2}|week \d{1,2}|day \d{1,3}|phase \d|"
    r"(?:by|on|until|in|before|after|within|from|\d{1,2}) [^,.!?\n]{2,40}(?=,))[\s,:.–-]{1,3}|"
    r"(?:we|you|the team|they|it) (?:will|should|must|need to|can|have to)\s(?:also |then |now )?"
    r"|(?:it is|it's) (?:important|essential|best) to\s|to do:?\s|action:?\s|[*_]{1,2})+",
    re.IGNORECASE,
)
_ACTOR: Final = re.compile(
    r"(?:(?i:the|our|your|a) (?:[\w-]{1,20} ){0,2}(?i:team|manager|lead|director|analyst|buyer|planner|"
    r"officer|agency|"
    r"owner|specialist|coordinator)|(?P<who>[A-Z][a-zà-ÿ'’]{1,20}))(?: (?:from|"
    r"in) [\w-]{2,20})? (?P<verb>[a-z]{2,15}) "
)
_FIGURE: Final = re.compile(r"(?<![\w.])\d{1,15}(?:[.,]\d{1,6}){0,5}(?!\w)")
_CALL: Final = re.compile(
    r"(?<!\w)(?:shop|buy|order|try|discover|visit|grab|get|add (?:it|them|one|a|some|yours?)|join|sign up|"
    r"subscribe|"
    r"learn more|find (?:it|yours|them|out|us)|click|tap|download|save|stock up|treat yourself|pick (?:up|"
    r"one)|taste|"
    r"explore|start|book|swipe|scan|come|head (?:to|over)|look for|don['’]t miss|see|bring (?:home|one)|"
    r"give it)(?!\w)",
    re.IGNORECASE,
)


def concrete_next_steps(evidence: Evidence) -> Grade:
    """Sentences that tell somebody to do something, or say who does it, over the three a plan needs."""
    found = list(_steps(evidence))
    if not found:
        sentence = "No concrete step."
        return Grade(0.0, sentence, [evidence.found("no_step", 0, len(evidence.response), sentence)])
    count = len(found)
    return Grade(
        min(1.0, count / WANTED_STEPS), f"{count} concrete step{'s' if count > 1 else ''}.", found[:MOST]
    )


def dates_or_owners_present(evidence: Evidence) -> Grade:
    """Different dates and owners, over the two a plan needs."""
    text = evidence.response[:READ_AT_MOST]
    dates = [evidence.found("date", *match.span(), f"Date: {match[0]}.") for match in DATE.finditer(text)]
    told = {(each.start, each.end) for each in dates}
    dates += [
        evidence.found("date", each.start, each.end, f"Date: {text[each.start : each.end]}.")
        for each in find_moments(text)
        if not any(start < each.end and each.start < end for start, end in told)
    ]
    places = {match.span() for match in OWNER.finditer(text)} | set(
        owners_acting(text, ACTS, _not_people(evidence))
    )
    owners = [evidence.found("owner", *span, f"Owner: {text[span[0] : span[1]]}.") for span in sorted(places)]
    found = {each.quote.lower() for each in (*dates, *owners)}
    if not found:
        sentence = "No date and no owner."
        return Grade(0.0, sentence, [evidence.found("no_date_or_owner", 0, len(text), sentence)])
    return Grade(
        min(1.0, len(found) / 2),
        f"Dates or owners: {len(found)}.",
        [*dates[: MOST // 2], *owners[: MOST // 2]],
    )


def dates_possible(evidence: Evidence) -> Grade:
    """0 if a date misses the deadline that the prompt sets, or if the order of the dates cannot be; else nothing."""
    faults = list(time_faults(evidence.document, evidence.prompt))
    if not faults:
        return Grade(None, "No date contradicts another.")
    findings = [evidence.found(each.kind, each.start, each.end, each.sentence) for each in faults]
    return Grade(0.0, findings[0].sentence, findings)


def figures_present(evidence: Evidence) -> Grade:
    """Different figures, over the three a checked statement needs; list numbers don't count."""
    figures = {match[0] for sentence in evidence.sentences[:500] for match in _FIGURE.finditer(sentence.text)}
    value = min(1.0, len(figures) / WANTED_FIGURES)
    if not figures:
        none = evidence.found("no_figures", 0, len(evidence.response), "No figures.")
        return Grade(0.0, "No figures.", [none])
    amounts = [
        evidence.found("amount", each.start, each.end, f"Amount: {evidence.response[each.start : each.end]}.")
        for each in evidence.amounts[:MOST]
    ]
    return Grade(value, f"{len(figures)} figure{'' if len(figures) == 1 else 's'}.", amounts)


def call_to_action_present(evidence: Evidence) -> Grade:
    """1 if a sentence opens with a call to action, 0.4 if one stands inside a sentence."""
    for sentence in evidence.sentences[:500]:
        if match := _CALL.match(sentence.text):
            place = sentence.start, sentence.start + match.end()
            return Grade(1.0, "Has a call to action.", [_call(evidence, *place)])
    match = _CALL.search(evidence.response[:READ_AT_MOST])
    if match:
        return Grade(0.4, "The call to action is hidden.", [_call(evidence, *match.span())])
    none = evidence.found("no_call_to_action", 0, len(evidence.response), "No call to action.")
    return Grade(0.0, "No call to action.", [none])


def _call(evidence: Evidence, start: int, end: int) -> Finding:
    return evidence.found("call_to_action", start, end, f"Call to action: {evidence.response[start:end]}.")


def _steps(evidence: Evidence) -> Iterator[Finding]:
    not_people = _not_people(evidence)
    dated = [moment.start for moment in find_moments(evidence.response[:READ_AT_MOST])]
    for sentence in evidence.sentences[:500]:
        start = _step_start(sentence, not_people)
        ends = sentence.start + len(sentence.text)
        if start is None and any(sentence.start <= place < ends for place in dated[:200]):
            start = 0 if len(words(sentence.text)) >= DATED_STEP else None
        if start is not None:
            text = sentence.text
            yield evidence.found(
                "concrete_step",
                sentence.start + start,
                sentence.start + len(text),
                f"Step: {text[start : start + 60].strip()}",
            )


def _step_start(sentence: Sentence, not_people: frozenset[str]) -> int | None:
    """Where the step of a sentence starts: at an imperative, after "we should", or at the one who acts."""
    lead = _STEP_LEAD.match(sentence.text)
    start = lead.end() if lead else 0
    rest = words(sentence.text[start:][:200])
    if len(rest) >= 3 and rest[0] in _VERBS:
        return start
    actor = _ACTOR.match(sentence.text, start)
    if actor and actor["verb"] in ACTS and (actor["who"] or "").lower() not in not_people:
        return start
    return None


def _not_people(evidence: Evidence) -> frozenset[str]:
    """First words of names that are no owners: the retailers and the brand, and words that open sentences."""
    names = (*evidence.facts.retailers, evidence.facts.brand or "")
    return frozenset(name.split()[0].lower() for name in names if name) | _OPENERS
