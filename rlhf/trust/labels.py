"""Labels with what the judges say of them: judged now, or read from a finished file of verdicts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlhf.progress import Follow
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.judge import Item, judge_all
from rlhf.state.errors import InputError
from rlhf.state.files.feedback import read_feedback
from rlhf.state.files.labels import Label, checked_choice
from rlhf.state.keys import prompt_key, response_key
from rlhf.state.records import Choice, Feedback

if TYPE_CHECKING:
    from rlhf.nodes.services import Services


@dataclass(frozen=True)
class Verdicts:
    """What is known about labels: feedback per response, or choices per pair."""

    feedback: Mapping[str, Feedback] = field(default_factory=dict)
    """By response key."""
    choices: Mapping[str, tuple[Choice | None, Choice | None]] | None = None
    """By label id: the choice, and the one made with the responses shown the other way round."""

    def of(self, label: Label) -> tuple[Feedback | None, ...]:
        """Feedback on each of the label's responses."""
        return tuple(self.feedback.get(key) for key in keys_of(label))


def keys_of(label: Label) -> tuple[str, ...]:
    """Keys of the label's responses."""
    return tuple(response_key(label.prompt.key, text) for text in label.responses)


async def judge_labels(services: "Services", labels: Sequence[Label], follow: Follow) -> Verdicts:
    """Judge every response of the labels once; what is in the ledger is not asked again.

    Raises EndpointError when the endpoint serves no judgement at all.
    """
    items: dict[str, Item] = {}
    for label in labels:
        for key, text in zip(keys_of(label), label.responses, strict=True):
            items.setdefault(key, (label.prompt, text))
    found = await judge_all(services, list(items.values()), follow)
    return Verdicts({feedback.response_id: feedback for feedback in found})


def read_verdicts(path: Path, labels: Sequence[Label]) -> Verdicts:
    """A finished file of verdicts on the labels: feedback as `rlhf judge --json` prints it, or choices by id.

    Choices are lines {"id", "verdict", "verdict_swapped"?} or one object of ids and verdicts. A verdict is a, b,
    tie or null (failed), in the label file's names; `verdict_swapped` is what was said with the responses shown
    the other way round, in the same names. Raises InputError naming file and line of what cannot be used, and
    if nothing in the file belongs to the labels.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: cannot be read ({reason}).") from error
    first = next((line for line in text.split("\n") if line.strip()), "")
    if '"dimensions"' in first:
        return _feedback(path, labels)
    ids = {label.id for label in labels}
    choices = _choices(path, text)
    if not ids & choices.keys():
        raise InputError(f"{path}: no id in it is an id of the labels.")
    return Verdicts(choices={key: found for key, found in choices.items() if key in ids})


def _feedback(path: Path, labels: Sequence[Label]) -> Verdicts:
    feedback = read_feedback(path)
    by_key = {entry.response_id: entry for entry in feedback}
    by_text = {_text_key(entry.prompt, entry.response): entry for entry in feedback}
    found: dict[str, Feedback] = {}
    for label in labels:
        for key, text in zip(keys_of(label), label.responses, strict=True):
            # The key stands for context and task type too; without it (or under other ones) the texts decide.
            entry = by_key.get(key) or by_text.get(_text_key(label.prompt.text, text))
            if entry is not None:
                found[key] = entry
    if not found:
        raise InputError(f"{path}: no feedback in it is about a response of the labels.")
    return Verdicts(found)


def _text_key(prompt: str, response: str) -> str:
    return response_key(prompt_key(prompt, {}, ""), response)


def _choices(path: Path, text: str) -> dict[str, tuple[Choice | None, Choice | None]]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and "id" not in whole:
        return {str(key): (_choice(f"{path}, id {key!r}", value), None) for key, value in whole.items()}
    found: dict[str, tuple[Choice | None, Choice | None]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        row = _row(place, line)
        if str(row["id"]) in found:
            raise InputError(f"{place}: the id {row['id']!r} has a verdict already.")
        swapped = row.get("verdict_swapped")
        found[str(row["id"])] = (_choice(place, row["verdict"]), _choice(place, swapped))
    return found


def _row(place: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not valid JSON.") from error
    if not isinstance(row, dict) or not {"id", "verdict"} <= row.keys():
        raise InputError(
            f'{place}: neither feedback as `rlhf judge --json` prints it nor a choice {{"id", "verdict"}}.'
        )
    return row


def _choice(place: str, value: object) -> Choice | None:
    return None if value is None else checked_choice(place, "a verdict", value)


def score_for(label: Label, feedback: Feedback | None, dimension: str | None = None) -> float | None:
    """The score that answers the label: of the dimension named, of the label's own, or the overall one."""
    if feedback is None:
        return None
    name = dimension or dimension_of(label)
    if name is None:
        return feedback.overall_score
    part = feedback.dimensions.get(name)
    return part.score if part else None


def raw_score_of(label: Label, feedback: Feedback | None) -> float | None:
    """The same before calibration."""
    if feedback is None:
        return None
    name = dimension_of(label)
    if name is None:
        raw = feedback.raw_overall_score
        return feedback.overall_score if raw is None else raw
    part = feedback.dimensions.get(name)
    if part is None:
        return None
    return part.score if part.raw_score is None else part.raw_score


def dimension_of(label: Label) -> str | None:
    """The dimension the label is about; None: the response as a whole."""
    return label.criterion if label.criterion in DIMENSIONS else None
