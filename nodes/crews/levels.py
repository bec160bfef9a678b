"""The level of an answer as a distribution: where its token is, what else it might have been, what that amounts to.

Expectation over the level token rather than its mode: TrustJudge, arXiv 2509.21117.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rlhf.nodes.crews.objects import Found, members
from rlhf.nodes.crews.requests import JudgeReply, Method
from rlhf.nodes.crews.shapes import Path
from rlhf.nodes.endpoints.text import cleaned
from rlhf.prompts.messages import VerdictAnswer
from rlhf.prompts.rubric import LEVELS

_DIGITS: Final = frozenset("012345")

MIN_MASS: Final = 0.5
"""Probability the digits 0–5 must carry together before their distribution is believed in a JSON answer."""

MIN_COMPACT_MASS: Final = 0.01
"""The same for a bare level: a tiny model that wants to chat still prefers one digit to another."""

_DEEPEST: Final = 1_000.0
"""No logarithm of a probability need be read as less than minus this: nothing is left of it."""

_WIDEST: Final = 2.5
"""Standard deviation of half 0 and half 5: the largest a level can have."""

_PRIOR: Final = 1.25
"""Spread assumed of a level nobody measured; one plain level has confidence 1 − 1.25 ÷ 2.5 = 0.5."""


class Reading(NamedTuple):
    """One parsed answer. `levels` gives probabilities of 0–5 summing to 1, or None without log-probabilities."""

    answer: VerdictAnswer
    levels: dict[int, float] | None
    replaced: int = 0
    """Characters of the answer that no text may hold, replaced by U+FFFD."""


class Said(NamedTuple):
    """An answer's text, where its tokens stand, and how many characters had to be replaced."""

    text: str
    tokens: Sequence[Mapping[str, Any]]
    replaced: int


def place_of_level(text: str, found: Found, path: Path, level: int) -> int | None:
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


def levels_at(said: Said, place: int, least: float) -> dict[int, float] | None:
    """Probabilities of the levels 0–5 at a place of the text; None if they are not known or carry less than `least`."""
    token = token_at(said, place)
    return None if token is None else distribution(token, least)


def token_at(said: Said, place: int) -> Mapping[str, Any] | None:
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


def distribution(token: Mapping[str, Any], least: float) -> dict[int, float] | None:
    """Probabilities of the levels 0–5 at one token, renormalised; None if they carry less than `least`."""
    mass = dict.fromkeys(LEVELS, 0.0)
    candidates = token.get("top_logprobs") or [token]
    for candidate in candidates:
        digit = str(candidate.get("token", "")).strip(' \t\r\n":,}▁Ġ')
        logprob = candidate.get("logprob")
        if digit in _DIGITS and isinstance(logprob, int | float):
            mass[int(digit)] += math.exp(float(max(-_DEEPEST, min(logprob, 0))))
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
