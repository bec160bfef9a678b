"""Which two responses to a prompt become a preference pair, and why the others do not."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "single_response",
    "no_score",
    "veto",
    "no_chosen",
    "no_rejected",
    "tie",
    "below_margin",
    "duplicate",
    "too_long",
]

REMEDIES: Mapping[str, str] = {
    "single_response": "raise pipeline.num_variations_per_prompt, or policy.temperature if responses repeat",
    "no_score": "see why judgements failed with `rlhf show RUN`",
    "veto": "the best responses break a veto dimension: review the prompts or the policy",
    "no_chosen": 'lower acceptance.min_rating_chosen, or use dataset.selection = "margin"',
    "no_rejected": 'raise acceptance.max_rating_rejected, or use dataset.selection = "margin"',
    "tie": "raise policy.temperature so that responses differ",
    "below_margin": "lower dataset.min_margin",
    "duplicate": "raise policy.temperature so that responses differ",
    "too_long": "raise dataset.max_length or lower policy.max_tokens",
}
"""What a person can change when a reason takes too many."""

SAME_WORDS = 0.95
"""Share of common words from which two responses count as the same text."""


@dataclass(frozen=True)
class Candidate:
    """A response that may become one side of a pair. `score` is 0–100, `rating` 1–5; None if not judged."""

    key: str
    text: str
    score: float | None
    rating: int | None
    vetoed: bool = False


@dataclass(frozen=True)
class Pair:
    """A chosen and a rejected response to one prompt; `margin` is their distance in points (> 0)."""

    prompt_key: str
    chosen: Candidate
    rejected: Candidate

    @property
    def margin(self) -> float:
        """Score of the chosen minus score of the rejected."""
        return (self.chosen.score or 0.0) - (self.rejected.score or 0.0)


@dataclass(frozen=True)
class Rules:
    """When two responses make a pair."""

    selection: Literal["threshold", "margin"]
    min_rating_chosen: int = 4
    max_rating_rejected: int = 2
    min_margin: float = 20.0
    pairs_per_prompt: int = 1


Fits = Callable[[Candidate], bool]


def select_pairs(
    candidates: Mapping[str, Sequence[Candidate]], rules: Rules, fits: Fits
) -> tuple[list[Pair], dict[str, int]]:
    """Pairs in the order of the prompts, and how many prompts or pairs each reason took.

    `candidates` maps a prompt's key to its responses; `fits` says whether a response is short enough.
    A prompt that gives no pair is counted once, under what stopped it; so is each pair that is dropped.
    """
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    for prompt_key, responses in candidates.items():
        found, reasons = _pairs_of(prompt_key, responses, rules, fits)
        pairs += found
        dropped.update(reasons)
    return pairs, dict(sorted(dropped.items()))


def _pairs_of(
    prompt_key: str, responses: Sequence[Candidate], rules: Rules, fits: Fits
) -> tuple[list[Pair], list[Reason]]:
    scored = [row for row in responses if row.score is not None and row.rating is not None]
    if len(scored) < 2:
        return [], ["single_response" if len(responses) < 2 else "no_score"]
    # Score first; the key settles equal scores, so that the order never depends on how rows were read.
    ranked = sorted(scored, key=lambda row: (-(row.score or 0.0), row.key))
    choosable = [row for row in ranked if not row.vetoed]
    rejectable = ranked[::-1]
    if rules.selection == "threshold":
        if not any((row.rating or 0) >= rules.min_rating_chosen for row in ranked):
            return [], ["no_chosen"]
        choosable = [row for row in choosable if (row.rating or 0) >= rules.min_rating_chosen]
        rejectable = [row for row in rejectable if (row.rating or 5) <= rules.max_rating_rejected]
        if not rejectable:
            return [], ["no_rejected"]
    if not choosable:
        return [], ["veto"]
    found: list[Pair] = []
    reasons: list[Reason] = []
    for chosen, rejected in zip(choosable, rejectable, strict=False):
        if len(found) == rules.pairs_per_prompt:
            break
        if found and (chosen.key in _used(found) or rejected.key in _used(found)):
            break
        pair = Pair(prompt_key, chosen, rejected)
        reason = _objection(pair, rules, fits)
        if reason is None:
            found.append(pair)
        elif reason in ("duplicate", "too_long"):
            reasons.append(reason)
        else:
            # Further pairs are closer still; that is worth a word only if nothing else was in the way.
            return found, reasons if found or reasons else [reason]
    return found, reasons


def _objection(pair: Pair, rules: Rules, fits: Fits) -> Reason | None:
    if pair.chosen.key == pair.rejected.key or pair.margin <= 0:
        return "tie"
    if rules.selection == "margin" and pair.margin < rules.min_margin:
        return "below_margin"
    if similar(pair.chosen.text, pair.rejected.text):
        return "duplicate"
    if not (fits(pair.chosen) and fits(pair.rejected)):
        return "too_long"
    return None


def _used(pairs: Sequence[Pair]) -> set[str]:
    return {key for pair in pairs for key in (pair.chosen.key, pair.rejected.key)}


def similar(left: str, right: str) -> bool:
    """Whether two texts are the same but for case, punctuation and a few words."""
    first, second = (Counter(re.findall(r"\w+", text.lower())) for text in (left, right))
    shared, total = (first & second).total(), (first | second).total()
    return total == 0 or shared / total > SAME_WORDS
