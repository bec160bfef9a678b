"""Reading people's labels: which of two responses is better, or how good one is on a scale."""

import json
import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final, get_args

from rlhf.state.errors import InputError
from rlhf.state.files.prompts import checked_text, parse_prompt
from rlhf.state.files.tables import numbered_rows, refuse
from rlhf.state.files.turns import fields
from rlhf.state.keys import content_key, derived_seed
from rlhf.state.records import Choice, PromptRow, Record

CHOICES: Final = get_args(Choice)

_SCALE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|–|to|\.\.)\s*(-?\d+(?:\.\d+)?)\s*")
_MAX_NAME: Final = 200


class PairLabel(Record):
    """People's choice between two responses to one prompt."""

    id: str
    """The label's own id, or its place in the file."""
    prompt: PromptRow
    """What both responses answer."""
    response_a: str
    """The response called a."""
    response_b: str
    """The response called b."""
    label: Choice
    """What people prefer: a, b or tie."""
    votes: tuple[Choice, ...] = ()
    """What each person said; empty if that is not known."""
    category: str = ""
    """Group that figures are also given for; empty for none."""
    criterion: str = ""
    """What people were asked about; if it names a dimension, the label is about that dimension alone."""

    @property
    def responses(self) -> tuple[str, ...]:
        """The texts to judge."""
        return (self.response_a, self.response_b)


class ScoreLabel(Record):
    """People's score of one response on a scale of their own."""

    id: str
    """The label's own id, or its place in the file."""
    prompt: PromptRow
    """What the response answers."""
    response: str
    """What was scored."""
    score: float
    """People's score, on a scale from `low` to `high`."""
    low: float
    """Lowest score of that scale."""
    high: float
    """Highest score of that scale."""
    category: str = ""
    """Group that figures are also given for; empty for none."""
    criterion: str = ""
    """What people were asked about; if it names a dimension, the label is about that dimension alone."""

    @property
    def responses(self) -> tuple[str, ...]:
        """The text to judge."""
        return (self.response,)

    @property
    def points(self) -> float:
        """The score on the judges' scale, 0–100."""
        return 100.0 * (self.score - self.low) / (self.high - self.low)


Label = PairLabel | ScoreLabel
Labels = list[PairLabel] | list[ScoreLabel]


def read_labels(path: Path, default_task_type: str) -> Labels:
    """The labels of a .jsonl, .json, .csv, .tsv or .parquet file: pairs or scores, not both.

    Pairs have `prompt, response_a, response_b, label` (a, b or tie) and optionally `votes`, a list of such
    labels. Scores have `prompt, response, score, scale`, the scale as [lowest, highest] or "1-5". Both may have
    `id, category, criterion, context, task_type`; other keys are ignored. Raises InputError naming file and
    line for anything that cannot be used.
    """
    pairs: list[PairLabel] = []
    scores: list[ScoreLabel] = []
    places: dict[str, str] = {}
    for number, (place, row) in enumerate(numbered_rows(path), 1):
        row = fields(place, row)
        prompt = parse_prompt(row, default_task_type, place)
        row_id = prompt.id if row.get("id") is not None else str(number)
        if (first := places.setdefault(row_id, place)) != place:
            refuse(place, f"the id {row_id!r} stands at {first} already")
        is_pair = any(row.get(name) not in (None, "") for name in ("response_a", "response_b", "label"))
        if (is_pair and scores) or (not is_pair and pairs):
            refuse(place, "pairs and scores are mixed; give each a file of its own")
        about = {
            "id": row_id,
            "prompt": prompt,
            "category": _name(place, row, "category"),
            "criterion": _name(place, row, "criterion"),
        }
        if is_pair:
            pairs.append(_pair(place, row, about))
        else:
            scores.append(_score(place, row, about))
    if not pairs and not scores:
        raise InputError(f"{path}: holds no labels.")
    return pairs or scores


def sampled(labels: Labels, limit: int | None, seed: int) -> Labels:
    """A seeded random sample of at most `limit` labels, in the file's order; all of them without a limit."""
    if limit is None or limit >= len(labels):
        return labels
    order = sorted(range(len(labels)), key=lambda place: (derived_seed(seed, labels[place].id, place), place))
    return [labels[place] for place in sorted(order[:limit])]  # type: ignore[return-value]


def labels_key(labels: Sequence[Label]) -> str:
    """The same for the same labels, whatever the file is called."""
    return content_key(
        "labels",
        sorted(
            content_key(label.model_dump(mode="json", exclude={"id": True, "prompt": {"id"}}))
            for label in labels
        ),
    )


def checked_choice(place: str, name: str, value: object) -> Choice:
    """`value` if it is a, b or tie, else InputError."""
    if value not in CHOICES:
        refuse(place, f"{name} must be a, b or tie, not {str(value)[:40]!r}")
    return value  # type: ignore[return-value]


def _pair(place: str, row: Mapping[str, Any], about: Mapping[str, Any]) -> PairLabel:
    first, second = (_response(place, row, name) for name in ("response_a", "response_b"))
    if row.get("label") is None:
        refuse(place, "label is missing; it must be a, b or tie")
    votes = _list(place, "votes", row.get("votes") or [])
    return PairLabel(
        response_a=first,
        response_b=second,
        label=checked_choice(place, "label", row["label"]),
        votes=tuple(checked_choice(place, "a vote", vote) for vote in votes),
        **about,
    )


def _score(place: str, row: Mapping[str, Any], about: Mapping[str, Any]) -> ScoreLabel:
    response = _response(place, row, "response" if "response" in row else "output")
    low, high = _scale(place, row.get("scale"))
    score = _number(place, "score", row.get("score"))
    if not low <= score <= high:
        refuse(place, f"the score {score:g} is not on the scale from {low:g} to {high:g}")
    return ScoreLabel(response=response, score=score, low=low, high=high, **about)


def _response(place: str, row: Mapping[str, Any], name: str) -> str:
    """A response that stands there, an empty cell and null being an empty one."""
    if name not in row:
        refuse(place, f"{'response' if name == 'output' else name} is missing")
    return checked_text(place, name, row[name] or "", may_be_empty=True)


def _scale(place: str, value: object) -> tuple[float, float]:
    way_out = "write it as [lowest, highest], such as [1, 5]"
    if value is None:
        refuse(place, f"scale is missing; {way_out}")
    if isinstance(value, str) and (match := _SCALE.fullmatch(value)):
        ends: list[Any] = list(match.groups())
    elif isinstance(value, str | list):
        ends = _list(place, "scale", value)
    else:
        ends = []
    if len(ends) != 2:
        refuse(place, f"scale is unclear; {way_out}")
    low, high = (_number(place, "scale", end) for end in ends)
    if low >= high:
        refuse(place, f"the scale from {low:g} to {high:g} does not rise; {way_out}")
    return low, high


def _number(place: str, name: str, value: object) -> float:
    if value is None:
        refuse(place, f"{name} is missing")
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)  # tables hold numbers as text
        except (ValueError, OverflowError):
            number = float("nan")
        if isfinite(number):
            return number
    refuse(place, f"{name} must be a number, not {str(value)[:40]!r}")


def _list(place: str, name: str, value: object) -> list[Any]:
    if isinstance(value, str):  # tables without nested columns hold it as JSON
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            refuse(place, f"{name} must be a list")
    if not isinstance(value, list):
        refuse(place, f"{name} must be a list")
    return value


def _name(place: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    text = checked_text(
        place, name, str(value) if isinstance(value, int | float) else value, may_be_empty=True
    )
    if len(text) > _MAX_NAME:
        refuse(place, f"{name} has more than {_MAX_NAME} characters")
    return text
