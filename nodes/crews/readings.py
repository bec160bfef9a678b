"""Reads a level from a model's answer: whatever is unambiguous, weighed by log-probabilities where there are any.

What is ambiguous stays a failure with its reason: two different levels, a schema echoed, a level outside the scale
or between two levels. Nothing is guessed and nothing is clamped.

Expectation over the level token rather than its mode: TrustJudge, arXiv 2509.21117.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rlhf.nodes.crews.objects import Doubled, Found, Torso, after_reasoning, found_in, members, only_reasoning
from rlhf.nodes.crews.requests import JudgeReply, Method
from rlhf.nodes.endpoints.problem import TOOL_NAME
from rlhf.nodes.endpoints.text import answer_text, cleaned
from rlhf.prompts.messages import VerdictAnswer
from rlhf.prompts.rubric import LEVELS
from rlhf.state.records import FailureKind

_DIGITS: Final = frozenset("012345")

MIN_MASS: Final = 0.5
"""Probability the digits 0–5 must carry together before their distribution is believed in a JSON answer."""

MIN_COMPACT_MASS: Final = 0.01
"""The same for a bare level: a tiny model that wants to chat still prefers one digit to another."""

_WIDEST: Final = 2.5
"""Standard deviation of half 0 and half 5: the largest a level can have."""

_PRIOR: Final = 1.25
"""Spread assumed of a level nobody measured; one plain level has confidence 1 − 1.25 ÷ 2.5 = 0.5."""

_REFUSAL: Final = re.compile(
    r"\A\W*(?:i['’]?m (?:very )?sorry|sorry,|i apologi[sz]e|as an ai"
    r"|i (?:can(?:no|['’])t|am (?:not able|unable)|won['’]?t))\b",
    re.IGNORECASE,
)

_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""What servers call the end of an answer at its token limit."""


class Reading(NamedTuple):
    """One parsed answer. `levels` gives probabilities of 0–5 summing to 1, or None without log-probabilities."""

    answer: VerdictAnswer
    levels: dict[int, float] | None
    replaced: int = 0
    """Characters of the answer that no text may hold, replaced by U+FFFD."""


class Unreadable(Exception):
    """An answer that is no verdict; `kind` says how, the text says to the model what is wrong with it."""

    def __init__(self, kind: FailureKind, complaint: str, *, cut: bool = False) -> None:
        super().__init__(complaint)
        self.kind = kind
        self.cut = cut
        """Whether the answer ended at the token limit."""

    def told(self, max_tokens: int) -> str:
        """What is wrong, for people; `max_tokens` is the limit that the answer had."""
        return (
            f"the answer was cut off at the token limit: raise judge.max_tokens ({max_tokens})"
            if self.cut
            else str(self)
        )


Readings = dict[str, Reading | Unreadable]
"""What an answer says per dimension that was asked."""

Path = tuple[str | int, ...]


class _Said(NamedTuple):
    """An answer's text, where its tokens stand, and how many characters had to be replaced."""

    text: str
    tokens: Sequence[Mapping[str, Any]]
    replaced: int


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
        if (inner := _unwrapped(found.value, "level")) and not _is_quoted(said.text, found, inner[0])
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
    answers = [(found, *inner) for found in candidates if (inner := _unwrapped(found.value, *dimensions))]
    if not answers:
        if any(_unwrapped(found.value, "level") for found in candidates):
            raise Unreadable(
                FailureKind.UNPARSABLE,
                "one verdict, where one JSON object with a key per dimension is asked for",
            )
        raise _no_verdict(said.text, candidates)
    every: list[Readings] = []
    for found, entries, path in answers:
        if isinstance(entries, Doubled):
            raise Unreadable(FailureKind.UNPARSABLE, _DOUBLED)
        readings: Readings = {}
        for name in dimensions:
            key = _key_like(entries, name)
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
        _key_like(value, name) is None for name in ("rationale", "strengths", "weaknesses")
    )


def _no_verdict(text: str, candidates: Sequence[Found]) -> Unreadable:
    """Why an answer without a verdict is none."""
    if not text.strip():
        return Unreadable(FailureKind.UNPARSABLE, "the answer is empty")
    if any(isinstance(each.value, Doubled) for each in candidates):
        return Unreadable(FailureKind.UNPARSABLE, _DOUBLED)
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


_DOUBLED: Final = "a key is written twice, so nobody knows which one was meant"

_SCHEMA: Final = frozenset({"type", "minimum", "maximum", "title", "$ref", "enum", "anyOf"})


def _unwrapped(value: Any, *keys: str) -> tuple[dict[str, Any], Path] | None:
    """The object that has one of `keys`, out of what is wrapped around it, and its path.

    Wrapped may be: one key, a list of one, or a string that is JSON itself.
    """
    path: Path = ()
    for _ in range(4):
        if isinstance(value, Mapping):
            if any(_key_like(value, key) is not None for key in keys):
                return dict(value) if not isinstance(value, Doubled) else value, path
            if len(value) != 1:
                return None
            [(key, value)] = value.items()
            path = (*path, key)
        elif isinstance(value, list):
            if len(value) != 1:
                return None
            value, path = value[0], (*path, 0)
        elif isinstance(value, str) and len(inner := found_in(value)) == 1 and isinstance(inner[0], Found):
            value, path = inner[0].value, (*path, "")  # written twice over: no place in the text
        else:
            return None
    return None


def _key_like(value: Mapping[str, Any], name: str) -> str | None:
    """The key that means `name`: itself, or in other letters and with blanks or dashes, if there is but one."""
    if name in value:
        return name
    alike = [
        key for key in value if isinstance(key, str) and re.sub(r"[\s-]+", "_", key.strip()).lower() == name
    ]
    return alike[0] if len(alike) == 1 else None


def _reading(said: _Said, found: Found, value: Any, path: Path) -> Reading:
    """One verdict of an answer, with the distribution of its level where its place is known."""
    if isinstance(value, str | list) and (inner := _unwrapped(value, "level")):
        value, path = inner[0], (*path, *inner[1])
    answer, replaced = _verdict(value)
    key = _key_like(value, "level") or "level"
    place = _place_of_level(said.text, found, (*path, key), answer.level)
    levels = None if place is None else _levels_at(said, place, MIN_MASS)
    return Reading(answer, levels, said.replaced + replaced)


def _verdict(value: Any) -> tuple[VerdictAnswer, int]:
    """A verdict in whatever unambiguous shape, and how many of its characters had to be replaced."""
    if isinstance(value, Doubled):
        raise Unreadable(FailureKind.UNPARSABLE, _DOUBLED)
    if not isinstance(value, Mapping):
        raise Unreadable(
            FailureKind.UNPARSABLE, f"not a JSON object but {json.dumps(value, default=str)[:40]}"
        )
    key = _key_like(value, "level")
    if key is None:
        raise Unreadable(FailureKind.UNPARSABLE, "level: the key is missing, or there in two spellings")
    level = _level(value[key])
    parts = {
        name: value.get(_key_like(value, name) or name) for name in ("strengths", "weaknesses", "rationale")
    }
    strengths, a = _clean_list(parts["strengths"])
    weaknesses, b = _clean_list(parts["weaknesses"])
    rationale, c = cleaned(" ".join(_texts(parts["rationale"])))
    return VerdictAnswer(
        level=level, strengths=strengths, weaknesses=weaknesses, rationale=rationale
    ), a + b + c


def _level(value: Any) -> int:
    """A whole level of 0–5, written as 4, 4.0, "4", "4/5" or "Level 4". Raises Unreadable."""
    shown = json.dumps(value, default=str)[:60]
    if isinstance(value, Mapping) and _SCHEMA & value.keys():
        raise Unreadable(FailureKind.UNPARSABLE, "level: it repeats the schema instead of filling it in")
    if isinstance(value, str):
        match = re.fullmatch(
            r"\s*(?:level\s*:?\s*)?(-?\d{1,9}(?:\.\d{1,9})?)\s*(?:/\s*5|out of 5)?\s*\.?\s*",
            value,
            re.IGNORECASE,
        )
        number = float(match[1]) if match else None
    else:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if number is None or not math.isfinite(number):
        raise Unreadable(FailureKind.UNPARSABLE, f"level: not a whole number from 0 to 5 but {shown}")
    if not 0 <= number <= 5:
        raise Unreadable(FailureKind.OUT_OF_RANGE, f"level: {shown} is not one of 0 to 5")
    if number != int(number):
        raise Unreadable(
            FailureKind.UNPARSABLE, f"level: {shown} lies between two levels; the scale is whole"
        )
    return int(number)


def _clean_list(value: Any) -> tuple[list[str], int]:
    pairs = [cleaned(text) for text in _texts(value) if text.strip()]
    return [text for text, _ in pairs], sum(count for _, count in pairs)


def _texts(value: Any) -> list[str]:
    """Sentences as a list, whether they came as one, as several, as objects or not at all."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [" ".join(text for each in value.values() for text in _texts(each))]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [str(value)]


def _said(choice: Mapping[str, Any], compact: bool) -> _Said:
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
    usable = isinstance(tokens, list) and all(isinstance(token, Mapping) for token in tokens)
    return _Said(text, tokens if usable and tokens is not None else [], replaced)


_BARE: Final = re.compile(
    r"[\s*_#`\"'“”]*(?:level|score|rating|answer|grade)?[\s*_:`\"'=]*"
    r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
    r"(?:\s*/\s*5|\s+out of 5)?[\s*_`\"'.“”]*",
    re.IGNORECASE,
)
"""A bare level, plain or in bold, alone or behind its name."""


def _read_compact(said: _Said) -> Reading:
    start = after_reasoning(said.text)
    plain = said.text[start:]
    match = _BARE.fullmatch(plain)
    if match is None:
        if _REFUSAL.match(plain):
            raise Unreadable(FailureKind.REFUSED, f"the judge refused: {plain.strip()[:80]!r}")
        found = [
            each
            for each in found_in(said.text)
            if isinstance(each, Found) and _unwrapped(each.value, "level")
        ]
        if len(found) == 1:
            [inner] = [_unwrapped(each.value, "level") for each in found]
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
        at = _token_at(said, start + match.start(1)) or (spoken[0] if len(spoken) == 1 or not start else None)
        levels = _distribution(at, MIN_COMPACT_MASS) if at is not None else None
        if levels is None and at is not None:
            raise Unreadable(
                FailureKind.UNPARSABLE, "the model puts too little probability on the levels 0 to 5"
            )
    return Reading(
        VerdictAnswer(level=int(float(word)), strengths=[], weaknesses=[], rationale=""),
        levels,
        said.replaced,
    )


def _place_of_level(text: str, found: Found, path: Path, level: int) -> int | None:
    """Where the digit of a level stands; None if that cannot be told."""
    place: int | None = found.start
    try:
        for key in path:
            assert place is not None
            place = dict(members(text, place)).get(key)
            if place is None:
                break
    except (ValueError, IndexError, KeyError):
        place = None
    if place is None:  # not quite JSON: the one place where a level is written, if there is but one
        span = text[found.start : found.end]
        places = [
            match.start(1)
            for match in re.finditer(r"level\W{0,4}?[\"']?\s*:\s*(?=[\"']?-?\d)(.)", span, re.IGNORECASE)
        ]
        if len(places) != 1:
            return None
        place = found.start + places[0]
    match = re.compile(r"[\"'\\\s]*(?:level\s*:?\s*)?(\d)", re.IGNORECASE).match(text, place)
    return match.start(1) if match and int(match[1]) == level else None


def _levels_at(said: _Said, place: int, least: float) -> dict[int, float] | None:
    token = _token_at(said, place)
    return None if token is None else _distribution(token, least)


def _token_at(said: _Said, place: int) -> Mapping[str, Any] | None:
    """The token that covers a place of the text; None if the tokens are not the text: no guessing.

    Some servers list the tokens of the reasoning too, which the text leaves out.
    """
    pieces = [cleaned(str(token.get("token", "")))[0] for token in said.tokens]
    written, text = "".join(pieces), said.text.strip()
    if not text or written.count(text) != 1:
        return None
    place += written.index(text) - (len(said.text) - len(said.text.lstrip()))
    for token, piece in zip(said.tokens, pieces, strict=True):
        if place < len(piece):
            return token
        place -= len(piece)
    return None


def _distribution(token: Mapping[str, Any], least: float) -> dict[int, float] | None:
    """Probabilities of the levels 0–5 at one token, renormalised; None if they carry less than `least`."""
    mass = dict.fromkeys(LEVELS, 0.0)
    candidates = token.get("top_logprobs") or [token]
    for candidate in candidates:
        digit = str(candidate.get("token", "")).strip(' \t\r\n":,}▁Ġ')
        logprob = candidate.get("logprob")
        if digit in _DIGITS and isinstance(logprob, int | float):
            mass[int(digit)] += math.exp(min(float(logprob), 0.0))
    total = sum(mass.values())
    if not math.isfinite(total) or total < least:
        return None
    return {level: share / total for level, share in mass.items()}


def scored(readings: Sequence[Reading]) -> JudgeReply:
    """The reply that one reading, or several samples of the same judgement, amount to; its usage is still open.

    Score: 20 × the expected level. With log-probabilities the spread is that of the level's distribution;
    with samples it is estimated as (Σ(level − mean)² + 1.25²) ÷ k, so that k equal samples are not yet
    certainty and one plain level has confidence 0.5. Confidence is 1 − spread ÷ 2.5.
    """
    method: Method
    weighed = [reading.levels for reading in readings if reading.levels is not None]
    if weighed:
        method = "logprobs"
        levels = {level: sum(each[level] for each in weighed) / len(weighed) for level in LEVELS}
        mean = sum(level * share for level, share in levels.items())
        variance = sum((level - mean) ** 2 * share for level, share in levels.items())
    else:
        method = "samples" if len(readings) > 1 else "level"
        plain = [reading.answer.level for reading in readings]
        mean = sum(plain) / len(plain)
        variance = (sum((level - mean) ** 2 for level in plain) + _PRIOR**2) / len(plain)
    told = min(readings, key=lambda reading: abs(reading.answer.level - mean)).answer
    return JudgeReply(
        status="scored",
        score=min(100.0, max(0.0, mean * 20)),
        confidence=min(1.0, max(0.0, 1.0 - math.sqrt(variance) / _WIDEST)),
        method=method,
        strengths=told.strengths,
        weaknesses=told.weaknesses,
        rationale=told.rationale,
        replaced=sum(reading.replaced for reading in readings),
    )
