"""Reads a level from a model's answer: strictly parsed, weighed by log-probabilities where there are any.

Expectation over the level token rather than its mode: TrustJudge, arXiv 2509.21117.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from rlhf.nodes.crews.requests import JudgeReply, Method
from rlhf.nodes.endpoints.problem import TOOL_NAME
from rlhf.prompts.messages import VerdictAnswer
from rlhf.prompts.rubric import LEVELS
from rlhf.state.errors import first_mistake
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

_FENCE: Final = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)
_REFUSAL: Final = re.compile(
    r"\A\W*(?:i['’]?m (?:very )?sorry|sorry,|i apologi[sz]e|as an ai"
    r"|i (?:can(?:no|['’])t|am (?:not able|unable)|won['’]?t))\b",
    re.IGNORECASE,
)


class Reading(NamedTuple):
    """One parsed answer. `levels` gives probabilities of 0–5 summing to 1, or None without log-probabilities."""

    answer: VerdictAnswer
    levels: dict[int, float] | None


class Unreadable(Exception):
    """An answer that is no verdict; `kind` says how, the text says what a parser complains of."""

    def __init__(self, kind: FailureKind, complaint: str) -> None:
        super().__init__(complaint)
        self.kind = kind


Readings = dict[str, Reading | Unreadable]
"""What an answer says per dimension that was asked."""


def read_choice(choice: Mapping[str, Any], compact: bool) -> Reading:
    """Read the verdict in one choice of a chat completion (the protocol's `choices[i]`).

    Raises Unreadable for a refusal, a cut-off answer, unknown or repeated keys, or a level outside 0–5; nothing
    is clamped.
    """
    text, tokens = _said(choice, compact)
    if compact:
        return _read_compact(text, tokens)
    return Reading(parse_answer(text), _levels_in_json(text, tokens, ()))


def read_combined(choice: Mapping[str, Any], dimensions: Sequence[str]) -> Readings:
    """Read the entries of a combined answer; a missing or bad one is Unreadable by itself.

    Raises Unreadable when the answer as a whole is none: a refusal, cut off, no JSON object, or with a key that
    is no dimension asked for.
    """
    text, tokens = _said(choice, compact=False)
    entries = _object(text)
    if not isinstance(entries, dict):
        raise Unreadable(FailureKind.UNPARSABLE, "not one JSON object with a key per dimension")
    if unknown := [name for name in entries if name not in dimensions]:
        raise Unreadable(FailureKind.UNPARSABLE, f"{unknown[0][:40]!r} is no dimension that was asked for")
    readings: Readings = {}
    for name in dimensions:
        try:
            if name not in entries:
                raise Unreadable(FailureKind.UNPARSABLE, "the entry is missing")
            answer = _verdict(entries[name])
            readings[name] = Reading(answer, _levels_in_json(text, tokens, (name,)))
        except Unreadable as unreadable:
            readings[name] = unreadable
    return readings


def parse_answer(text: str) -> VerdictAnswer:
    """Parse the JSON of a verdict; a code fence around it is allowed, nothing else. Raises Unreadable."""
    return _verdict(_object(text))


def _verdict(value: Any) -> VerdictAnswer:
    if value is _DOUBLED:
        raise Unreadable(FailureKind.UNPARSABLE, _DOUBLED)
    try:
        return VerdictAnswer.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        level = first["loc"] == ("level",) and first["type"] in ("less_than_equal", "greater_than_equal")
        kind = FailureKind.OUT_OF_RANGE if level else FailureKind.UNPARSABLE
        raise Unreadable(kind, first_mistake(error, "the answer")) from error


def answer_text(message: Mapping[str, Any]) -> str:
    """What a message says: the arguments of its tool call, else its content."""
    for call in message.get("tool_calls") or []:
        return str((call.get("function") or {}).get("arguments") or "")
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _said(choice: Mapping[str, Any], compact: bool) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """The text and the log-probabilities of an answer that was finished and is no refusal."""
    message = choice.get("message") or {}
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        raise Unreadable(FailureKind.REFUSED, "the judge refused to answer")
    text = answer_text(message)
    if _REFUSAL.match(text):
        raise Unreadable(FailureKind.REFUSED, f"the judge refused: {text[:80]!r}")
    if not compact and choice.get("finish_reason") == "length":
        raise Unreadable(FailureKind.UNPARSABLE, "the answer was cut off at the token limit; keep it shorter")
    calls = [call.get("function") or {} for call in message.get("tool_calls") or []]
    if len(calls) > 1 or any(call.get("name", TOOL_NAME) != TOOL_NAME for call in calls):
        raise Unreadable(FailureKind.UNPARSABLE, f"not one call of the function {TOOL_NAME!r}")
    return text, (choice.get("logprobs") or {}).get("content") or []


def _object(text: str) -> Any:
    if fenced := _FENCE.match(text):
        text = fenced[1]
    if not text.strip():
        raise Unreadable(FailureKind.UNPARSABLE, "the answer is empty")
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise Unreadable(FailureKind.UNPARSABLE, f"not one JSON object: {str(error)[:120]}") from error


_DOUBLED: Final = "a key is written twice, so nobody knows which one was meant"


def _without_doubles(members: list[tuple[str, Any]]) -> dict[str, Any] | str:
    """An object, or a word in its place that no verdict can be."""
    found = dict(members)
    return found if len(found) == len(members) else _DOUBLED


def _read_compact(text: str, tokens: Sequence[Mapping[str, Any]]) -> Reading:
    word = text.strip().removesuffix(".")
    if not re.fullmatch(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?", word):
        raise Unreadable(FailureKind.UNPARSABLE, f"not one digit from 0 to 5: {word[:40]!r}")
    if word not in _DIGITS:
        raise Unreadable(FailureKind.OUT_OF_RANGE, f"level {word} is not one of 0 to 5")
    levels = None
    if spoken := [token for token in tokens if str(token.get("token", "")).strip()]:
        levels = _distribution(spoken[0], MIN_COMPACT_MASS)
        if levels is None:
            raise Unreadable(
                FailureKind.UNPARSABLE, "the model puts too little probability on the levels 0 to 5"
            )
    return Reading(VerdictAnswer(level=int(word), strengths=[], weaknesses=[], rationale=""), levels)


def _levels_in_json(
    text: str, tokens: Sequence[Mapping[str, Any]], path: tuple[str, ...]
) -> dict[int, float] | None:
    """The distribution at the token with the digit of the level at `path`; None if not found or not believed."""
    pieces = [str(token.get("token", "")) for token in tokens]
    written = "".join(pieces)
    if not written or written.strip() != text.strip():
        return None  # tokens that are not the text: no guessing
    place = written.index("{")
    for key in (*path, "level"):
        place = dict(_members(written, place))[key]
    for token, piece in zip(tokens, pieces, strict=True):
        if place < len(piece):
            return _distribution(token, MIN_MASS)
        place -= len(piece)
    return None


def _members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Keys of the JSON object that begins at `start` of a text known to be valid, and where their values begin."""

    decode = json.JSONDecoder().raw_decode
    place = _past_space(text, start + 1)
    while text[place] != "}":
        key, place = decode(text, place)
        value = _past_space(text, _past_space(text, place) + 1)  # after the colon
        yield key, value
        place = _past_space(text, decode(text, value)[1])
        if text[place] == ",":
            place = _past_space(text, place + 1)


def _past_space(text: str, place: int) -> int:
    while text[place] in " \t\r\n":
        place += 1
    return place


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
    )
