"""Node `build_dataset`: pairs from the round's feedback and people's decisions, as a versioned dataset."""

from collections.abc import Callable, Mapping
from pathlib import Path

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from nodes.accept import score_of
from nodes.judge import template_version
from nodes.panel import pack_for
from nodes.services import Services, in_thread
from state.errors import DatasetError
from state.graph_state import PipelineState, RunContext
from state.ledger import RunRow
from state.records import DatasetStage, Feedback, ResponseRow, Review
from training.dataset import Row, write_dataset
from training.local_model import resolve_model
from training.pairs import REMEDIES, Candidate, Pair, Rules, select_pairs
from training.tokens import TEMPLATE_TOKENS, token_counter


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
    if known is not None and known.path is not None and Path(known.path).exists():
        return known
    samples = [s for s in ledger.samples(run_id, "policy", round) if s.response_key is not None]
    keys = [sample.response_key for sample in samples if sample.response_key is not None]
    responses, feedback, reviews = (
        ledger.responses(keys),
        ledger.feedback(run_id, keys),
        ledger.reviews(run_id),
    )
    candidates: dict[str, dict[str, Candidate]] = {}
    for sample, key in zip(samples, keys, strict=True):
        candidate = _candidate(responses[key], feedback.get(key), reviews.get(key))
        candidates.setdefault(sample.prompt_key, {})[key] = candidate
    by_prompt = {prompt: list(found.values()) for prompt, found in candidates.items()}
    pairs, dropped = select_pairs(by_prompt, _rules(run), _fits(run, responses))
    if not pairs:
        raise DatasetError(_nothing_left(dropped, len(by_prompt)))
    ledger.add_pairs(run_id, round, [(p.chosen.key, p.rejected.key, p.margin) for p in pairs])
    path = write_dataset(
        Path(run.settings.pipeline.dataset_dir),
        run.adapter_name,
        [_row(pair, responses) for pair in pairs],
        _manifest(run, round, responses, feedback, reviews, dropped, len(by_prompt)),
    )
    stage = DatasetStage(path=str(path), num_examples=len(pairs), dropped=dropped)
    ledger.set_stage(run_id, round, "dataset", stage)
    return stage


def _candidate(response: ResponseRow, feedback: Feedback | None, review: Review | None) -> Candidate:
    """The response with the judges' word, or a person's where there is one: it always wins."""
    score = feedback.overall_score if feedback else None
    rating, vetoed = feedback.rating if feedback else None, bool(feedback and feedback.vetoed)
    if review is not None and review.decision != "approve":
        rating = review.rating if review.rating is not None else 1
        score, vetoed = score_of(rating), False
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
    count = token_counter(resolve_model(run.settings.training.base_model))
    room = run.settings.dataset.max_length - TEMPLATE_TOKENS
    return lambda candidate: count(responses[candidate.key].prompt) + count(candidate.text) <= room


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
    )


def _manifest(
    run: RunRow,
    round: int,
    responses: Mapping[str, ResponseRow],
    feedback: Mapping[str, Feedback],
    reviews: Mapping[str, Review],
    dropped: Mapping[str, int],
    num_prompts: int,
) -> dict[str, object]:
    task_types = sorted({response.task_type for response in responses.values()})
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
            "calibrations": sorted({entry.calibration for entry in feedback.values() if entry.calibration}),
        },
        "rubric_versions": {name: pack_for(name).version for name in task_types},
        "num_prompts": num_prompts,
        "num_responses": len(responses),
        "num_reviews": len(reviews),
        "dropped": dict(dropped),
    }


def _nothing_left(dropped: Mapping[str, int], num_prompts: int) -> str:
    counted = ", ".join(f"{reason} {count}" for reason, count in dropped.items())
    worst = max(dropped, key=lambda reason: dropped[reason])
    remedy = REMEDIES[worst]
    return f"No pair survived selection from {num_prompts} prompts ({counted}). What helps most: {remedy}."
