"""Checks on responses that refuse, leak chat tokens or speak to the judge instead of answering."""

import re
import unicodedata
from typing import Final

from nodes.evidence.results import Evidence, Grade
from nodes.evidence.text import ramp
from prompts.neutralise import CONTROL_TOKEN, strip_invisible

_REFUSAL: Final = re.compile(
    r"(?<!\w)(?:as an? (?:ai|artificial intelligence|language model|large language)|"
    r"i(?:['’]m| am) (?:sorry,? (?:but|i)(?!\w)|unable|not able)|i (?:can(?:not|['’]t)|won['’]t|will"
    r" not|must decline)"
    r"(?: \w{1,12})? (?:help|assist|provide|answer|fulfil|fulfill|comply|complete|create|do that|"
    r"process|generate|"
    r"write|split|allocate|give|offer|recommend)|(?:i|we) (?:apologi[sz]e|regret) (?:but|that|for)|"
    r"(?:i )?(?:don['’]t|do not) have (?:enough |access|the (?:information|ability)))",
    re.IGNORECASE,
)
_TO_JUDGE: Final = re.compile(
    r"(?:rate|score|grade|mark|judge|give|award|assign)\s(?:it|me|this|my|the)?\s?"
    r"(?:this |the |above )?(?:response|answer|output|submission|reply|text)?\s?(?:a |an |as |with |at )?"
    r"(?:the )?(?:full (?:marks|score|points)|(?:highest|maximum|top|perfect|best)(?: possible)? "
    r"(?:score|level|rating|mark|grade)|(?:score|level|rating|grade) (?:of )?(?:a )?(?:5|five|10|ten|100)|"
    r"(?:5|five|10|ten|100)(?!\d|[.,]\d|\s?%|\w)(?: ?/ ?\d{1,3}| out of)?(?=\s*(?:$|[.!\n,;)\"']|stars?|"
    r"points?|/|out)))"
    r"|(?:ignore|disregard|forget|override|bypass)\s(?:all |any |the |your |every )*"
    r"(?:previous|prior|above|earlier|preceding|foregoing|given|judging|grading)?\s?"
    r"(?:instructions?|rubrics?|rules|criteria|guidelines|prompts?|checks)(?!\w)"
    r"|(?:dear|attention|note to|message to|hey|hello),? (?:the )?(?:judge|grader|evaluator|reviewer|ai"
    r" model|llm)s?(?!\w)"
    r"|you are (?:now )?(?:a |an |the )?(?:judge|grader|evaluator|impartial)"
    r"|[\"'{]\s{0,5}(?:level|score|rating|overall_score|verdict|grade)[\"']?\s{0,3}:\s{0,3}[\"']?(?:\d|"
    r"pass|accept)"
    r"|(?:final |my )?(?:verdict|level|score|rating)\s?[:=]\s?(?:5(?!\d|,\d|[.]\d)|10(?!\d|,\d)|"
    r"100(?!\d|,\d))(?:\s?/\s?\d{1,3})?"
    r"|(?:this|the) (?:response|answer) (?:deserves|merits|should (?:get|receive|be (?:rated|scored|"
    r"graded|given)))"
    r"|^\s{0,3}(?:system|assistant|user|human)\s?:|^\s{0,3}#{2,4}\s?(?:system|instruction|user|"
    r"assistant)(?:\s|:|$)"
    r"|<<<\s?/?(?:end|response|prompt|context)|end of (?:the )?response\W"
    r"|ignor(?:a|e|ez|iere[n]?|are)\s(?:\w{1,10}\s){0,3}(?:instrucciones|instructions|anweisungen|"
    r"istruzioni|instruções)"
    r"|忽略.{0,8}(?:指令|指示|说明)|無視.{0,4}|игнорируй\w{0,3}\s(?:\w{1,14}\s){0,2}инструкц|تجاهل.{0,12}التعليمات",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY_PHRASES: Final = re.compile(
    r"\W*(?:thought process|let['’]s (?:solve|think) (?:this|about this)?(?: problem)? ?(?:step by"
    r" step)?|solution|"
    r"final answer|answer|response|reasoning)\W*",
    re.IGNORECASE,
)


def no_chat_tokens(evidence: Evidence) -> Grade:
    """1 without leftover chat-control tokens, half with one, down to 0 with three."""
    found = list(CONTROL_TOKEN.finditer(evidence.response))
    if found:
        return Grade(ramp(len(found), 3, -1), f"{len(found)} chat tokens left in the text.", found[0].span())
    return Grade(1.0 if evidence.words else 0.0, "No chat tokens.")


def no_refusal(evidence: Evidence) -> Grade:
    """0 for a refusal at the start, half if more than 60 words of answer follow it."""
    match = _REFUSAL.search(evidence.response, 0, 300)
    if match is None:
        return Grade(1.0, "Not a refusal.")
    return Grade(0.5 if len(evidence.words) > 60 else 0.0, "The response refuses.", match.span())


def no_judge_injection(evidence: Evidence) -> Grade:
    """0 if the text speaks to the judge: asks for a level, forges a verdict or turn, or lifts the rules.

    What is hidden by invisible characters or look-alike letters (NFKC) is found too.
    """
    text = evidence.response
    match = _TO_JUDGE.search(text)
    if match:
        return Grade(0.0, "Text aimed at the judge.", match.span())
    plain = unicodedata.normalize("NFKC", strip_invisible(text))
    if plain != text and _TO_JUDGE.search(plain):
        return Grade(0.0, "Hidden text aimed at the judge.", (0, len(text)))
    if _EMPTY_PHRASES.fullmatch(text[:80]) and len(text) <= 80:
        return Grade(0.0, "An opening phrase without an answer.", (0, len(text)))
    return Grade(1.0, "Nothing is aimed at the judge.")
