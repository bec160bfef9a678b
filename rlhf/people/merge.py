"""People's ratings beside the judges': asked in the terminal, kept in review sheets, merged into feedback."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low
from typing import Any

from rlhf.nodes.accept import rated
from rlhf.people.sample import AnySample, same_text, sample_of
from rlhf.people.sheet import SheetRow, label_of, read_sheet, refuse, write_sheet
from rlhf.people.terminal import acollect_human_feedback, collect_human_feedback
from rlhf.state.errors import InputError
from rlhf.state.records import Feedback, HumanLabel, LabelSource, Record
from rlhf.state.scores import points_of_rating
from rlhf.state.settings import AcceptanceSettings
from rlhf.training.statistics.agreement import Agreement, agreement

__all__ = [
    "MergedFeedback",
    "acollect_human_feedback",
    "collect_human_feedback",
    "export_review",
    "import_review",
    "merge",
]


def export_review(
    samples: Sequence[AnySample],
    path: str | Path,
    *,
    task_type: str | None = None,
    with_judges: bool = False,
) -> int:
    """Write a sheet (CSV) for people to rate the samples in; returns the number of rows.

    `samples` and `task_type` are as for `collect_human_feedback`; labels may be among them and keep their
    answers. The columns are rlhf.people.sheet.COLUMNS, with JUDGE_COLUMNS if `with_judges`. Raises InputError for a
    sample that cannot be used, and if the file exists.
    """
    rows = []
    for number, given in enumerate(samples, 1):
        sample = sample_of(given, f"sample {number}", task_type)
        if isinstance(given, HumanLabel):
            rows.append(SheetRow(sample, given.rating, given.comment, given.reviewer, given.labelled_at))
        else:
            rows.append(SheetRow(sample))
    return write_sheet(Path(path), rows, with_judges=with_judges)


def import_review(path: str | Path, *, reviewer: str | None = None) -> list[HumanLabel]:
    """The labels of a filled-in sheet; rows without a rating are left out.

    `reviewer` stands for rows that name none (the login name if left out), and the time of the import for rows
    without one. Raises InputError naming file and line of every row that cannot be used.
    """
    path = Path(path)
    rows, problems = read_sheet(path)
    refuse(path, problems)
    now = datetime.now(UTC)
    return [label_of(row, row.rating, reviewer, now) for row in rows if row.rating is not None]


class MergedFeedback(Record):
    """Feedback in which people's labels have replaced the judges' ratings."""

    feedback: list[Feedback]
    """In the order given; where `label` is set, rating, score and choice are people's."""
    num_labelled: int
    """How many of them carry a label."""
    agreement: Agreement
    """Judges against people on the responses that both rated."""
    unmatched: list[HumanLabel]
    """Labels of responses there is no feedback on."""


def merge(
    synthetic: Sequence[Feedback],
    human: Sequence[HumanLabel] | str | Path,
    *,
    acceptance: AcceptanceSettings | None = None,
) -> MergedFeedback:
    """Put people's labels in the place of the judges' ratings, matched by `response_id`.

    `human` are labels, or the file of a filled-in review sheet. A label always wins: the overall score becomes
    the middle of the rating's fifth of the scale (1 star is 10 points, 5 are 90), acceptance and choice follow
    by the rules of `acceptance` (the default ones if left out), vetoes and requests for review are lifted, and
    confidence is None, because it was the judges'. Dimensions stay as judged. `label` says who, when, and what
    the judges had said. Of one person's several labels the newest counts; of several people's ratings the
    median, of two middle ones the lower.

    Merged again, feedback is compared by what its judges had said. Raises InputError when a label carries
    another text than the feedback with its id.
    """
    if isinstance(human, str | Path):
        human = import_review(human)
    rules = acceptance or AcceptanceSettings()
    labels = _by_response(human)
    merged = [_merged(entry, labels.get(entry.response_id, ()), rules) for entry in synthetic]
    known = {entry.response_id for entry in synthetic}
    rated_by_both = {
        entry.response_id: (entry.label.judge_rating, entry.label.rating)
        for entry in merged
        if entry.response_id in labels and entry.label and entry.label.judge_rating is not None
    }
    return MergedFeedback(
        feedback=merged,
        num_labelled=sum(entry.label is not None for entry in merged),
        agreement=agreement(
            [judges for judges, _ in rated_by_both.values()], [people for _, people in rated_by_both.values()]
        ),
        unmatched=[label for label in human if label.response_id not in known],
    )


def _by_response(labels: Sequence[HumanLabel]) -> Mapping[str, Sequence[HumanLabel]]:
    """Labels per response: one per person, the newest, in the order in which they were given."""
    found: dict[str, dict[str, HumanLabel]] = {}
    for label in sorted(labels, key=lambda label: label.labelled_at):
        found.setdefault(label.response_id, {})[label.reviewer] = label
    return {response_id: list(people.values()) for response_id, people in found.items()}


def _merged(feedback: Feedback, labels: Sequence[HumanLabel], rules: AcceptanceSettings) -> Feedback:
    if not labels:
        return feedback
    for label in labels:
        if label.response and not same_text(label.response, feedback.response):
            raise InputError(
                f"The label by {label.reviewer} for response {label.response_id} carries another text than "
                "the response itself: was a sheet sorted by one column alone?"
            )
    rating = median_low(label.rating for label in labels)
    before = feedback.label
    source = LabelSource(
        rating=rating,
        reviewers=[label.reviewer for label in labels],
        labelled_at=max(label.labelled_at for label in labels),
        comment=_comments(labels),
        judge_rating=before.judge_rating if before else feedback.rating,
        judge_score=before.judge_score if before else feedback.overall_score,
    )
    cleared: dict[str, Any] = {
        "vetoed": False,
        "confidence": None,
        "needs_review": False,
        "review_reasons": [],
        "label": source,
    }
    return rated(feedback.model_copy(update=cleared), points_of_rating(rating), rules)


def _comments(labels: Sequence[HumanLabel]) -> str:
    if len(labels) == 1:
        return labels[0].comment
    return "\n".join(f"{label.reviewer}: {label.comment}" for label in labels if label.comment)
