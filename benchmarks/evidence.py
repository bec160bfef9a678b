"""How far the evidence can be trusted: the figures docs/trust.md states.

First the long casebook (tests/nodes/evidence/casebook): realistic answers and their one-edit twins, on the half that
the checks were tuned on and on the half that was held back. Then the one-line cases of tests/nodes/evidence/cases, in
halves too. Then pairs of budgeting responses made by program,
where the better one is known: how often evidence alone ranks it first, per fault, on two seeds. With `--judge` the
embedded judge ranks a sample of them as well: raw, and with evidence shown and blended in as the recipe has it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from benchmarks.budgeting_pairs import Pair, make_pairs
from benchmarks.casebook import print_casebook
from rlhf.nodes.evidence import DimensionEvidence, collect_evidence, grade_checks, known_checks
from rlhf.prompts.rubric import RubricPack, load_pack
from tests.nodes.evidence.casebook import Case, cases, overall, score

WANTED = 0.95
_RAW = "budgeting_raw"
SEEDS = {"seen": 7, "held back": 20_260_001}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 if a held-back figure is under what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=280, help="pairs per seed")
    parser.add_argument("--mistakes", action="store_true", help="name the mistakes on the half that was seen")
    parser.add_argument("--seen-only", action="store_true", help="leave the held-back half and seed alone")
    parser.add_argument(
        "--judge", action="store_true", help="ask the embedded judge too (about 7 to 14 s per pair)"
    )
    parser.add_argument("--limit", type=int, default=20, help="held-back pairs the judge ranks")
    options = parser.parse_args(arguments)
    fine = print_casebook(held_back=False)
    if not options.seen_only:
        fine = print_casebook(held_back=True)
    fine = print_cases([case for case in cases() if not case.held_back], "seen", options.mistakes) and fine
    if not options.seen_only:
        fine = print_cases([case for case in cases() if case.held_back], "held back") and fine
    for name, seed in SEEDS.items():
        if name == "seen" or not options.seen_only:
            fine = print_pairs(list(make_pairs(options.pairs, seed)), name, options.mistakes) and fine
    if options.judge:
        fine = asyncio.run(print_judge(list(make_pairs(options.limit, SEEDS["held back"])))) and fine
    return int(not fine)


def print_cases(chosen: Sequence[Case], half: str, mistakes: bool = False) -> bool:
    """Precision and recall per kind and overall; whether both are as wanted."""
    scores, lines = score(chosen)
    print(f"\nfindings, {half} half: {len(chosen)} cases")
    print(f"  {'kind':<22} {'right':>5} {'false':>5} {'missed':>6} {'precision':>9} {'recall':>6}")
    everything = overall(scores)
    for kind, each in [*sorted(scores.items()), ("overall", everything)]:
        if each.right + each.false + each.missed:
            print(f"  {kind:<22} {each.right:>5} {each.false:>5} {each.missed:>6}", end="")
            print(f" {each.precision:>9.3f} {each.recall:>6.3f}")
    if mistakes:
        print("".join(f"  {line}\n" for line in lines), end="")
    return min(everything.precision, everything.recall) >= WANTED


def print_pairs(pairs: Sequence[Pair], name: str, mistakes: bool = False) -> bool:
    """Pair accuracy of evidence alone, per fault and overall; a tie counts half."""
    pack = load_pack("budgeting", known_checks=known_checks())
    right: dict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        better, worse = (_overall(pack, _evidence(pack, pair, text)) for text in (pair.better, pair.worse))
        won = _win(better, worse)
        right[pair.fault].append(won)
        if mistakes and won < 1:
            print(f"--- {pair.fault}: {better:.1f} against {worse:.1f}\n{pair.brief.prompt}")
            print(f"+++\n{pair.better}\n+++\n{pair.worse}")
    print(f"\npairs made by program, {name} seed: evidence alone, {len(pairs)} pairs")
    for fault, wins in right.items():
        print(f"  {fault:<22} {sum(wins) / len(wins):>6.3f}")
    accuracy = sum(map(sum, right.values())) / len(pairs)
    longer = sum(len(pair.better) > len(pair.worse) for pair in pairs) / len(pairs)
    print(f"  {'overall':<22} {accuracy:>6.3f}   (longer wins: {longer:.3f})")
    return accuracy >= WANTED


async def print_judge(pairs: Sequence[Pair]) -> bool:
    """Pair accuracy of the embedded judge, raw and with evidence; whether it is as wanted with evidence.

    Raw is the same rubric without checks and caps: the judge is told nothing and nothing is blended in.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_raw_pack(folder / f"{_RAW}.yaml")
        os.environ["RLHF_RUBRICS"] = name
        try:
            wins = {
                "raw": await _won(pairs, folder, _RAW, evidence_weight=0.0),
                "with evidence": await _won(pairs, folder, "budgeting", evidence_weight=None),
            }
        finally:
            del os.environ["RLHF_RUBRICS"]
    print(f"\npairs made by program, held-back seed: the embedded judge, {len(pairs)} pairs")
    for name, won in wins.items():
        print(f"  {name:<22} {sum(won) / len(won):>6.3f}")
    return sum(wins["with evidence"]) / len(pairs) >= WANTED


async def _won(
    pairs: Sequence[Pair], folder: Path, task_type: str, evidence_weight: float | None
) -> list[float]:
    """For each pair 1 if the better response is scored higher, 0 if lower, 0.5 for a tie."""
    from rlhf.nodes.services import Services
    from rlhf.runs.judge import judged
    from rlhf.state.files.prompts import parse_prompt
    from rlhf.state.recipe import load_recipe

    settings = load_recipe("local")
    weight = settings.judge.evidence_weight if evidence_weight is None else evidence_weight
    storage = {
        name: f"sqlite:///{folder}/{task_type}-{name}.sqlite" for name in ("ledger_url", "checkpoint_url")
    }
    changes = {"storage": storage, "judge": {"evidence_weight": weight}}
    services = Services(settings.replace(changes, "benchmark"))
    items = [
        (parse_prompt({"prompt": p.brief.prompt, "context": p.brief.context}, task_type, "pair"), text)
        for p in pairs
        for text in (p.better, p.worse)
    ]
    try:
        scores = [feedback.overall_score async for feedback in judged(services, items)]
    finally:
        services.close()
    assert None not in scores, "a judgement failed"
    known = [score or 0.0 for score in scores]
    return [_win(better, worse) for better, worse in zip(known[::2], known[1::2], strict=True)]


def _write_raw_pack(path: Path) -> None:
    """The budgeting rubric with a check that says the same of every response, and without caps."""
    pack = load_pack("budgeting").model_dump(mode="json")
    pack |= {"task_type": _RAW, "caps": []}
    for rubric in pack["dimensions"].values():
        rubric |= {"checks": [{"name": "not_empty"}], "caps": []}
    path.write_text(yaml.safe_dump(pack), "utf-8")


def _win(better: float, worse: float) -> float:
    return 0.5 + 0.5 * ((better > worse) - (better < worse))


def _evidence(pack: RubricPack, pair: Pair, text: str) -> dict[str, DimensionEvidence]:
    return grade_checks(pack, collect_evidence(pair.brief.prompt, text, pair.brief.context, pack.anchors))


def _overall(pack: RubricPack, evidence: Mapping[str, DimensionEvidence]) -> float:
    return sum(weight * (evidence[name].capped or 0.0) for name, weight in pack.weights.items())


if __name__ == "__main__":
    sys.exit(main())
