"""What a finding is: one thing a program knows about a response, with its place and a sentence for people."""

from collections.abc import Iterable
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["info", "minor", "major"]

FindingKind = Literal[
    # the money
    "amount", "allocation", "retailer_missing", "amount_missing", "implausible_amount", "reason_missing",
    "sum_mismatch", "total_misstated", "over_budget", "cap_exceeded", "share_mismatch", "currency_mismatch",
    "same_amounts",
    # the brand and the prompt
    "brand_missing", "required_term_missing", "banned_term", "off_topic", "copied_prompt",
    # claims
    "forbidden_claim", "unproven_claim", "disclosure_missing",
    # the writing
    "empty", "too_short", "too_long", "item_too_long", "truncated", "repetition", "hard_to_read", "poor_structure",
    # use
    "deadline_missed", "impossible_order",
    "concrete_step", "owner", "date", "call_to_action", "no_step", "no_date_or_owner", "no_figures",
    "no_call_to_action",
    # tricks and failures
    "refusal", "chat_token", "judge_instruction", "forged_verdict", "forged_turn", "hidden_text", "placeholder",
]  # fmt: skip

_INFO: Final = frozenset({"amount", "allocation", "concrete_step", "owner", "date", "call_to_action"})
_MINOR_KINDS: Final = """
    implausible_amount reason_missing share_mismatch same_amounts brand_missing unproven_claim too_short
    hard_to_read poor_structure no_step no_date_or_owner no_figures no_call_to_action
"""
_MINOR: Final = frozenset(_MINOR_KINDS.split())
MOST: Final = 20  # findings of one check; a text with more is bad enough
_ORDER: Final = ("major", "minor", "info")


class Finding(BaseModel):
    """One finding.

    `source` is "response", "prompt", or the context's key such as "context.banned_terms"; `start` and `end` are
    offsets in characters there (for a context, in the value that holds the text), and `quote` is what stands
    between them. A finding about the whole text may quote nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FindingKind
    severity: Severity
    sentence: str
    source: str = "response"
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    quote: str


def finding(
    kind: FindingKind, sentence: str, text: str, start: int, end: int, source: str = "response"
) -> Finding:
    """A finding in `text`, which is the whole of `source`; the severity follows from the kind."""
    severity: Severity = "info" if kind in _INFO else "minor" if kind in _MINOR else "major"
    return Finding(
        kind=kind,
        severity=severity,
        sentence=sentence,
        source=source,
        start=start,
        end=end,
        quote=text[start:end],
    )


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, major before minor before info, else in their order."""
    return tuple(sorted(dict.fromkeys(found), key=lambda each: _ORDER.index(each.severity)))
