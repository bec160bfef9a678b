"""Node `build_dataset`: pairs from the round's feedback and people's decisions, as a versioned dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.judge_version import template_version
from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.state.errors import DatasetError
from rlhf.state.graph_state import PipelineState, RunContext
from rlhf.state.ledger import RunRow
from rlhf.state.records import Feedback, ResponseRow, Review
from rlhf.state.run_report import DatasetStage
from rlhf.training.dataset import Row, write_dataset
from rlhf.training.local_model import resolve_model
from rlhf.training.pairs import REMEDIES, Candidate, Pair, Rules, select_pairs
from rlhf.training.tokens import TEMPLATE_TOKENS, TURN_TOKENS, token_counter


async def build_dataset(
    state: PipelineState, runtime: Runtime[RunContext], *, services: Services
) -> PipelineState:
    """Select pairs and write the dataset; done already, it is left as it is.

    Raises DatasetError when no pair survives, naming what took how many and what to change.
    """
    stage = await in_thread(_built, services, state["run_id"], state["round"])
    detail = f"{stage.num_examples} pairs"
    done = stage.num_examples
    get_stream_writer()({"stage": "dataset", "done": done, "total": done, "detail": detail})
    return {}


def _built(services: Services, run_id: str, round: int) -> DatasetStage:
    run, ledger = services.run(run_id), services.ledger
    known = ledger.stage(run_id, round, "dataset", DatasetStage)
    if known is not None and known.path is not None and not known.provisional and Path(known.path).exists():
        return known
    samples = [s for s in ledger.samples(run_id, "policy", round) if s.response_key is not None]
    by_prompt: dict[str, list[str]] = {}
    for sample in samples:
        if sample.response_key is not None:
            by_prompt.setdefault(sample.prompt_key, []).append(sample.response_key)
    keys = [key for found in by_prompt.values() for key in found]
    judged = RoundFeedback(
        by_prompt, ledger.responses(keys), ledger.feedback(run_id, keys), ledger.reviews(run_id)
    )
    pairs, dropped = pairs_of(run, judged)
    if not pairs:
        raise DatasetError(nothing_left(dropped, len(by_prompt)))
    ledger.set_pairs(run_id, round, [(p.chosen.key, p.rejected.key, p.margin) for p in pairs])
    stage = written(run, round, judged, pairs, dropped)
    ledger.set_stage(run_id, round, "dataset", stage)
    return stage


@dataclass(frozen=True)
class RoundFeedback:
    """What pairs are selected from; all but `by_prompt` by response key."""

    by_prompt: Mapping[str, Sequence[str]]
    """Keys of each prompt's responses, by prompt key; both in the order of the run."""
    responses: Mapping[str, ResponseRow]
    feedback: Mapping[str, Feedback]
    reviews: Mapping[str, Review]


def pairs_of(run: RunRow, judged: RoundFeedback) -> tuple[list[Pair], dict[str, int]]:
    """The pairs by the run's settings, and what took how many prompts or pairs."""
    candidates = {
        prompt: [
            _candidate(judged.responses[key], judged.feedback.get(key), judged.reviews.get(key))
            for key in dict.fromkeys(keys)
        ]
        for prompt, keys in judged.by_prompt.items()
    }
    return select_pairs(candidates, _rules(run), _fits(run, judged.responses))


def written(
    run: RunRow,
    round: int,
    judged: RoundFeedback,
    pairs: Sequence[Pair],
    dropped: Mapping[str, int],
    **told: object,
) -> DatasetStage:
    """Write the pairs as a dataset; `told` goes into its manifest. Raises DatasetError."""
    path = write_dataset(
        Path(run.settings.pipeline.dataset_dir),
        run.adapter_name,
        [_row(pair, judged.responses) for pair in pairs],
        {**_manifest(run, round, judged, dropped), **told},
    )
    return DatasetStage(path=str(path), num_examples=len(pairs), dropped=dict(dropped))


def _candidate(response: ResponseRow, feedback: Feedback | None, review: Review | None) -> Candidate:
    """The response with the judges' word, or a person's where there is one: it always wins."""
    score = feedback.overall_score if feedback else None
    rating, vetoed = feedback.rating if feedback else None, bool(feedback and feedback.vetoed)
    if review is not None and review.own_rating is not None:
        rating, score, vetoed = review.own_rating, review.own_score, False
    return Candidate(key=response.key, text=response.text, score=score, rating=rating, vetoed=vetoed)


def _rules(run: RunRow) -> Rules:
    dataset, acceptance = run.settings.dataset, run.settings.acceptance
    return Rules(
        selection=dataset.selection,
        min_rating_chosen=acceptance.min_rating_chosen,
        max_rating_rejected=acceptance.max_rating_rejected,
        min_margin=dataset.min_margin,
        pairs_per_prompt=dataset.pairs_per_prompt,
    )


def _fits(run: RunRow, responses: Mapping[str, ResponseRow]) -> Callable[[Candidate], bool]:
    # A prompt is counted once, however many of its responses are looked at.
    count = lru_cache(maxsize=None)(token_counter(resolve_model(run.settings.training.base_model)))
    room = run.settings.dataset.max_length - TEMPLATE_TOKENS

    def fits(candidate: Candidate) -> bool:
        response = responses[candidate.key]
        turns = TURN_TOKENS * len(response.turns or ())
        return turns + count(response.prompt) + count(candidate.text) <= room

    return fits


def _row(pair: Pair, responses: Mapping[str, ResponseRow]) -> Row:
    return Row(
        prompt=responses[pair.chosen.key].prompt,
        chosen=pair.chosen.text,
        rejected=pair.rejected.text,
        chosen_score=round(pair.chosen.score or 0.0, 4),
        rejected_score=round(pair.rejected.score or 0.0, 4),
        prompt_key=pair.prompt_key,
        chosen_key=pair.chosen.key,
        rejected_key=pair.rejected.key,
        turns=responses[pair.chosen.key].turns,
    )


def _manifest(
    run: RunRow, round: int, judged: RoundFeedback, dropped: Mapping[str, int]
) -> dict[str, object]:
    task_types = sorted({response.task_type for response in judged.responses.values()})
    return {
        "run_id": run.run_id,
        "round": round,
        "adapter_name": run.adapter_name,
        "seed": run.settings.pipeline.seed,
        "selection": run.settings.dataset.model_dump(),
        "acceptance": run.settings.acceptance.model_dump(),
        "judge": {
            "model": run.settings.judge.model,
            "template_version": template_version(run.settings.judge),
            "calibrations": sorted(
                {entry.calibration for entry in judged.feedback.values() if entry.calibration}
            ),
        },
        "rubric_versions": {name: pack_for(name).version for name in task_types},
        "num_prompts": len(judged.by_prompt),
        "num_responses": len(judged.responses),
        "num_reviews": len(judged.reviews),
        "dropped": dict(dropped),
    }


def nothing_left(dropped: Mapping[str, int], num_prompts: int) -> str:
    """Why there is no pair, and what helps."""
    counted = ", ".join(f"{reason} {count}" for reason, count in dropped.items())
    worst = max(dropped, key=lambda reason: dropped[reason])
    remedy = REMEDIES[worst]
    return f"No pair survived selection from {num_prompts} prompts ({counted}). What helps most: {remedy}."
