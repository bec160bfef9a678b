"""Which prompts are held out and which are trained on, so that no lesson is asked of its own near-duplicate."""

from collections.abc import Sequence

from rlhf.nodes.clusters import near_duplicates
from rlhf.state.errors import InputError
from rlhf.state.keys import derived_seed
from rlhf.state.records import PromptRow
from rlhf.state.run_report import SplitStage
from rlhf.state.settings import Settings
from rlhf.training.statistics.comparison import MIN_TO_SHIP


def split_prompts(rows: Sequence[PromptRow], settings: Settings) -> tuple[list[PromptRow], SplitStage]:
    """The rows that the run uses, `split` set, in their order, and what became of all.

    A seeded, order-independent share is held out, at least one and never all, in whole clusters of near-duplicates as
    far as they fit; where none fits, part of the smallest one is held out and the rest of it left out. Prompts that
    are all alike are all trained on. Training rows beyond `num_synthetic_examples` responses are left out.
    """
    options = settings.pipeline
    shuffled = sorted(rows, key=lambda row: (derived_seed(options.seed, row.key, "split"), row.key))
    wanted = _wanted(len(rows), settings)
    clusters = _clusters(shuffled) if wanted else []
    held = _held_out(clusters, wanted)
    touched = [cluster for cluster in clusters if not held.isdisjoint(cluster)]
    apart = {key for cluster in touched for key in cluster}
    allowed = max(1, options.num_synthetic_examples // options.num_variations_per_prompt)
    trained = set([row.key for row in shuffled if row.key not in apart][:allowed])
    used = [
        row.model_copy(update={"split": "held_out" if row.key in held else "train"})
        for row in rows
        if row.key in held or row.key in trained
    ]
    return used, SplitStage(
        num_prompts=len(rows),
        num_clusters=len(clusters),
        num_train=len(trained),
        num_held_out=len(held),
        num_held_out_clusters=len(touched),
        num_left_out=len(rows) - len(used),
    )


def _wanted(count: int, settings: Settings) -> int:
    """How many of `count` prompts should be held out; InputError if that leaves none to train on."""
    options = settings.pipeline
    if options.held_out_fraction == 0:
        return 0
    wanted = max(1, round(options.held_out_fraction * count))
    wanted = min(wanted, options.num_held_out or wanted)
    if wanted >= count:
        raise InputError(
            f"{count} prompt(s) are too few: {wanted} would be held out for evaluation. "
            "Give more prompts or lower pipeline.held_out_fraction."
        )
    return wanted


def _clusters(rows: Sequence[PromptRow]) -> list[list[str]]:
    """The keys of prompts that are nearly alike, in the order of each cluster's first row."""
    clusters: dict[int, list[str]] = {}
    # A context is not shown to who answers: prompts that differ in it alone are one and the same question.
    for row, number in zip(rows, near_duplicates([row.text for row in rows]), strict=True):
        clusters.setdefault(number, []).append(row.key)
    return list(clusters.values())


def _held_out(clusters: Sequence[Sequence[str]], wanted: int) -> set[str]:
    """Keys of the held-out prompts, `wanted` of them or somewhat fewer, from clusters in the order of the draw."""
    if len(clusters) < 2:
        return set()
    held: set[str] = set()
    for cluster in clusters:
        if len(held) + len(cluster) <= wanted:
            held.update(cluster)
    return held or set(min(clusters, key=len)[:wanted])


def split_notes(split: SplitStage) -> list[str]:
    """What a person has to know of the split before anything is spent, a sentence each."""
    notes = []
    if split.num_left_out:
        notes.append(
            f"{split.num_left_out:,} of {split.num_prompts:,} prompts are left out: {split.num_train:,} are trained on "
            f"(pipeline.num_synthetic_examples) and {split.num_held_out:,} held out (pipeline.num_held_out)."
        )
    if 0 < split.num_clusters < split.num_prompts:
        notes.append(
            f"The {split.num_prompts:,} prompts are {split.num_clusters:,} when near-duplicates count as one, as they "
            "do: they stay on one side of the split."
        )
    if split.num_prompts > 1 and split.num_clusters == 1:
        notes.append(
            "The prompts are all nearly alike, so none can be held out and nothing can be proved with them: every "
            "adapter stays a candidate. Give prompts that differ in more than numbers and names."
        )
    elif 0 < split.num_held_out_clusters < MIN_TO_SHIP:
        notes.append(
            f"{split.num_held_out_clusters} different held-out prompts prove no improvement: {MIN_TO_SHIP} are the "
            "fewest. Give more prompts or raise pipeline.held_out_fraction."
        )
    return notes
