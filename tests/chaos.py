"""Chaos for the scripted endpoint: a seeded share of calls goes wrong, in every way an endpoint can.

Undisturbed answers depend on the response and the dimension alone, so that a repair, a retry and a combined call
give what a first call would have given. A fault depends on the seed, on what is asked and on how often it was
asked before: not on the order in which calls happen to arrive. Whatever level a fault shows is a wrong one, save
where the answer is only odd in its shape: that one has to be read.
"""

import json
import random
import re
import threading
from collections import Counter
from typing import Any

from tests.scripted_endpoint import (
    Reply,
    Request,
    Script,
    chat_reply,
    combined_dimensions,
    combined_reply,
    default_script,
    empty,
    empty_content,
    html,
    is_judge_call,
    level_of,
    never,
    rate_limited,
    refusal,
    status,
    verdict_reply,
)


def steady_level(response: str, dimension: str) -> int:
    """The level that the undisturbed judge gives."""
    return level_of(f"{response}\n{dimension}")


def steady(request: Request) -> Reply:
    """The undisturbed endpoint."""
    if not is_judge_call(request.body):
        return default_script(request)
    levels = _levels(request)
    if combined_dimensions(request.body):
        return combined_reply(request, levels)
    return verdict_reply(request, *levels.values())


def questions(body: dict[str, Any]) -> list[tuple[str, str]]:
    """What a judge call asks: (response, dimension)."""
    first = str(body["messages"][1]["content"])
    found = re.search(r"^<<<RESPONSE (\w+)>>>\n(.*)\n<<<END RESPONSE \1>>>$", first, re.MULTILINE | re.DOTALL)
    assert found is not None
    dimensions = combined_dimensions(body) or [re.findall(r"^Dimension: (\w+)\.", first, re.MULTILINE)[-1]]
    return [(found[2], dimension) for dimension in dimensions]


class Chaos:
    """The script. `injected` counts the faults by name; while `calm` there are none."""

    def __init__(self, seed: int, share: float) -> None:
        self.calm = False
        self.injected: Counter[str] = Counter()
        self._seed, self._share = seed, share
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        what = f"{request.seed}\n{request.text}"
        with self._lock:
            self._asked[what] += 1
            chance = random.Random(f"{self._seed}\n{self._asked[what]}\n{what}")
        if self.calm or chance.random() >= self._share:
            return steady(request)
        # A timeout is waited for in full: one in forty faults will do.
        faults = CONNECTION | (JUDGING if is_judge_call(request.body) else {})
        name = "timeout" if chance.random() < 0.025 else chance.choice(sorted(faults))
        with self._lock:
            self.injected[name] += 1
        return never(request) if name == "timeout" else faults[name](request)


def _levels(request: Request) -> dict[str, int]:
    return {dimension: steady_level(text, dimension) for text, dimension in questions(request.body)}


def _wrong(level: int) -> int:
    return (level + 3) % 6


def _spoiled(level: Any = None, **changes: Any) -> Script:
    """A verdict with something wrong about it; of a combined one the first entry."""

    def script(request: Request) -> Reply:
        right = _levels(request)
        [first, *_] = right
        shown = _wrong(right[first])
        told = {"level": shown if level is None else level(shown), **changes}
        if combined_dimensions(request.body):
            reasons = {"rationale": "So.", "strengths": [], "weaknesses": []}
            return combined_reply(request, right, **{first: reasons | told})
        return verdict_reply(request, shown, **told)

    return script


def _odd(level: Any = int, **changes: Any) -> Script:
    """A right verdict in an odd shape; of a combined one the first entry."""

    def script(request: Request) -> Reply:
        right = _levels(request)
        [first, *_] = right
        told = {"level": level(right[first]), **changes}
        if combined_dimensions(request.body):
            reasons = {"rationale": "So.", "strengths": [], "weaknesses": []}
            return combined_reply(request, right, **{first: reasons | told})
        return verdict_reply(request, right[first], **told)

    return script


def _two_levels(request: Request) -> Reply:
    """A verdict, and then another one with other levels."""
    text = [str(_content(script(request))) for script in (steady, _believable)]
    return chat_reply(request, "\n".join(text))


def _schema(request: Request) -> Reply:
    """The schema instead of the verdict."""
    return chat_reply(request, json.dumps(request.body["response_format"]["json_schema"]["schema"]))


def _only_thoughts(request: Request) -> Reply:
    """A verdict within a thought that never ends."""
    return chat_reply(request, f"<think>Perhaps {_content(_believable(request))}")


def _content(reply: Reply) -> Any:
    assert isinstance(reply.body, dict)
    return reply.body["choices"][0]["message"]["content"]


def _believable(request: Request) -> Reply:
    """A verdict with wrong levels."""
    wrong = {dimension: _wrong(level) for dimension, level in _levels(request).items()}
    if combined_dimensions(request.body):
        return combined_reply(request, wrong)
    return verdict_reply(request, *wrong.values())


def _ran_out(request: Request) -> Reply:
    """A whole verdict that the server says was cut off."""
    reply = _believable(request)
    assert isinstance(reply.body, dict)
    reply.body["choices"][0]["finish_reason"] = "length"
    return reply


def _half(request: Request) -> Reply:
    reply = _believable(request)
    assert isinstance(reply.body, dict)
    text = str(reply.body["choices"][0]["message"]["content"])
    return chat_reply(request, text[: len(text) * 2 // 3])


def _cut_stream(request: Request) -> Reply:
    body = _believable(request).body if is_judge_call(request.body) else default_script(request).body
    return Reply(body, cut=True)


def _in_words(request: Request) -> Reply:
    return chat_reply(request, f"I would say {_wrong(next(iter(_levels(request).values())))} out of 5.")


CONNECTION: dict[str, Script] = {
    "429": rate_limited(),
    "429 with Retry-After": rate_limited("0.01"),
    "500": status(500),
    "cut stream": _cut_stream,
    "HTML": html,
    "empty body": empty,
    "empty content": empty_content,
}

JUDGING: dict[str, Script] = {
    "half a verdict": _half,
    "ran out of tokens": _ran_out,
    "in words": _in_words,
    "level as text": _odd(level=str),
    "level with a fraction": _spoiled(level=lambda shown: shown + 0.5),
    "unknown key": _odd(bonus=1),
    "level over the scale": _spoiled(level=lambda shown: shown + 6),
    "level under the scale": _spoiled(level=lambda shown: -1 - shown),
    "reasons missing": _odd(strengths=None),
    "two levels": _two_levels,
    "the schema": _schema,
    "only thoughts": _only_thoughts,
    "refusal": refusal,
}
