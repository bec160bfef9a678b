"""Finds claims: promises that nobody can keep, and statements that need a proof the response does not have.

A claim that is denied, asked, quoted as a fault or advised against isn't made.
"""

import re
from collections.abc import Iterator
from typing import Final

_ILLS: Final = (
    r"(?:(?:[\w'’-]{1,15}\s){0,2}(?:diseases?|cancer|acne|insomnia|migraines?|anxiety|depression|diabetes|"
    r"arthritis|"
    r"eczema|psoriasis|illness(?:es)?|infections?|covid|flu|(?:common )?colds?(?! war)|age?ing|wrinkles|"
    r"hair loss|baldness|pain|"
    r"allerg\w+|"
    r"headaches?|obesity|cellulite))"
)
_GAIN: Final = (
    r"(?:buy|love|win|sell|works?|succeed|grow|increase|beat|rise|see|get|returns?|double|convert|come|make|"
    r"boost|improve|"
    r"lead|deliver|pay|profit|gain|outsell|bring|earn|raise|drive)(?!\w)"
)
FORBIDDEN: Final = re.compile(
    r"(?<!programmatic )(?<!money-back )(?<!money back )(?<!price )(?<!satisfaction )(?<!\w)guarantee(?:s|d|"
    r"ing)?(?!\w)"
    r"(?! (?:impressions|deals?|inventory|buys?|buying|placements?|minimum|delivery|slots?|of (?:origin|"
    r"quality)|period))(?! (?:\w+ ){0,3}(?:rights?|freedoms?|equality|access|protections?|privacy|libert(?:y|"
    r"ies)))"
    r"(?: to \w+)?"
    r"|(?<!\w)(?:garantiert|garantizad[oa]s?|garantiti?|garantis?)(?!\w)"
    r"|(?<!\w)(?:100\s?%|completely|totally|entirely|perfectly|absolutely) (?:safe|effective|natural cure|"
    r"risk[- ]free|"
    r"guaranteed|harmless)(?!\w)"
    r"|(?<!\w)(?:risk[- ]free|no[- ]risk|zero[- ]risk|without any risk|fool[- ]?proof|fail[- ]?safe|surefire|"
    r"sure[- ]fire)(?!\w)"
    r"|(?<!\w)(?:can ?not|can['’]t|can never|will never|won['’]t|never) (?:possibly )?(?:fails?|lose|"
    r"go wrong)(?!\w)"
    r"|(?<!\w)(?:always works?|works every time|works for everyone|never fails?)(?!\w)"
    rf"|(?<!\w)(?:will|must) (?:definitely|certainly|surely|always) {_GAIN}"
    rf"|(?<!\w)(?:(?:is|are) (?:sure|certain|bound) to|(?:definitely|certainly|surely) will) {_GAIN}"
    r"|(?<!\w)(?:we|i) (?:promise|assure you|pledge)(?!\w)"
    r"|(?<!\w)(?:there is |there['’]s )?no way (?:[\w'’-]+ ){1,4}(?:loses?|fails?)(?!\w)"
    r"|(?<!\w)(?:will |can |to )?(?:double|triple|quadruple)s? (?:your|the|our|their) (?:money|sales|income|"
    r"investment|"
    r"revenues?|profits?)(?!\w)|(?<!\w)get rich(?!\w)"
    rf"|(?<!\w)(?:prevent|cure|treat|heal|reverse|stop|eliminate|end|beat)(?:s|es|d|ed)? {_ILLS}(?!\w)"
    r"|(?<!\w)(?:cures?|heals)(?!\w)(?! (?:time|the (?:meat|ham|concrete)))|(?<!\w)(?:is|are) cured(?!\w)"
    r"|(?<!\w)miracle (?:cures?|product|cream|results?|drug|solution|weight|pill)|"
    r"(?<!\w)miraculous(?:ly)?(?!\w)"
    r"|(?<!\w)(?:detox(?:es|ify|ifies)|cleanses?|flush(?:es)?) (?:your|the) (?:liver|body|blood|kidneys|"
    r"organs|system)"
    r"|(?<!\w)los(?:e|ing) \d{1,3} ?(?:pounds?|lbs?|kg|kilos?|inches) (?:in|within) (?:\w+ ){1,3}"
    r"(?:days?|weeks?|months?|hours?)"
    r"|(?<!\w)(?:lose|drop|shed) weight (?:fast|quickly|overnight|effortlessly|without)(?!\w)"
    rf"|(?<!\w)say goodbye to {_ILLS}(?!\w)"
    r"|(?<!\w)(?:results?|returns?|success|sales|growth|profits?|wins?) (?:is|are|will be) (?:assured|"
    r"certain|secured?)(?!\w)"
    r"|(?<!\w)(?:no|zero|without(?: any)?|free of) side[- ]effects?(?!\w)"
    r"|(?<!\w)(?:instant(?:ly)?|overnight|immediate|permanent) (?:results?|cures?|relief|success|"
    r"weight loss)(?!\w)"
    r"|(?<!\w)works (?:overnight|instantly|immediately)(?!\w)",
    re.IGNORECASE,
)
_EXPERTS: Final = (
    r"(?:doctors?|physicians?|dermatologists?|dentists?|vets?|veterinarians?|pediatricians?|paediatricians?|"
    r"experts?|"
    r"scientists?|nutritionists?|pharmacists?|specialists)"
)
UNPROVEN: Final = re.compile(
    r"(?<!\w)(?:clinically|scientifically|medically|laboratory|lab)[- ](?:proven|tested|shown|"
    r"validated)(?!\w)"
    r"|(?<!\w)(?:studies|research|science|clinical trials?|tests) (?:have )?(?:shows?|shown|proves?|proved|"
    r"proven|"
    r"confirms?)(?!\w)"
    r"|(?<!\w)proven to (?!be |have )\w+"
    r"|(?<!\w)(?:backed|supported|confirmed) by (?:\w+ )?(?:science|research|studies|doctors)(?!\w)"
    r"|(?<!\w)(?:fda|epa|efsa|tüv)[- ](?:approved|cleared|certified)(?!\w)"
    r"|(?<!\w)kill(?:s|ing)? (?:99(?:\.9+)?\s?%|all)(?: of)?(?: the| all)? (?:germs|bacteria|viruses)(?!\w)"
    r"|(?<!\w)the only (?:[\w'’-]+ ){1,3}that (?:really|truly|actually)(?!\w)|(?<!\w)toxin[- ]free(?!\w)"
    rf"|(?<!\w)(?:\w+ (?:out of|in) (?:ten|\d+)|most|all|leading|many) {_EXPERTS} (?:recommend|agree|approve|"
    rf"trust|prefer)"
    rf"|(?<!\w){_EXPERTS}[- ](?:recommended|approved|tested|trusted|endorsed)(?!\w)"
    rf"|(?<!\w)(?:recommended|approved|endorsed|trusted|loved) by (?:\w+ )?{_EXPERTS}(?!\w)"
    r"|(?<!reason )(?<!step )(?<!option )(?<!priority )(?<!choice )(?<!tip )(?<!rule )(?<!phase )(?<!item )(?<!test )"
    r"(?<!goal )(?<!risk )(?<!store )(?<!line )(?<!point )(?<!\w)(?:#\s?1(?!\d)|number one|"
    r"no\. ?1(?!\d))(?!\w)"
    r"(?! (?:reason|priority|step|goal|risk|rule|task|question|is|was|in (?:the|our|this) (?:list|plan|"
    r"table)))"
    r"|(?<!\w)(?:world|nation|country|market|america|europe|germany|britain|uk|industry)['’]s (?:best|"
    r"leading|finest|"
    r"favou?rite|most|top|number)(?!\w)(?! interests?)"
    r"|(?<!some of the )(?<!one of the )(?<!\w)(?:best|finest|safest|healthiest|strongest|fastest|"
    r"greatest)(?: [\w'’-]+){0,4} (?:in the (?:world|market|"
    r"country|nation|industry|business)|on (?:the market|earth)|ever(?: made)?)(?!\w)"
    r"|(?<!\w)the (?:most|only) (?:effective|powerful|advanced|trusted|natural|"
    r"sustainable) (?:[\w'’-]+ ){0,4}"
    r"(?:in the world|on the market|available|there is)(?!\w)"
    r"|(?<!\w)100\s?%[- ](?:sustainable|natural|eco\w*|green|biodegradable|clean|chemical[- ]free|pure)(?!\w)"
    r"|(?<!\w)(?:climate|carbon|co2)[- ](?:neutral|positive|negative|free)(?!\w)"
    r"|(?<!\w)(?:eco|environmentally|environment|planet|earth|climate)[- ]friendly(?!\w)(?! (?:goods|"
    r"practices|options|trends|alternatives|policies))|"
    r"(?<!\w)zero emissions?(?!\w)"
    r"|(?<!\w)chemical[- ]free(?!\w)"
    r"|(?<!\w)(?:\d{1,4}\s?%|twice as|(?:\w+|\d+) times(?: as)?|\d+x) ?(?:[\w-]+ ){0,1}(?:better|faster|"
    r"cleaner|stronger|longer|"
    r"more|less|brighter|safer|good|effective|fast|clean|strong)(?: [\w'’-]+){0,2} (?:than|as) (?:other|any|"
    r"all|ordinary|"
    r"regular|rivals?|leading|the (?:leading|competition|rest|others?)|competing|competitors|traditional|"
    r"every)(?: \w+)?"
    r"|(?<!\w)(?:works?|performs?|cleans?) better than (?:any|all|every|other)(?: \w+)?"
    r"|(?<!\w)(?:unbeatable|unrivall?ed|unmatched|second to none|undefeated|award[- ]winning)(?!\w)",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"(?<!\w)(?:not|no|never|nothing|cannot|can['’]t|don['’]t|doesn['’]t|isn['’]t|aren['’]t|won['’]t|neither|"
    r"avoid\w{0,3}|"
    r"without|remov(?:e|es|ing)|replac(?:e|es|ing)|instead of|rather than|delet(?:e|ing)|drop|strike|"
    r"flag(?:ged)?|"
    r"ban(?:ned)?|prohibit(?:s|ed)?|forbid(?:s|den)?|unproven|unsupported|unsubstantiated|misleading|"
    r"impl(?:y|ies)|"
    r"suggests?|claims?(?: like| such as| that)?|the (?:word|words|phrase|claim|term)s?|nor|cut|question|"
    r"prove|"
    r"proof (?:of|for|that)|evidence (?:of|for|that))(?!\w)[^.!?;\n]{0,30}$",
    re.IGNORECASE,
)
_OPENING: Final = "\"“«„'‘"
_CRITIQUE: Final = re.compile(
    r"(?<!\w)(?:risks?|risky|claims?|drop|avoid|replac\w+|remov\w+|needs?|proof|prove|study|studies|evidence|"
    r"impl\w+|"
    r"banned|forbidden|not allowed|unproven|unsupported|misleading|cannot be kept|can['’]t|substantiat\w+|"
    r"violat\w+|"
    r"whether|legal|check|ask|problem\w*|issue|strike|delete|illegal|overstat\w+|exaggerat\w+|unapproved|"
    r"word(?:s|ing)?|phrase|"
    r"flag\w*|soften|"
    r"change|rewrite|rephrase|promis\w+|absolute|breach\w*)(?!\w)",
    re.IGNORECASE,
)
_SUGGESTED: Final = re.compile(
    r"(?<!\w)(?:say|write|use|try|safer|better|rewrite|instead|reword\w*|alternative|"
    r"for example)\s?(?:instead|this|that|"
    r"wording|version)?\s?[:,]?\s?[\"“«„'‘]?$",
    re.IGNORECASE,
)
_ASKED: Final = re.compile(r"(?:can|could|does|do|is|are|will|would|who|should|did)\s", re.IGNORECASE)
_BACKED: Final = re.compile(
    r"(?<!\w)(?:back(?:s|ed)|stud(?:y|ies)|certif\w+|approved|evidence|substantiat\w+|word for word|"
    r"may (?:say|use)|allowed|"
    r"include the|use the|with the (?:claim|line|phrase)|must say|proves?)(?!\w)",
    re.IGNORECASE,
)
_STOP: Final = re.compile(r"[.!?\n](?=\s|$)|\n")


def made_claims(text: str, claim: re.Pattern[str], allowed: str, prompt: str) -> Iterator[re.Match[str]]:
    """The claims that `text` makes. `allowed` are terms the context requires; the prompt may back a claim too."""
    backed = " ".join(part for part in re.split(r"(?<=[.!?])\s", prompt) if _BACKED.search(part)).lower()
    for match in claim.finditer(text):
        said = match[0].lower()
        if said in allowed or (said in backed and "review" not in prompt.lower()):
            continue
        start, end = _sentence_around(text, match.start(), match.end())
        if not _is_only_mentioned(text, match, start, end):
            yield match


def _is_only_mentioned(text: str, match: re.Match[str], start: int, end: int) -> bool:
    if _DENIED.search(text, max(start, match.start() - 60), match.start()):
        return True
    if text[end - 1 : end] == "?" and _ASKED.match(text[start:end].lstrip(' \t-*•"')):
        return True
    single = text[match.start() - 1 : match.start()] in ("'", "‘") and text[
        match.end() : match.end() + 1
    ] in ("'", "’")
    quoted = single or (
        any(mark in text[max(start, match.start() - 40) : match.start()] for mark in _OPENING[:4])
        and any(mark in text[match.end() : match.end() + 60] for mark in '"”»“')
    )
    if not quoted:
        return False
    around = text[start : match.start()] + " " + text[match.end() : end]
    return bool(_CRITIQUE.search(around)) and not _SUGGESTED.search(text[start : match.start()].rstrip())


def _sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    before = max(
        (stop.end() for stop in _STOP.finditer(text, max(0, start - 300), start)), default=max(0, start - 300)
    )
    after = _STOP.search(text, end, min(len(text), end + 300))
    return before, after.end() if after else min(len(text), end + 300)
