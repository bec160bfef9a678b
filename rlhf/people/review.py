"""A run's review by sheet: what waits is written to a file, and the ratings in it are read back as answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rlhf.nodes.review import pending_reviews
from rlhf.people.sample import same_text, sample_of_feedback
from rlhf.people.sheet import BadRow, SheetRow, label_of, read_sheet, refuse, write_sheet
from rlhf.runs.lock import run_lock
from rlhf.state.ledger import Ledger
from rlhf.state.records import Feedback, HumanLabel, Record, Review
from rlhf.state.run_report import DatasetStage

if TYPE_CHECKING:
    from rlhf.nodes.services import Services


class ReviewImport(Record):
    """What became of a sheet that was read into a run."""

    num_recorded: int
    """Labels that are new."""
    num_known: int
    """Labels that say what the ledger says already."""
    num_empty: int
    """Rows without a rating; their responses wait on."""
    num_waiting: int
    """Responses of the run's round that still need a person."""
    num_late: int
    """New labels that come after their round's dataset was built, and no longer change it."""
    conflicts: list[str]
    """A line on each label that was not taken, because the response has another answer: the first one stands."""
    resumable: bool
    """Whether the run waited for nothing but such answers, and can go on now."""


def export_run_review(
    ledger: Ledger, run_id: str, path: Path, *, everything: bool = False, with_judges: bool = False
) -> int:
    """Write what waits for review in the run's round, or all its judged responses with the answers they have.

    Returns the number of rows; with none no file is written. Raises InputError if there is no such run or the
    file exists.
    """
    round = ledger.run(run_id).round
    if everything:
        keys = [s.response_key for s in ledger.samples(run_id, "policy", round) if s.response_key]
        feedback, reviews = ledger.feedback(run_id, keys), ledger.reviews(run_id)
    else:
        feedback, reviews = pending_reviews(ledger, run_id, round), {}
    responses = ledger.responses(feedback)
    rows = []
    for key, entry in feedback.items():
        sample, review = sample_of_feedback(entry, responses[key].context), reviews.get(key)
        if review is None:
            rows.append(SheetRow(sample))
        else:
            rating = _rating_of(review, entry)
            rows.append(SheetRow(sample, rating, review.comment, review.reviewer, review.created_at))
    return write_sheet(path, rows, with_judges=with_judges) if rows else 0


def import_run_review(
    services: "Services", run_id: str, path: Path, *, reviewer: str | None = None
) -> ReviewImport:
    """Record a sheet's ratings as answers to the run's review: all of them, or none if one row is wrong.

    A rating is what an edit in `rlhf review` is. The run is not moved on; `rlhf resume RUN` does that. Raises
    InputError naming file and line of every row with a bad rating, an id the run does not have, a text that is
    not the response's, or two different answers to one response; and while another process has the run.
    """
    rows, problems = read_sheet(path)
    with run_lock(services, run_id):
        ledger = services.ledger
        run = ledger.run(run_id)
        round = run.round
        rounds = _rounds(ledger, run_id, round)
        refuse(path, [*problems, *_misfits(rows, rounds, ledger)])
        named = {row.sample.response_id for row in rows}
        feedback, known = ledger.feedback(run_id, named), ledger.reviews(run_id)
        now = datetime.now(UTC)
        new: dict[str, Review] = {}
        conflicts: list[str] = []
        num_known = 0
        for row in rows:
            key = row.sample.response_id
            if row.rating is None:
                continue
            if key not in known:
                new.setdefault(key, _review(label_of(row, row.rating, reviewer, now)))
            elif _rating_of(known[key], feedback.get(key)) == row.rating:
                num_known += 1
            else:
                conflicts.append(_conflict(path, row, known[key], feedback.get(key)))
        ledger.add_reviews(run_id, new.values())
        built = {
            number
            for number in set(rounds.values())
            if ledger.stage(run_id, number, "dataset", DatasetStage) is not None
        }
        waiting = ledger.pending.count(run_id, round)
        resumable = not waiting and round not in built and run.status == "waiting"
        if resumable:
            note = f"All reviews are answered; go on with `rlhf resume {run_id}`."
            ledger.set_run(run_id, note=note, answered=True)
        return ReviewImport(
            num_recorded=len(new),
            num_known=num_known,
            num_empty=sum(row.rating is None for row in rows),
            num_waiting=waiting,
            num_late=sum(rounds[key] in built for key in new),
            conflicts=conflicts,
            resumable=resumable,
        )


def _review(label: HumanLabel) -> Review:
    return Review(
        response_key=label.response_id,
        decision="edit",
        rating=label.rating,
        comment=label.comment,
        reviewer=label.reviewer,
        created_at=label.labelled_at,
    )


def _rating_of(review: Review, feedback: Feedback | None) -> int | None:
    """The rating that a review leaves the response with."""
    judges = feedback.rating if feedback else None
    return judges if review.own_rating is None else review.own_rating


def _rounds(ledger: Ledger, run_id: str, last: int) -> dict[str, int]:
    """The newest round each of the run's responses was made in, by response key."""
    return {
        sample.response_key: round
        for round in range(1, last + 1)
        for sample in ledger.samples(run_id, "policy", round)
        if sample.response_key
    }


def _misfits(rows: Sequence[SheetRow], rounds: Mapping[str, int], ledger: Ledger) -> list[BadRow]:
    """Rows that do not belong to the run, or contradict another row."""
    responses = ledger.responses({row.sample.response_id for row in rows} & rounds.keys())
    answered: dict[str, SheetRow] = {}
    found = []
    for row in rows:
        key = row.sample.response_id
        if key not in rounds:
            found.append(BadRow(row.line, f"the run has no response {key[:40]!r}"))
        elif row.sample.response and not same_text(row.sample.response, responses[key].text):
            what = f"the text is not that of response {key}: was the sheet sorted by one column alone?"
            found.append(BadRow(row.line, what))
        elif row.rating is not None and (first := answered.setdefault(key, row)).rating != row.rating:
            what = f"response {key} has the rating {first.rating} in line {first.line} and {row.rating} here"
            found.append(BadRow(row.line, what))
    return found


def _conflict(path: Path, row: SheetRow, known: Review, feedback: Feedback | None) -> str:
    rating = _rating_of(known, feedback)
    said = {"approve": "approved", "reject": "rejected"}.get(known.decision, f"rated {rating}")
    when = f" on {known.created_at:%Y-%m-%d %H:%M} UTC" if known.created_at else ""
    return (
        f"{path}, line {row.line}: response {row.sample.response_id} was {said} by "
        f"{known.reviewer or 'a person'}{when}; the first answer stands, {row.rating} is not taken."
    )
