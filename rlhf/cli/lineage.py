"""`rlhf lineage`: from a deployed adapter, a pair or a response down to every verdict behind it."""

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app
from rlhf.cli.common import JsonOption, RecipeOption, print_json

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from rlhf.state.ledger.traces import Trace
    from rlhf.trust.lineage_records import (
        AdapterOrigin,
        PairOrigin,
        PersonOrigin,
        ResponseOrigin,
        VerdictOrigin,
    )

EXCERPT = 200
"""Characters of a text that are shown; --full shows all."""
PAIRS = 3
"""Pairs of an adapter that are shown; --full shows all."""
PIPE_WIDTH = 160
"""Columns where the output is no terminal."""

# What a model wrote may hold sequences that a terminal would obey.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@app.command()
def lineage(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="ADAPTER|PAIR|RESPONSE",
            help="NAME[@VERSION], CHOSEN_KEY:REJECTED_KEY, FILE.jsonl#ROW or a response's key.",
        ),
    ],
    full: Annotated[bool, typer.Option("--full", help="Whole texts and all pairs.")] = False,
    as_json: JsonOption = False,
    recipe: RecipeOption = None,
) -> None:
    """Show where an adapter, a pair or a response comes from."""
    from rich.console import Console

    from rlhf.trust.lineage import lineage as origin_of
    from rlhf.trust.lineage_records import AdapterOrigin, PairOrigin

    origin = origin_of(reference, recipe=recipe)
    if as_json:
        print_json(origin.model_dump(mode="json"))
        return
    draw = _Drawing(full)
    if isinstance(origin, AdapterOrigin):
        tree = draw.adapter(origin)
    else:
        tree = draw.pair(origin) if isinstance(origin, PairOrigin) else draw.response(origin, "response")
    Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(tree)


class _Drawing:
    """Trees of what is known; texts are shortened unless all is wanted."""

    def __init__(self, full: bool) -> None:
        self._full = full

    def adapter(self, origin: "AdapterOrigin") -> "Tree":
        aliases = f" ({', '.join(origin.aliases)})" if origin.aliases else ""
        tree = self._tree(f"adapter {origin.name} {origin.version}{aliases}, stored {origin.created_at}")
        derived = f", derived from {' from '.join(origin.derived_from)}" if origin.derived_from else ""
        self._add(tree, f"run {origin.run_id} round {origin.round}{derived}")
        self._add(tree, f"trained from {origin.parent or origin.base_model}, judged by {origin.judge}")
        intact = "as it was" if origin.dataset_intact else "gone or changed since"
        self._add(tree, f"dataset {origin.dataset} ({intact}), sha256 {origin.dataset_sha256[:16]}")
        shown = origin.pairs if self._full else origin.pairs[:PAIRS]
        for pair in shown:
            tree.add(self.pair(pair))
        if left := len(origin.pairs) - len(shown):
            self._add(tree, f"… {left} more pairs: --full shows them, --json has them all")
        return tree

    def pair(self, origin: "PairOrigin") -> "Tree":
        place = f", {origin.dataset}" if origin.dataset else ""
        keys = f"{origin.chosen.response_key}:{origin.rejected.response_key}"
        told = f"{origin.margin:.1f} points apart, run {origin.run_id} round {origin.round}{place}"
        tree = self._tree(f"pair {keys}: {told}")
        self._add(tree, f"prompt: {self._text(origin.chosen.prompt)}")
        tree.add(self.response(origin.chosen, "chosen", prompt=False))
        tree.add(self.response(origin.rejected, "rejected", prompt=False))
        return tree

    def response(self, origin: "ResponseOrigin", name: str, *, prompt: bool = True) -> "Tree":
        score = "no score" if origin.overall_score is None else f"score {origin.overall_score:.1f}"
        rating = "" if origin.rating is None else f", rating {origin.rating}"
        tree = self._tree(f"{name} {origin.response_key}: {score}{rating}")
        if prompt:
            self._add(tree, f"prompt: {self._text(origin.prompt)}")
        self._add(tree, f"text: {self._text(origin.response)}")
        if origin.run_id and origin.made_by:
            others = f"; also in {', '.join(origin.other_runs)}" if origin.other_runs else ""
            self._add(tree, f"made by {origin.made_by}, run {origin.run_id} round {origin.round}{others}")
        if origin.review_reasons:
            self._add(tree, f"for review: {'; '.join(origin.review_reasons)}")
        for person in origin.people:
            self._add(tree, _said(person))
        for verdict in origin.verdicts:
            tree.add(self._verdict(verdict))
        if not origin.verdicts:
            self._add(tree, "not judged")
        return tree

    def _verdict(self, verdict: "VerdictOrigin") -> "Tree":
        if verdict.judge_score is None:
            head = f"{verdict.dimension}: failed, {verdict.failure}: {verdict.error}"
        else:
            counts = "" if verdict.score is None else f", counts {verdict.score:.1f}"
            head = f"{verdict.dimension}: judge {verdict.judge_score:.1f}{counts}"
        tree = self._tree(head)
        if verdict.rationale:
            self._add(tree, f"because: {self._text(verdict.rationale)}")
        for line in self._evidence(verdict):
            self._add(tree, line)
        asked = f" for run {verdict.asked_by}" if verdict.asked_by else ""
        self._add(tree, f"{verdict.endpoint}{asked}, {verdict.judged_at:%Y-%m-%d %H:%M:%S} UTC")
        self._add(tree, f"rubric {verdict.rubric_version}, template {verdict.template_version}")
        self._add(tree, f"trace {_traced(verdict.trace)}")
        return tree

    def _evidence(self, verdict: "VerdictOrigin") -> Iterator[str]:
        for note in verdict.evidence:
            if note.grade is not None and (self._full or note.grade < 1):
                yield f"evidence {note.check} {note.grade:.2f}: {self._text(note.sentence)}"
        held = sum(note.grade == 1 for note in verdict.evidence)
        if held and not self._full:
            yield f"evidence: {held} {'checks hold' if held > 1 else 'check holds'}"
        if verdict.evidence_cap is not None:
            yield f"evidence caps the score at {verdict.evidence_cap:.0f}"

    def _text(self, text: str) -> str:
        flat = text if self._full else " ".join(text.split())
        if self._full or len(flat) <= EXCERPT:
            return flat
        return f"{flat[:EXCERPT]} … ({len(text)} characters)"

    def _add(self, tree: "Tree", text: str) -> None:
        tree.add(_plain(text))

    def _tree(self, text: str) -> "Tree":
        from rich.tree import Tree

        return Tree(_plain(text))


def _plain(text: str) -> "Text":
    from rich.text import Text

    return Text(_UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text))


def _said(person: "PersonOrigin") -> str:
    words = {
        "approve": "approved the judges' rating",
        "reject": "rejected it",
        "edit": f"rated it {person.rating}",
    }
    when = f" on {person.given_at:%Y-%m-%d %H:%M:%S} UTC" if person.given_at else ""
    comment = f": {person.comment}" if person.comment else ""
    return f"{person.reviewer or 'a person'} {words[person.decision]}{when} (run {person.run_id}){comment}"


def _traced(trace: "Trace | None") -> str:
    if trace is None:
        return "none: tracing was off"
    return f"{trace.trace_id}, judged in {trace.trace_run_id}, project {trace.project}"
