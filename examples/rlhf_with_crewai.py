"""Five working examples: a menu in a terminal, `--example N` elsewhere.

    python examples/rlhf_with_crewai.py                # the menu
    python examples/rlhf_with_crewai.py --example 2    # one of them
    python examples/rlhf_with_crewai.py --example 4 --recipe openai

Without a recipe the command line's rule chooses: RLHF_RECIPE, then OPENAI_API_KEY, then OLLAMA_MODEL, then the
embedded model, with which each takes less than three minutes on two cores. Ledger, datasets and adapters go to the
current folder, as with `rlhf run`; a second time nothing is judged again.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from rlhf import (
    AutomatedRLHFPipeline,
    Feedback,
    LangSmithTracer,
    MultiAgentRLHF,
    PipelineConfig,
    RlhfError,
    RLHFMonitor,
    SyntheticFeedbackGenerator,
)

PROMPT = "Allocate a $2.5M retail media budget between Amazon, Walmart and Target, and say why."
CONTEXT = {"brand": "Acme", "budget": 2_500_000, "retailers": ["Amazon", "Walmart", "Target"]}
CAREFUL = (
    "Amazon: $1.2M, because most of Acme's sales are there. Walmart: $800K, to grow reach by March 31.\n"
    "Target: $500K, as a test. Next step: the media team books the slots by Friday and reports sales weekly."
)
CARELESS = "Amazon: $2.4M, Walmart: $800K. Results are guaranteed."
EVASIVE = "It depends on many things."

STORES = ("Amazon", "Walmart", "Target", "Kroger", "Costco", "CVS", "Instacart", "Walgreens")


def synthetic_feedback(recipe: str | None) -> None:
    """Synthetic feedback: one response, then a batch."""
    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        feedback = generator.generate_feedback(PROMPT, CAREFUL, CONTEXT)
        _show("A careful plan", feedback)
        texts = {"A careless plan": CARELESS, "An evasive answer": EVASIVE}
        examples = [{"prompt": PROMPT, "output": text, "context": CONTEXT} for text in texts.values()]
        for name, judged in zip(texts, generator.generate_batch(examples, batch_size=10), strict=True):
            _show(name, judged)


def multi_agent_evaluation(recipe: str | None) -> None:
    """Multi-agent evaluation: five judges, weighted as you say."""
    weights = {
        "accuracy": 0.30,
        "brand_alignment": 0.20,
        "compliance": 0.25,
        "clarity": 0.15,
        "actionability": 0.10,
    }
    with MultiAgentRLHF("budgeting", weights, recipe=recipe) as panel:
        feedback = panel.evaluate(PROMPT, CARELESS, CONTEXT)
    _show("A careless plan", feedback)
    for name, weight in weights.items():
        part = feedback.dimensions[name]
        print(f"  {name:<16} weight {weight:.2f}  score {_number(part.score)}")
        for note in part.evidence:
            if note.grade is not None and note.grade < 0.5:
                print(f"  {'':<16} - {note.sentence}")


def langsmith_tracing(recipe: str | None) -> None:
    """LangSmith tracing: what happens inside a block is one trace."""
    tracer = LangSmithTracer(project_name="rmn-rlhf")
    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        with tracer.trace_feedback_collection(user_id="user123", task_type="budgeting"):
            _show("A careful plan", generator.generate_feedback(PROMPT, CAREFUL, CONTEXT))
        with tracer.trace_training("DPO", "brand_acme_v2") as block:
            block.log(note="nothing is trained here: example 4 trains")
    stats = tracer.get_project_stats()
    where = f"project {stats.project} of LangSmith" if stats.source == "langsmith" else "this process"
    print(f"Traces in {where}: {stats['total_runs']}.")
    if not tracer.enabled:
        print("Nothing was sent: set LANGSMITH_API_KEY to see the traces in LangSmith.")


def automated_pipeline(recipe: str | None) -> None:
    """The automated pipeline: prompts in, a trained and evaluated adapter out, small enough to watch."""
    config = PipelineConfig(num_variations_per_prompt=3, output_dir=Path("models/adapters"))
    prompts = [
        f"Split ${number + 2}00,000 between {first} and {second}, and say why."
        for number, (first, second) in enumerate(zip(STORES, STORES[1:] + STORES[:1], strict=True))
    ]
    with AutomatedRLHFPipeline(config, "budgeting", recipe=recipe) as pipeline:
        results = pipeline.run_full_pipeline(prompts=prompts, adapter_name="example")
    stages = results.stages
    print(f"Run {results.run_id}: {results.status}.")
    print(
        f"  {stages.generation.num_responses} responses, average rating {_number(stages.feedback.avg_rating)}"
    )
    print(f"  {stages.dataset.num_examples} pairs in {stages.dataset.path}")
    print(f"  verdict {stages.evaluation.verdict}: {'; '.join(stages.evaluation.reasons)}")
    print(f"  {results.adapter_name} {stages.deployment.version} is the {stages.deployment.alias}")


def ab_testing(recipe: str | None) -> None:
    """A/B testing: two versions of a model on the same prompts; a winner only if the figures say so."""
    prompts = [f"Split $100,000 between {first} and CVS." for first in STORES if first != "CVS"]
    careful = "{0}: $60,000 by May 1, because it sells most.\nCVS: $40,000 by June 1.\nReport sales weekly."
    careless = "{0} gets $90,000 and CVS gets $40,000. It is guaranteed to work."
    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        versions: list[list[Feedback]] = []
        for answer in (careless, careful):
            texts = [answer.format(prompt.split()[3]) for prompt in prompts]
            rows = [{"prompt": p, "output": text} for p, text in zip(prompts, texts, strict=True)]
            versions.append(generator.generate_batch(rows))
    with RLHFMonitor(recipe=recipe) as monitor:
        for name, feedback in zip(("v1", "v2"), versions, strict=True):
            metrics = monitor.track_feedback_quality(feedback, label=name)
            print(f"{name}: average rating {_number(metrics['average_rating'])}")
        comparison = monitor.compare_model_versions("v1", "v2", *versions)
    print(f"Winner: {comparison['winner']} ({'; '.join(comparison.reasons)})")
    if comparison.score_delta is not None:
        print(
            f"v2 − v1: {comparison.score_delta:+.1f} points "
            f"[{comparison.ci_low:+.1f}, {comparison.ci_high:+.1f}], rating {comparison.rating_delta:+.2f}"
        )


EXAMPLES: tuple[Callable[[str | None], None], ...] = (
    synthetic_feedback,
    multi_agent_evaluation,
    langsmith_tracing,
    automated_pipeline,
    ab_testing,
)


def _show(name: str, feedback: Feedback) -> None:
    stars = "★" * (feedback.overall_rating or 0)
    chosen = "acceptable" if feedback.is_acceptable else "not acceptable"
    print(f"{name}: {_number(feedback.overall_score)} of 100 {stars} {chosen}")
    for weakness in feedback.weaknesses[:2]:
        print(f"  - {weakness}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"


def _menu() -> str:
    print()
    for number, example in enumerate(EXAMPLES, 1):
        print(f"  {number}  {(example.__doc__ or '').splitlines()[0]}")
    return input("Which one (1 to 5, q to end)? ").strip().lower()


def _run(number: int, recipe: str | None) -> int:
    example = EXAMPLES[number - 1]
    print(f"\n{(example.__doc__ or '').splitlines()[0]}\n", flush=True)
    try:
        example(recipe)
    except RlhfError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def main() -> int:
    """One example, or the menu until the person ends it."""
    parser = argparse.ArgumentParser(description="Five examples of rlhf-graph.")
    parser.add_argument("--example", type=int, choices=range(1, len(EXAMPLES) + 1), help="run this one")
    parser.add_argument("--recipe", help="a recipe's name or file")
    options = parser.parse_args()
    if options.example:
        return _run(options.example, options.recipe)
    try:
        while (answer := _menu()) not in ("q", "quit"):
            if answer.isdigit() and 1 <= int(answer) <= len(EXAMPLES):
                _run(int(answer), options.recipe)
            else:
                print(f"{answer!r} is not on the list.")
    except EOFError:
        print("\nNo terminal to ask: choose with --example N.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
