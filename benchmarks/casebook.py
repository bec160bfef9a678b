"""What the long casebook says of the checks: precision, recall, false accusations, twins told apart, milliseconds.

Counted as tests/nodes/evidence/casebook/README.md says. Of the half that is held back only sums are printed.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from rlhf.evidence import ResponseEvidence, check_evidence
from rlhf.prompts.rubric import load_pack
from tests.nodes.evidence.long_cases import Case, is_held_back, load_cases

WANTED: Final = {"precision": 0.95, "recall": 0.90, "capped": 0.02, "told apart": 0.90, "pairs right": 0.95}
_NOT_EVERY_TEXT: Final = frozenset(
    [
        "no_step",
        "no_date_or_owner",
        "no_figures",
        "no_call_to_action",
        "reason_missing",
        "hard_to_read",
        "poor_structure",
        "same_amounts",
    ]
)


@dataclass
class Figures:
    """The counts of one half."""

    clean: int = 0
    twins: int = 0
    right: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    accused: int = 0
    """False accusations of clean responses."""
    capped: int = 0
    """Clean responses with a cap on a dimension."""
    told: int = 0
    pairs: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    words: list[int] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, float]:
        """The figures that are stated."""
        right, false, missed = (sum(each.values()) for each in (self.right, self.false, self.missed))
        return {
            "precision": right / max(1, right + false),
            "recall": right / max(1, right + missed),
            "accusations": self.accused / max(1, self.clean),
            "capped": self.capped / max(1, self.clean),
            "told apart": self.told / max(1, self.twins),
            "pairs right": self.pairs / max(1, self.twins),
        }


def measure(chosen: Sequence[Case]) -> Figures:
    """Hold the checks against the cases."""
    figures = Figures()
    found: dict[str, ResponseEvidence] = {}
    for case in chosen:
        start = time.process_time()
        found[case.id] = check_evidence(case.prompt, case.response, case.context, case.task_type)
        figures.milliseconds.append(1000 * (time.process_time() - start))
        figures.words.append(len(case.response.split()))
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for case in chosen:
        if case.twin_of:
            asked[case.twin_of] |= set(case.kinds) & _NOT_EVERY_TEXT
    for case in chosen:
        kinds = _faults(found[case.id])
        if case.twin_of is None:
            bad = {kind for kind in kinds if kind not in _NOT_EVERY_TEXT or kind in asked[case.id]}
            figures.clean += 1
            figures.accused += len(bad)
            figures.capped += any(part.cap is not None for part in found[case.id].dimensions.values())
            figures.false.update(bad)
            continue
        wanted = set(case.kinds)
        figures.twins += 1
        figures.right.update(wanted & kinds)
        figures.missed.update(wanted - kinds)
        figures.false.update(kinds - wanted - set(case.also) - _NOT_EVERY_TEXT)
        figures.told += bool(wanted & kinds - _faults(found[case.twin_of]))
        clean, twin = (_overall(found[each], case.task_type) for each in (case.twin_of, case.id))
        figures.pairs += 0.5 + 0.5 * ((clean > twin) - (clean < twin))
    return figures


def _faults(found: ResponseEvidence) -> set[str]:
    return {each.kind for each in found.findings if each.severity != "info"}


def _overall(found: ResponseEvidence, task_type: str) -> float:
    weights = load_pack(task_type).weights
    parts = {
        name: (part.score or 0.0, 100.0 if part.cap is None else part.cap)
        for name, part in found.dimensions.items()
    }
    return sum(weight * min(parts[name]) for name, weight in weights.items())


def print_casebook(held_back: bool) -> bool:
    """The table of one half; whether its figures are as wanted. Kinds are named for the half that was seen only."""
    figures = measure([case for case in load_cases() if is_held_back(case) is held_back])
    half = "held back" if held_back else "seen"
    print(f"\nlong casebook, {half} half: {figures.clean} clean answers, {figures.twins} twins")
    print(f"  words: median {median(figures.words):.0f}, {min(figures.words)} to {max(figures.words)}")
    for kind in sorted({*figures.right, *figures.false, *figures.missed}):
        right, false, missed = figures.right[kind], figures.false[kind], figures.missed[kind]
        precision = right / (right + false) if right + false else 1.0
        recall = right / (right + missed) if right + missed else 1.0
        print(
            f"  {kind:<24} {right:>4} right {false:>3} false {missed:>3} missed {precision:>7.3f} {recall:>6.3f}"
        )
    for name, value in figures.summary.items():
        print(f"  {name:<14} {value:.3f}" + (f"   (wanted {WANTED[name]:.2f})" if name in WANTED else ""))
    print(f"  milliseconds of CPU a response: median {median(figures.milliseconds):.1f}")
    summary = figures.summary
    return all(
        summary[name] <= wanted if name == "capped" else summary[name] >= wanted
        for name, wanted in WANTED.items()
    )
