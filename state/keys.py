"""Keys derived from content: the same thing always has the same key, so nothing is asked or stored twice."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def content_key(*parts: Any) -> str:
    """24 hex digits (96 bits) from the canonical JSON of `parts`.

    JSON keeps the parts apart, so ("ab", "c") and ("a", "bc") differ.
    """
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def prompt_key(
    text: str, context: dict[str, Any], task_type: str, turns: Sequence[Mapping[str, Any]] | None = None
) -> str:
    """Key of a prompt: its text, its context and the task type it is judged under; of a conversation its turns too."""
    if not turns:
        return content_key("prompt", text, context, task_type)
    return content_key(
        "prompt", text, context, task_type, [[turn["role"], turn["content"]] for turn in turns]
    )


def response_key(prompt: str, text: str) -> str:
    """Key of a response to the prompt with key `prompt`."""
    return content_key("response", prompt, text)


def verdict_key(judge: str, rubric: str, template: str, response: str, dimension: str) -> str:
    """Key of a verdict. The response's key already stands for prompt, context and response.

    `judge` is its identity (`JudgeSettings.known_as`); in older keys the model's name stood for it. `rubric` and
    `template` are versions; `template` covers everything that changes what is asked.
    """
    return content_key("verdict", judge, rubric, template, response, dimension)


def derived_seed(*parts: Any) -> int:
    """A reproducible seed in [0, 2**31) for one piece of random work."""
    return int(content_key("seed", *parts)[:8], 16) & 0x7FFF_FFFF
