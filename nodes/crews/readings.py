"""Reads a level from a model's answer: whatever is unambiguous, weighed by log-probabilities where there are any.

What is ambiguous stays a failure with its reason: two different levels, a schema echoed, a level outside the scale
or between two levels. Nothing is guessed and nothing is clamped.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rlhf.nodes.crews.levels import (
    MIN_COMPACT_MASS,
    MIN_MASS,
    Reading,
    Said,
    distribution,
    levels_at,
    place_of_level,
    token_at,
)
from rlhf.nodes.crews.objects import Doubled, Found, Torso, after_reasoning, found_in, only_reasoning
from rlhf.nodes.crews.shapes import DOUBLED, Path, Unreadable, key_like, unwrapped, verdict_of
from rlhf.nodes.endpoints.problem import TOOL_NAME
from rlhf.nodes.endpoints.text import answer_text, cleaned, is_objects
from rlhf.prompts.messages import VerdictAnswer
from rlhf.prompts.rubric import LEVELS
from rlhf.state.records import FailureKind

_REFUSAL: Final = re.compile(
    r"\A\W*(?:i['’]?m (?:very )?sorry|sorry,|i apologi[sz]e|as an ai"
    r"|i (?:can(?:no|['’])t|am (?:not able|unable)|won['’]?t))\b",
    re.IGNORECASE,
)

_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""What servers call the end of an answer at its token limit."""


Readings = dict[str, Reading | Unreadable]
"""What an answer says per dimension that was asked."""


def read_choice(choice: Mapping[str, Any], compact: bool) -> Reading:
    """Read the verdict in one choice of a chat completion (the protocol's `choices[i]`).

    Raises Unreadable for a refusal, an answer that was cut off, no verdict or two that differ, and a level that is
    none of 0–5.
    """
    said = _said(choice, compact)
    if compact:
        return _read_compact(said)
    candidates = _candidates(said.text)
    verdicts = [
        (found, *inner)
        for found in candidates
        if (inner := unwrapped(found.value, "level")) and not _is_quoted(said.text, found, inner[0])
    ]
    if not verdicts:
        raise _no_verdict(said.text, candidates)
    readings = [_reading(said, found, value, path) for found, value, path in verdicts]
    if len({reading.answer.level for reading in readings}) > 1:
        levels = ", ".join(str(reading.answer.level) for reading in readings)
        raise Unreadable(FailureKind.UNPARSABLE, f"it holds more than one verdict, with the levels {levels}")
    weighed = [reading for reading in readings if reading.levels is not None]
    return (weighed or readings)[0]


def read_combined(choice: Mapping[str, Any], dimensions: Sequence[str]) -> Readings:
    """Read the entries of a combined answer; a missing or bad one is Unreadable by itself.

    Raises Unreadable when the answer as a whole is none: a refusal, cut off, or no JSON object with a dimension.
    """
    said = _said(choice, compact=False)
    candidates = _candidates(said.text)
    answers = [(found, *inner) for found in candidates if (inner := unwrapped(found.value, *dimensions))]
    if not answers:
        if any(unwrapped(found.value, "level") for found in candidates):
            raise Unreadable(
                FailureKind.UNPARSABLE,
                "one verdict, where one JSON object with a key per dimension is asked for",
            )
        raise _no_verdict(said.text, candidates)
    every: list[Readings] = []
    for found, entries, path in answers:
        if isinstance(entries, Doubled):
            raise Unreadable(FailureKind.UNPARSABLE, DOUBLED)
        readings: Readings = {}
        for name in dimensions:
            key = key_like(entries, name)
            try:
                if key is None:
                    raise Unreadable(FailureKind.UNPARSABLE, "the entry is missing")
                readings[name] = _reading(said, found, entries[key], (*path, key))
            except Unreadable as unreadable:
                readings[name] = unreadable
        every.append(readings)
    for name in dimensions:
        read = [each for one in every if isinstance(each := one[name], Reading)]
        if len({each.answer.level for each in read}) > 1:
            every[-1][name] = Unreadable(FailureKind.UNPARSABLE, "two entries with different levels")
        elif read:
            every[-1][name] = read[-1]
    return every[-1]


def parse_answer(text: str) -> VerdictAnswer:
    """The verdict that a text holds. Raises Unreadable."""
    return read_choice({"message": {"content": text}}, compact=False).answer


def _candidates(text: str) -> list[Found]:
    """The whole JSON values of an answer. Raises Unreadable where it breaks off in one, or repeats a key."""
    found = found_in(text)
    whole = [each for each in found if isinstance(each, Found)]
    if any(isinstance(each, Torso) for each in found):
        raise Unreadable(FailureKind.UNPARSABLE, "not one JSON object: it breaks off before its end")
    return whole


def _is_quoted(text: str, found: Found, value: Mapping[str, Any]) -> bool:
    """Whether a verdict is one that the judge speaks of rather than its own: in quotes, or a bare level in prose.

    A response may hold a verdict to be taken for the judge's, and a good judge then says so.
    """
    before, after = text[after_reasoning(text) : found.start].rstrip(), text[found.end :].strip()
    if before.endswith(("'", '"', "“", "‘", "`")) and not before.endswith("```"):
        return True
    alone = re.fullmatch(r"(?:```\w*|\W)*", before) and re.fullmatch(r"[\W]*", after)
    return not alone and all(
        key_like(value, name) is None for name in ("rationale", "strengths", "weaknesses")
    )


def _no_verdict(text: str, candidates: Sequence[Found]) -> Unreadable:
    """Why an answer without a verdict is none."""
    if not text.strip():
        return Unreadable(FailureKind.UNPARSABLE, "the answer is empty")
    if any(isinstance(each.value, Doubled) for each in candidates):
        return Unreadable(FailureKind.UNPARSABLE, DOUBLED)
    if any(
        isinstance(each.value, dict) and {"properties", "$defs", "type"} & each.value.keys()
        for each in candidates
    ):
        return Unreadable(FailureKind.UNPARSABLE, "it repeats the schema instead of filling it in")
    if only_reasoning(text):
        return Unreadable(FailureKind.UNPARSABLE, "it holds only reasoning and never comes to the answer")
    plain = text[after_reasoning(text) :]
    if _REFUSAL.match(plain):
        return Unreadable(FailureKind.REFUSED, f"the judge refused: {plain.strip()[:80]!r}")
    return Unreadable(
        FailureKind.UNPARSABLE,
        f"not one JSON object with the keys asked for: {' '.join(plain.split())[:60]!r}",
    )


def _reading(said: Said, found: Found, value: Any, path: Path) -> Reading:
    """One verdict of an answer, with the distribution of its level where its place is known."""
    if isinstance(value, str | list) and (inner := unwrapped(value, "level")):
        value, path = inner[0], (*path, *inner[1])
    answer, replaced = verdict_of(value)
    key = key_like(value, "level") or "level"
    place = place_of_level(said.text, found, (*path, key), answer.level)
    levels = None if place is None else levels_at(said, place, MIN_MASS)
    return Reading(answer, levels, said.replaced + replaced)


def _said(choice: Mapping[str, Any], compact: bool) -> Said:
    """The text and the log-probabilities of an answer that was finished and is no refusal by protocol."""
    message = choice.get("message") or {}
    reason = str(choice.get("finish_reason") or "").lower()
    if message.get("refusal") or reason == "content_filter":
        raise Unreadable(FailureKind.REFUSED, "the judge refused to answer")
    text, replaced = cleaned(answer_text(message))
    calls = [call.get("function") or {} for call in message.get("tool_calls") or []]
    if len(calls) > 1 or any((call.get("name") or TOOL_NAME) != TOOL_NAME for call in calls):
        same = len({json.dumps(call, sort_keys=True) for call in calls}) == 1
        if not same or calls[0].get("name") != TOOL_NAME:
            raise Unreadable(FailureKind.UNPARSABLE, f"not one call of the function {TOOL_NAME!r}")
    if not compact and reason in _CUT:
        raise Unreadable(
            FailureKind.UNPARSABLE, "the answer was cut off at the token limit; keep it shorter", cut=True
        )
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    usable = is_objects(tokens) and all(is_objects(token.get("top_logprobs") or []) for token in tokens or ())
    return Said(text, tokens if usable and tokens is not None else [], replaced)


_BARE: Final = re.compile(
    r"[\s*_#`\"'“”]*(?:level|score|rating|answer|grade)?[\s*_:`\"'=]*"
    r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
    r"(?:\s*/\s*5|\s+out of 5)?[\s*_`\"'.“”]*",
    re.IGNORECASE,
)
"""A bare level, plain or in bold, alone or behind its name."""


def _read_compact(said: Said) -> Reading:
    start = after_reasoning(said.text)
    plain = said.text[start:]
    match = _BARE.fullmatch(plain)
    if match is None:
        if _REFUSAL.match(plain):
            raise Unreadable(FailureKind.REFUSED, f"the judge refused: {plain.strip()[:80]!r}")
        found = [
            each for each in found_in(said.text) if isinstance(each, Found) and unwrapped(each.value, "level")
        ]
        if len(found) == 1:
            [inner] = [unwrapped(each.value, "level") for each in found]
            assert inner is not None
            return _reading(said, found[0], *inner)
        raise Unreadable(FailureKind.UNPARSABLE, f"not one digit from 0 to 5: {plain.strip()[:40]!r}")
    word = match[1]
    if float(word) != int(float(word)) and 0 <= float(word) <= 5:
        raise Unreadable(FailureKind.UNPARSABLE, f"level {word} lies between two levels; the scale is whole")
    if float(word) not in LEVELS:
        raise Unreadable(FailureKind.OUT_OF_RANGE, f"level {word} is not one of 0 to 5")
    levels = None
    if said.tokens:
        spoken = [token for token in said.tokens if str(token.get("token", "")).strip()]
        at = token_at(said, start + match.start(1)) or (
            spoken[0] if len(spoken) == 1 or (spoken and not start) else None
        )
        levels = distribution(at, MIN_COMPACT_MASS) if at is not None else None
        if levels is None and at is not None:
            raise Unreadable(
                FailureKind.UNPARSABLE, "the model puts too little probability on the levels 0 to 5"
            )
    return Reading(
        VerdictAnswer(level=int(float(word)), strengths=[], weaknesses=[], rationale=""),
        levels,
        said.replaced,
    )
