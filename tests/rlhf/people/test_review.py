"""A run's review by spreadsheet: out with what waits, in with all of it or nothing, and on with the run."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.people.merge import import_review, merge
from rlhf.state.ledger import Ledger
from rlhf.state.records import Review
from rlhf.state.scores import points_of_rating
from rlhf.state.settings import ReviewSettings
from tests.rlhf.conftest import PROMPTS
from tests.scripted_endpoint import ScriptedEndpoint

pytestmark = pytest.mark.usefixtures("waiting")

SHEET = Path("one-review.csv")
PAGE = ReviewSettings().page


def rlhf(*arguments: str, status: int = 0, answers: str | None = None) -> Result:
    result = CliRunner().invoke(app, list(arguments), input=answers)
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The folder of a run that waits for review of most of its responses, on more than one page."""
    folder = tmp_path_factory.mktemp("made")
    with ScriptedEndpoint() as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
        Path("mine.toml").write_text(
            f'task_type = "budgeting"\n[policy]\n{section}[judge]\n{section}workers = 1\n'
            "[review]\naudit_fraction = 0.85\nscore_band = 0.0\n"
            '[dataset]\nselection = "margin"\nmin_margin = 5.0\nmax_length = 128\n'
            f'[training]\nbase_model = "{tiny_model}"\n'
        )
        rows = [{"prompt": prompt, "context": {"budget": 1000}} for prompt in PROMPTS]
        Path("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        rlhf("run", "prompts.jsonl", "--recipe", "mine.toml", "--run-id", "one", status=3)
    return folder


@pytest.fixture
def waiting(made: Path, workplace: Path) -> None:
    """A copy of that run in a place of its own. Nothing more is asked of the endpoint."""
    shutil.copytree(made, workplace, dirs_exist_ok=True)


def rows(path: Path = SHEET) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


Answer = Callable[[int, Mapping[str, str]], dict[str, str]]


def filled(answer: Answer, path: Path = SHEET) -> list[dict[str, str]]:
    """The sheet with what `answer` makes of each row (counted from 0), saved again."""
    changed = [{**row, **answer(number, row)} for number, row in enumerate(rows(path))]
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(changed[0]))
    writer.writeheader()
    writer.writerows(changed)
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    return changed


def by_place(number: int, row: Mapping[str, str]) -> dict[str, str]:
    """Ratings 1 to 5 in turn."""
    return {"rating": str(1 + number % 5)}


def shown() -> Any:
    return json.loads(rlhf("show", "one", "--json").stdout)


def test_people_rate_in_a_spreadsheet_and_the_run_trains_on_their_word(ledger: Ledger) -> None:
    result = rlhf("export-review", "one")
    written = rows()
    assert len(written) > PAGE
    assert result.stdout.startswith(f"{len(written)} response(s) in one-review.csv.")
    assert "judge_rating" not in written[0]
    assert json.loads(written[0]["context"]) == {"budget": 1000}
    assert {row["rating"] for row in written} == {""}

    # A part of the first page first.
    filled(lambda number, row: by_place(number, row) if number < 3 else {})
    before = datetime.now(UTC)
    result = rlhf("import-review", "one", str(SHEET), "--reviewer", "Ana")
    rest = len(written) - 3
    assert f"3 rating(s) recorded, {rest} row(s) without a rating." in result.stdout
    assert f"{rest} response(s) still wait for review." in result.stdout
    kept = ledger.reviews("one")[written[1]["response_id"]]
    assert (kept.decision, kept.rating, kept.reviewer) == ("edit", 2, "Ana")
    assert kept.created_at is not None
    assert before <= kept.created_at <= datetime.now(UTC)
    assert f"{PAGE - 3} response(s) wait for review" in rlhf("resume", "one", status=3).stdout

    # Then the page that the run shows: the next one is asked for.
    filled(lambda number, row: by_place(number, row) if 3 <= number < PAGE else {"rating": ""})
    rlhf("import-review", "one", str(SHEET))
    assert f"{len(written) - PAGE} response(s) wait for review" in rlhf("resume", "one", status=3).stdout
    rlhf("review", "one", answers="4\nfine\nq\n", status=3)
    assert ledger.reviews("one")[written[PAGE]["response_id"]].reviewer

    filled(lambda number, row: by_place(number, row) if number > PAGE else {})
    result = rlhf("import-review", "one", str(SHEET))
    assert "Nothing waits for review any more. Go on with: rlhf resume one" in result.stdout
    assert "rlhf resume one" in shown()["note"]
    assert shown()["answered"]
    assert "rlhf review one" not in rlhf("show", "one").stdout
    assert "waits for no answer any more" in rlhf("review", "one").stderr
    assert "pairs?" in rlhf("resume", "one", status=3).stdout
    assert not shown()["answered"], "now it asks about training"

    path = Path(shown()["stages"]["dataset"]["path"])
    ratings = {row["response_id"]: 4 if n == PAGE else 1 + n % 5 for n, row in enumerate(written)}
    pairs = [json.loads(line) for line in path.read_text().splitlines()]
    told = {pair[f"{side}_key"]: pair[f"{side}_score"] for pair in pairs for side in ("chosen", "rejected")}
    by_people = told.keys() & ratings.keys()
    assert len(by_people) > len(told) / 2
    assert {key: told[key] for key in by_people} == {key: points_of_rating(ratings[key]) for key in by_people}
    assert json.loads(path.with_suffix(".manifest.json").read_text())["num_reviews"] == len(written)


def test_the_same_sheet_twice_changes_nothing_and_a_late_one_says_so(ledger: Ledger) -> None:
    rlhf("export-review", "one", "--out", "a.csv")
    filled(by_place, Path("a.csv"))
    rlhf("import-review", "one", "a.csv")
    first = ledger.reviews("one")
    result = rlhf("import-review", "one", "a.csv", "--reviewer", "Ben")
    assert result.stdout.startswith(f"0 rating(s) recorded, {len(first)} known already.")
    assert "Go on with: rlhf resume one" in result.stdout
    assert ledger.reviews("one") == first

    rlhf("resume", "one", status=3)
    result = rlhf("export-review", "one")
    assert "Nothing in run one waits for review; --all" in result.stderr
    assert not SHEET.exists()
    rlhf("export-review", "one", "--all", "--with-judges")
    again = {row["response_id"]: row["rating"] for row in rows() if row["rating"]}
    assert again == {row["response_id"]: row["rating"] for row in rows(Path("a.csv"))}
    assert len(rows()) > len(again)
    result = rlhf("import-review", "one", str(SHEET))
    assert f"0 rating(s) recorded, {len(first)} known already" in result.stdout

    merged = merge(list(ledger.feedback("one", first).values()), SHEET)
    assert merged.num_labelled == merged.agreement.num_rated == len(first)
    assert merged.agreement.weighted_kappa is not None
    assert {label.reviewer for label in import_review(SHEET)} == {
        review.reviewer for review in first.values()
    }


def test_a_label_after_the_dataset_was_built_no_longer_changes_it() -> None:
    rlhf("resume", "one", "--approve", status=3)
    rlhf("export-review", "one", "--all")
    filled(lambda number, row: {} if row["rating"] else {"rating": "3"})
    late = sum(not row["reviewer"] and not row["labelled_at"] for row in rows())
    result = rlhf("import-review", "one", str(SHEET))
    assert late > 0
    assert f"{late} of them came after the dataset was built and no longer change it" in result.stdout
    assert "Go on" not in result.stdout


def test_another_answer_to_the_same_response_is_told_and_the_first_one_stands(ledger: Ledger) -> None:
    rlhf("export-review", "one")
    ids = [row["response_id"] for row in rows()]
    ledger.add_reviews(
        "one",
        [
            Review(response_key=ids[0], decision="edit", rating=2, reviewer="Ana"),
            Review(response_key=ids[1], decision="reject"),
            Review(response_key=ids[2], decision="approve", reviewer="Ana"),
        ],
    )
    agreed = ledger.feedback("one", [ids[2]])[ids[2]].rating
    ratings = ["5", "1", str(agreed), "4"]
    filled(lambda number, row: {"rating": ratings[number]} if number < 4 else {})
    result = rlhf("import-review", "one", str(SHEET), "--reviewer", "Ben")
    assert result.stdout.startswith("1 rating(s) recorded, 2 known already, 1 not taken")
    [line] = result.stderr.splitlines()
    assert f"line 2: response {ids[0]} was rated 2 by Ana on " in line
    assert "the first answer stands, 5 is not taken" in line
    assert ledger.reviews("one")[ids[0]].rating == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rating": "7"}, "rating '7' is not one of"),
        ({"response_id": "f" * 24}, f"the run has no response '{'f' * 24}'"),
        ({"response": "Something else."}, "was the sheet sorted by one column alone?"),
    ],
)
def test_one_wrong_row_and_nothing_is_imported(ledger: Ledger, wrong: dict[str, str], message: str) -> None:
    rlhf("export-review", "one")
    changed = filled(lambda number, row: by_place(number, row) | (wrong if number == 1 else {}))
    # The first response has several lines of text, so that the second row begins further down.
    line = 3 + "".join(changed[0].values()).count("\n")
    result = rlhf("import-review", "one", str(SHEET), status=2)
    assert f"Error: {SHEET}, line {line}: " in result.stderr
    assert message in result.stderr
    assert "Nothing was imported." in result.stderr
    assert ledger.reviews("one") == {}


def test_two_answers_to_one_response_in_a_sheet_are_refused(ledger: Ledger) -> None:
    rlhf("export-review", "one")
    copied = rows()[0]
    same = {name: copied[name] for name in ("response_id", "response")}
    filled(lambda number, row: by_place(number, row) | (same if number == 1 else {}))
    result = rlhf("import-review", "one", str(SHEET), status=2)
    assert f"response {copied['response_id']} has the rating 1 in line 2 and 2 here" in result.stderr
    assert ledger.reviews("one") == {}


def test_a_sheet_with_answers_is_not_written_over_and_unknown_runs_are_named() -> None:
    rlhf("export-review", "one")
    filled(by_place)
    assert "may hold people's answers" in rlhf("export-review", "one", status=2).stderr
    assert "There is no run 'none'" in rlhf("export-review", "none", status=2).stderr
    assert "There is no run 'none'" in rlhf("import-review", "none", str(SHEET), status=2).stderr
    assert "cannot be read" in rlhf("import-review", "one", "none.csv", status=2).stderr
