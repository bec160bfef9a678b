"""What a person is asked to rate, whatever it comes as: feedback, a label, or a plain mapping; and who rates it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from rlhf.state.conversation import Turn
from rlhf.state.errors import InputError
from rlhf.state.files.feedback import without_the_result
from rlhf.state.files.prompts import parse_answered
from rlhf.state.keys import prompt_key, response_key
from rlhf.state.records import Feedback, HumanLabel

AnySample = Feedback | HumanLabel | Mapping[str, Any]
"""Feedback, a label, or a mapping with `prompt` and `output` (or `response`), optionally `context`, `task_type`."""

MAX_NAME = 200
_LONGEST_CELL = 32_000
"""Spreadsheets cut cells somewhat above this many characters."""


@dataclass(frozen=True)
class Sample:
    """One response with its prompt, and what the judges said of it where that is known."""

    response_id: str
    prompt_id: str = ""
    task_type: str = ""
    prompt: str = ""
    turns: list[Turn] | None = None
    response: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    judge_rating: int | None = None
    judge_score: float | None = None
    reasons: str = ""
    """Why a person is asked."""

    @property
    def judges(self) -> str:
        """The judges' view in words."""
        if self.judge_rating is None:
            return "no score"
        score = "" if self.judge_score is None else f" ({self.judge_score:.0f} of 100)"
        return f"{self.judge_rating} of 5{score}"

    def label(self, rating: int, reviewer: str, labelled_at: datetime, comment: str = "") -> HumanLabel:
        """A person's rating of it."""
        return HumanLabel(
            response_id=self.response_id,
            prompt_id=self.prompt_id,
            task_type=self.task_type,
            prompt=self.prompt,
            turns=self.turns,
            response=self.response,
            rating=rating,
            comment=comment,
            reviewer=reviewer,
            labelled_at=labelled_at,
            judge_rating=self.judge_rating,
        )


def sample_of(given: AnySample, where: str, task_type: str | None) -> Sample:
    """The sample; InputError naming `where` if it cannot be used.

    `task_type` is that of mappings that name none; None: the recipe's, chosen as the command line does.
    """
    if isinstance(given, Feedback):
        return sample_of_feedback(given)
    if isinstance(given, HumanLabel):
        return Sample(
            response_id=given.response_id,
            prompt_id=given.prompt_id,
            task_type=given.task_type,
            prompt=given.prompt,
            turns=given.turns,
            response=given.response,
            judge_rating=given.judge_rating,
        )
    if isinstance(given, Mapping) and "dimensions" in given:  # a line of `rlhf judge --json`
        try:
            return sample_of_feedback(Feedback.model_validate(without_the_result(given)))
        except ValidationError as error:
            raise InputError(f"{where}: has dimensions but is no feedback.") from error
    prompt, output = parse_answered(given, task_type or _default_task_type(), where)
    return Sample(
        response_id=response_key(prompt.key, output),
        prompt_id=prompt.key,
        task_type=prompt.task_type,
        prompt=prompt.text,
        turns=prompt.turns,
        response=output,
        context=prompt.context,
    )


def sample_of_feedback(feedback: Feedback, context: Mapping[str, Any] | None = None) -> Sample:
    """Feedback knows its response but not the context, which comes from elsewhere."""
    label = feedback.label
    prompt_id = feedback.prompt_id or prompt_key(
        feedback.prompt, dict(context or {}), feedback.task_type, feedback.turns
    )
    return Sample(
        response_id=feedback.response_id or response_key(prompt_id, feedback.response),
        prompt_id=prompt_id,
        task_type=feedback.task_type,
        prompt=feedback.prompt,
        turns=feedback.turns,
        response=feedback.response,
        context=context or {},
        judge_rating=label.judge_rating if label else feedback.rating,
        judge_score=label.judge_score if label else feedback.overall_score,
        reasons="; ".join(feedback.review_reasons),
    )


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same but for white space, or one is the other as a spreadsheet cut it."""
    short, long = sorted(("".join(text.split()) for text in (one, other)), key=len)
    cut = min(len(one), len(other)) >= _LONGEST_CELL
    return short == long or (cut and long.startswith(short))


def reviewer_name(reviewer: str | None) -> str:
    """The name given, else the login name. InputError if there is none, or it cannot be written in one line."""
    name = (login_name() if reviewer is None else reviewer).strip()
    if reviewer is None and not name:
        raise InputError("There is no login name here to keep with the ratings: say who the reviewer is.")
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InputError(f"A reviewer's name has 1 to {MAX_NAME} characters on one line, not {name[:40]!r}.")
    return name


def login_name() -> str:
    """Who works at this terminal; empty if the system does not know."""
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return ""


def _default_task_type() -> str:
    from rlhf.state.recipe import choose_recipe

    return choose_recipe().settings.task_type
