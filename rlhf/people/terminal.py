"""Asking a person at the terminal for ratings, one response at a time."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from rlhf.people.sample import AnySample, Sample, reviewer_name, sample_of
from rlhf.state.errors import InputError
from rlhf.state.records import HumanLabel

_QUESTION = "Rating 1 (poor) to 5 (excellent), [s]kip, [b]ack, [q]uit: "
_NO_TERMINAL = (
    "Nobody can be asked here: there is no input to read. Write the samples to a file with export_review(), "
    "and read the ratings with import_review()."
)


def collect_human_feedback(
    samples: Sequence[AnySample],
    *,
    reviewer: str | None = None,
    task_type: str | None = None,
    show_judges: bool = False,
) -> list[HumanLabel]:
    """Show each response in the terminal and ask for a rating (1–5) and, if wanted, a comment.

    `samples` are feedback, or mappings with `prompt` and `output` (or `response`) and optionally `context` and
    `task_type`; one that comes twice is asked once. `reviewer` is the login name if left out; `task_type` is
    that of mappings without one (the recipe's if left out). What the judges said is shown after the answer,
    because seen before it pulls the rating its way; `show_judges` shows it first.

    One can skip, go back and quit; the end of the input and Ctrl-C quit too. Returns what was answered, in the
    order of `samples`. Raises InputError for a sample that cannot be used, before anything is asked, and where
    there is no terminal or other input.
    """
    found = [sample_of(given, f"sample {number}", task_type) for number, given in enumerate(samples, 1)]
    wanted = list({sample.response_id: sample for sample in found}.values())
    return _Session(wanted, reviewer_name(reviewer), show_judges).run()


async def acollect_human_feedback(
    samples: Sequence[AnySample],
    *,
    reviewer: str | None = None,
    task_type: str | None = None,
    show_judges: bool = False,
) -> list[HumanLabel]:
    """`collect_human_feedback` for asynchronous code: the loop goes on while the person thinks."""
    return await asyncio.to_thread(
        collect_human_feedback, samples, reviewer=reviewer, task_type=task_type, show_judges=show_judges
    )


class _Quit(Exception):
    """The person has had enough, or there is nothing more to read."""


class _Session:
    """One person's way through the samples."""

    def __init__(self, samples: Sequence[Sample], reviewer: str, show_judges: bool) -> None:
        from rich.console import Console

        self._samples = samples
        self._reviewer = reviewer
        self._show_judges = show_judges
        self._labels: dict[int, HumanLabel] = {}
        self._console = Console(highlight=False)
        self._heard = False

    def run(self) -> list[HumanLabel]:
        place = 0
        try:
            while place < len(self._samples):
                self._show(place)
                place = self._answered(place)
        except (_Quit, KeyboardInterrupt):
            self._console.print()
        labels = [self._labels[place] for place in sorted(self._labels)]
        self._console.print(f"{len(labels)} of {len(self._samples)} rated by {self._reviewer}.", markup=False)
        return labels

    def _answered(self, place: int) -> int:
        """Ask until there is an answer; returns where to go on."""
        known = self._labels.get(place)
        question = f"{_QUESTION.removesuffix(': ')}, Enter keeps {known.rating}: " if known else _QUESTION
        while True:
            word = self._read(question).lower()
            if word in ("s", "skip"):
                self._labels.pop(place, None)
                return place + 1
            if word in ("b", "back"):
                return max(0, place - 1)
            if word in ("q", "quit"):
                raise _Quit
            if known and not word:
                return place + 1
            if word in ("1", "2", "3", "4", "5"):
                self._keep(place, int(word))
                return place + 1
            self._console.print(f"{word[:40]!r} is no answer.", markup=False)

    def _keep(self, place: int, rating: int) -> None:
        sample = self._samples[place]
        # Kept before the comment is asked for: who quits there has rated all the same.
        label = self._labels[place] = sample.label(rating, self._reviewer, datetime.now(UTC))
        if comment := self._read("Comment (optional): "):
            self._labels[place] = label.model_copy(update={"comment": comment})
        if sample.judge_rating is not None and not self._show_judges:
            self._console.print(f"The judges said {sample.judges}.", style="dim", markup=False)

    def _show(self, place: int) -> None:
        from rich.panel import Panel
        from rich.text import Text

        sample = self._samples[place]
        heading = f"Response {place + 1} of {len(self._samples)}"
        self._console.print()
        self._console.rule(Text(f"{heading} · {sample.task_type}" if sample.task_type else heading))
        parts = {"Prompt": sample.prompt, "Context": _listed(sample), "Response": sample.response}
        for title, text in parts.items():
            if text or title != "Context":
                self._console.print(Panel(Text(_shown(text) or "(empty)"), title=title, title_align="left"))
        if self._show_judges:
            self._console.print(f"Judges: {sample.judges}", markup=False)

    def _read(self, question: str) -> str:
        """A line from the person. Raises _Quit at the end of the input, InputError if there never was any."""
        self._console.print(question, end="", markup=False)
        try:
            line = input()
        except (EOFError, OSError, RuntimeError) as error:  # closed, not readable, or not there at all
            if self._heard:
                raise _Quit from error
            self._console.print()
            raise InputError(_NO_TERMINAL) from error
        self._heard = True
        # What the terminal's encoding could not read must not reach a database.
        return line.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _listed(sample: Sample) -> str:
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in sample.context.items()
    )


def _shown(text: str) -> str:
    """The text without control characters: a response must not be able to steer the terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "�", text.replace("\r\n", "\n").expandtabs(4))
