"""People's ratings: asked at a terminal, through spreadsheets, merged with the judges', and answering a run."""

import asyncio
import csv
import getpass
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.people.merge import (
    acollect_human_feedback,
    collect_human_feedback,
    export_review,
    import_review,
    merge,
)
from rlhf.people.sample import Sample
from rlhf.people.sheet import COLUMNS, JUDGE_COLUMNS, SheetRow, read_sheet, write_sheet
from rlhf.state.errors import InputError
from rlhf.state.keys import prompt_key, response_key
from rlhf.state.records import DimensionFeedback, Feedback, HumanLabel
from rlhf.state.settings import AcceptanceSettings
from rlhf.training.statistics.agreement import MIN_OVERLAP

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def judged(number: int, rating: int | None = 4, **changes: Any) -> Feedback:
    """Feedback of the judges on response `number`."""
    prompt = prompt_key("Split $100.", {}, "budgeting")
    fields: dict[str, Any] = {
        "prompt": "Split $100.",
        "response": f"Plan {number}.",
        "prompt_id": prompt,
        "response_id": response_key(prompt, f"Plan {number}."),
        "task_type": "budgeting",
        "overall_score": None if rating is None else 20.0 * rating - 5.0,
        "rating": rating,
        "is_acceptable": rating in (4, 5),
        "confidence": None if rating is None else 0.8,
        "coverage": 1.0,
        "dimensions": {"clarity": DimensionFeedback(status="scored", score=55.0)},
    }
    return Feedback(**fields | changes)


def labelled(feedback: Feedback, rating: int, reviewer: str = "Ana", **changes: Any) -> HumanLabel:
    fields = {
        "response_id": feedback.response_id,
        "response": feedback.response,
        "rating": rating,
        "reviewer": reviewer,
        "labelled_at": NOON,
    }
    return HumanLabel.model_validate(fields | changes)


# --- at the terminal --------------------------------------------------------------------------------

Typed = Callable[..., None]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Puts lines where a person's would come from."""

    def put(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return put


SAMPLES: list[dict[str, Any]] = [
    {
        "prompt": "Split $100.",
        "output": "All to Amazon.",
        "context": {"budget": 100, "retailers": ["Amazon"]},
    },
    {"prompt": "Split $200.", "response": "Half and half."},
    {"prompt": "Split $300.", "output": "No idea."},
]


def asked(samples: Sequence[Any] = SAMPLES, **options: Any) -> list[HumanLabel]:
    return collect_human_feedback(samples, **{"reviewer": "Ana", "task_type": "budgeting"} | options)


def test_ratings_and_comments_are_kept_with_who_and_when(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("4", "clear", "s", "1", "")
    before = datetime.now(UTC)
    first, second = asked()
    assert (first.rating, first.comment, first.reviewer) == (4, "clear", "Ana")
    assert (second.rating, second.comment, second.response) == (1, "", "No idea.")
    assert before <= first.labelled_at <= datetime.now(UTC)
    assert first.labelled_at.tzinfo is UTC
    key = prompt_key("Split $100.", {"budget": 100, "retailers": ["Amazon"]}, "budgeting")
    assert (first.prompt_id, first.response_id) == (key, response_key(key, "All to Amazon."))
    shown = capsys.readouterr().out
    assert "Response 2 of 3 · budgeting" in shown
    assert 'retailers: ["Amazon"]' in shown
    assert "2 of 3 rated by Ana." in shown


def test_quitting_the_end_of_the_input_and_ctrl_c_keep_what_was_answered(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lines in (("5", "", "q"), ("5", ""), ("5",)):
        typed(*lines)
        assert [label.rating for label in asked()] == [5]
    answers = iter(["2", "hm"])

    def interrupted(_: str = "") -> str:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("builtins.input", interrupted)
    assert [(label.rating, label.comment) for label in asked()] == [(2, "hm")]


def test_one_can_go_back_and_change_keep_or_withdraw_an_answer(typed: Typed) -> None:
    typed("4", "", "2", "", "b", "b", "5", "better", "", "q")
    assert [(label.rating, label.comment) for label in asked()] == [(5, "better"), (2, "")]
    typed("4", "", "b", "s", "q")
    assert asked() == []
    typed("b", "3", "", "q")
    assert [label.rating for label in asked()] == [3], "before the first there is nothing"


def test_what_is_no_answer_is_asked_again(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    typed("6", "", "good", "3", "", "q")
    assert [label.rating for label in asked()] == [3]
    assert "'good' is no answer." in capsys.readouterr().out


def test_the_judges_view_comes_after_the_answer_unless_asked_for(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("2", "", "q")
    [label] = asked([judged(1), judged(2)])
    shown = capsys.readouterr().out
    assert label.judge_rating == 4
    assert shown.count("4 of 5 (75 of 100)") == 1
    assert shown.index("Comment") < shown.index("4 of 5")
    typed("q")
    asked([judged(1)], show_judges=True)
    assert "Judges: 4 of 5 (75 of 100)" in capsys.readouterr().out


def test_feedback_labels_and_printed_feedback_are_samples_too_and_asked_once(typed: Typed) -> None:
    typed("2", "", "3", "")
    printed = judged(2).model_dump(mode="json")
    labels = asked([judged(1), printed, labelled(judged(1), 5)])
    assert [label.response_id for label in labels] == [judged(1).response_id, judged(2).response_id]


def test_a_response_cannot_steer_the_terminal(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    typed("q")
    asked([{"prompt": "[bold]Hi[/bold]", "output": "a\x1b[2Jb"}])
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[bold]Hi[/bold]" in shown


def test_without_input_there_is_one_plain_error(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    typed()
    with pytest.raises(InputError, match="export_review"):
        asked()
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="no input"):
        asked()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([{"prompt": "A", "output": "B"}, {"prompt": "A"}], "sample 2: output is missing"),
        ([{"output": "B"}], "sample 1: prompt is missing"),
        ([{"prompt": "A", "output": "B", "task_type": "cooking"}], "unknown task type 'cooking'"),
        ([{"prompt": "A", "response": "B", "dimensions": 3}], "sample 1: has dimensions but is no feedback"),
        (["text"], "sample 1: a row must be an object"),
    ],
)
def test_a_sample_that_cannot_be_used_is_named_before_anything_is_asked(
    typed: Typed, samples: Sequence[Any], message: str
) -> None:
    typed("5", "", "5", "")
    with pytest.raises(InputError, match=message):
        asked(samples)


def test_the_reviewer_is_the_login_name_and_never_empty(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("5", "")
    monkeypatch.setenv("LOGNAME", "ben")
    assert getpass.getuser() == "ben"
    assert asked(SAMPLES[:1], reviewer=None)[0].reviewer == "ben"
    for name in ("", " ", "a\nb", "x" * 201):
        with pytest.raises(InputError, match="reviewer's name"):
            asked(reviewer=name)


async def test_in_a_running_loop_the_loop_goes_on(typed: Typed) -> None:
    typed("4", "", "q")
    labels, rest = await asyncio.gather(
        acollect_human_feedback(SAMPLES, reviewer="Ana", task_type="budgeting"), asyncio.sleep(0, "went on")
    )
    assert [label.rating for label in labels] == [4]
    assert rest == "went on"


# --- sheets -----------------------------------------------------------------------------------------


def cells(path: Path) -> list[dict[str, str]]:
    """What a spreadsheet reads."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill(path: Path, answers: Mapping[int, Mapping[str, str]], encoding: str = "utf-8-sig") -> Path:
    """Save the sheet as a spreadsheet would, with cells filled in by row."""
    rows = cells(path)
    for number, answer in answers.items():
        rows[number].update(answer)
    write_cells(path, rows, encoding)
    return path


def write_cells(path: Path, rows: Sequence[Mapping[str, str]], encoding: str = "utf-8", **form: Any) -> None:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), **form)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(stream.getvalue().encode(encoding))


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """An exported sheet of three responses."""
    path = tmp_path / "sheet.csv"
    assert export_review([judged(1), judged(2), judged(3)], path) == 3
    return path


def test_a_sheet_goes_out_is_filled_in_and_comes_back(sheet: Path) -> None:
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    assert tuple(cells(sheet)[0]) == COLUMNS
    fill(
        sheet, {0: {"rating": "2", "comment": "kurz;\nund „gut“", "reviewer": "Zoë"}, 2: {"rating": " 5.0 "}}
    )
    before = datetime.now(UTC)
    first, second = import_review(sheet, reviewer="Ana")
    assert (first.response_id, first.rating, first.comment) == (
        judged(1).response_id,
        2,
        "kurz;\nund „gut“",
    )
    assert [label.reviewer for label in (first, second)] == ["Zoë", "Ana"]
    assert second.rating == 5
    assert before <= second.labelled_at <= datetime.now(UTC)
    assert (second.prompt, second.response, second.task_type) == ("Split $100.", "Plan 3.", "budgeting")


def test_labels_go_out_and_come_back_as_they_were(tmp_path: Path) -> None:
    label = labelled(judged(1), 3, comment="-1 for tone", prompt="Split $100.", judge_rating=4)
    export_review([label], tmp_path / "a.csv", with_judges=True)
    assert import_review(tmp_path / "a.csv") == [label]


def test_the_judges_view_is_written_only_on_request(tmp_path: Path, sheet: Path) -> None:
    assert not set(JUDGE_COLUMNS) & set(cells(sheet)[0])
    export_review(
        [judged(1, needs_review=True, review_reasons=["low", "odd"])], tmp_path / "b.csv", with_judges=True
    )
    [row] = cells(tmp_path / "b.csv")
    assert (row["judge_rating"], row["judge_score"], row["review_reasons"]) == ("4", "75", "low; odd")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "'=", "''@", "\r\n+", "＝"])
def test_no_cell_becomes_a_formula(tmp_path: Path, start: str) -> None:
    text = f'{start}HYPERLINK("http://x","y")'
    path = tmp_path / "f.csv"
    row = SheetRow(Sample("r" * 24, prompt=text, response=text), rating=1, comment=text.strip())
    write_sheet(path, [row], with_judges=False)
    [written] = cells(path)
    assert written["prompt"] == written["response"] == f"'{text}"
    [read], problems = read_sheet(path)
    assert not problems
    assert (read.sample.prompt, read.sample.response, read.comment) == (text, text, text.strip())


@pytest.mark.parametrize("number", ["007", "123456789012345678901234", "31415926e10", "1.5", "'42"])
def test_no_id_or_text_becomes_another_number(tmp_path: Path, number: str) -> None:
    path = tmp_path / "n.csv"
    row = SheetRow(Sample(number, response=number, judge_rating=3), rating=4)
    write_sheet(path, [row], with_judges=True)
    [written] = cells(path)
    assert written["response_id"] == written["response"] == f"'{number}"
    assert (written["rating"], written["judge_rating"]) == ("4", "3"), "numbers stay numbers"
    [read], problems = read_sheet(path)
    assert not problems
    assert (read.sample.response_id, read.sample.response, read.rating) == (number, number, 4)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(st.lists(st.tuples(TEXT | st.text("'=+-@ \t\r\n1.e", max_size=5), TEXT), min_size=1, max_size=4))
def test_any_text_comes_back_as_it_went(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("sheet") / "any.csv"
    rows = [SheetRow(Sample(f"id{n}", prompt=a, response=b)) for n, (a, b) in enumerate(texts)]
    write_sheet(path, rows, with_judges=False)
    found, problems = read_sheet(path)
    assert problems == []
    assert [(row.sample.prompt, row.sample.response) for row in found] == texts
    assert not any(cell[:1] in ("=", "+", "-", "@") for row in cells(path) for cell in row.values())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_spreadsheets_make_of_it_is_understood(sheet: Path, separator: str, encoding: str) -> None:
    rows = [{**row, "extra": "x"} for row in cells(sheet)]
    rows[1]["rating"] = "4,0"
    rows.append(dict.fromkeys(rows[0], ""))
    write_cells(sheet, rows, encoding, delimiter=separator)
    [label] = import_review(sheet, reviewer="Ana")
    assert (label.rating, label.response_id) == (4, judged(2).response_id)


def test_times_without_a_zone_are_utc_and_others_become_utc(sheet: Path) -> None:
    times = {0: "2026-03-01 12:00:00", 1: "2026-03-01T14:00:00+02:00"}
    fill(sheet, {row: {"rating": "1", "labelled_at": time} for row, time in times.items()})
    assert [label.labelled_at for label in import_review(sheet, reviewer="Ana")] == [NOON, NOON]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"rating": "6"}, "line 3: rating '6' is not one of 1, 2, 3, 4, 5"),
        ({"rating": "3.5"}, "line 3: rating '3.5' is not one of"),
        ({"rating": "good"}, "line 3: rating 'good' is not one of"),
        ({"response_id": "", "rating": "3"}, "line 3: response_id is empty"),
        ({"labelled_at": "last Monday"}, "line 3: labelled_at 'last Monday' is no time such as"),
        ({"reviewer": "a\nb"}, "line 3: A reviewer's name has"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_line(
    sheet: Path, answer: dict[str, str], message: str
) -> None:
    fill(sheet, {0: {"rating": "4"}, 1: answer})
    with pytest.raises(InputError) as caught:
        import_review(sheet, reviewer="Ana")
    assert f"{sheet}, {message}" in str(caught.value)


def test_lines_are_counted_through_cells_of_several_lines_and_all_problems_are_told(sheet: Path) -> None:
    fill(sheet, {0: {"comment": "one\ntwo\nthree", "rating": "0"}, 2: {"rating": "9"}})
    with pytest.raises(InputError) as caught:
        import_review(sheet)
    first, *rest = str(caught.value).splitlines()
    assert "2 problems" in first
    assert [line.split(":")[0] for line in rest] == [f"{sheet}, line 2", f"{sheet}, line 6"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: no review sheet"),
        (b"a,b\n1,2\n", "line 1: no review sheet"),
        (b"response_id,comment\nx,y\n", "line 1: the header has no column named rating"),
        (b"response_id,rating,rating\nx,1,2\n", "line 1: the header names rating twice"),
        (b"response_id,rating\n", "holds no rows"),
        (b"response_id,rating\nx,1,2\n", "line 2: more cells than the header has columns"),
        (b'response_id,rating\nx,"1\n', "line 2: not valid CSV"),
        (b"response_id,rating\nx,1\ny,\xff\n", "line 3: not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_review(path)


def test_a_missing_file_and_one_with_answers_are_left_alone(sheet: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        import_review(tmp_path / "none.csv")
    kept = sheet.read_bytes()
    with pytest.raises(InputError, match="name another file"):
        export_review([judged(1)], sheet)
    assert sheet.read_bytes() == kept


# --- together ---------------------------------------------------------------------------------------


def test_a_persons_label_always_wins_with_who_when_and_what_it_replaced() -> None:
    low, high, alone = (
        judged(1, 1, vetoed=True, needs_review=True, review_reasons=["odd"]),
        judged(2, 5),
        judged(3),
    )
    merged = merge([low, high, alone], [labelled(low, 5, comment="fine"), labelled(high, 2, "Ben")])
    first, second, third = merged.feedback
    assert (first.rating, first.overall_score, first.is_acceptable, first.is_chosen) == (5, 90.0, True, True)
    assert (first.vetoed, first.needs_review, first.review_reasons, first.confidence) == (
        False,
        False,
        [],
        None,
    )
    assert first.dimensions == low.dimensions
    assert first.label is not None
    assert (first.label.reviewers, first.label.labelled_at, first.label.comment) == (["Ana"], NOON, "fine")
    assert (first.label.judge_rating, first.label.judge_score) == (1, 15.0)
    assert (second.rating, second.is_acceptable, second.is_chosen, second.is_rejected) == (
        2,
        False,
        False,
        True,
    )
    assert third is alone
    assert merged["num_labelled"] == 2


def test_acceptance_follows_the_rules_given() -> None:
    rules = AcceptanceSettings(min_score_acceptable=50.0, min_rating_chosen=3, max_rating_rejected=2)
    strict, lenient = (
        merge([judged(1)], [labelled(judged(1), 3)], acceptance=given).feedback[0] for given in (None, rules)
    )
    assert (strict.is_acceptable, strict.is_chosen) == (False, False)
    assert (lenient.is_acceptable, lenient.is_chosen) == (True, True)


def test_of_several_people_the_median_counts_and_all_are_named() -> None:
    one = judged(1)
    later = NOON + timedelta(hours=1)
    labels = [
        labelled(one, 5, "Cem", labelled_at=later, comment="good"),
        labelled(one, 2, "Ana"),
        labelled(one, 4, "Ben", comment="fair"),
        labelled(one, 1, "Dan", labelled_at=NOON - timedelta(hours=1)),
    ]
    [merged] = merge([one], labels).feedback
    assert merged.label is not None
    assert merged.rating == merged.label.rating == 2, "of two middle ones the lower"
    assert merged.label.reviewers == ["Dan", "Ana", "Ben", "Cem"]
    assert merged.label.labelled_at == later
    assert merged.label.comment == "Ben: fair\nCem: good"


def test_of_one_persons_labels_the_newest_counts() -> None:
    one = judged(1)
    labels = [labelled(one, 5, labelled_at=NOON + timedelta(hours=1)), labelled(one, 1)]
    [merged] = merge([one], labels).feedback
    assert merged.label is not None
    assert (merged.rating, merged.label.reviewers) == (5, ["Ana"])


def test_labels_without_feedback_are_kept_and_told() -> None:
    stranger = labelled(judged(9), 2)
    merged = merge([judged(1)], [stranger, labelled(judged(1), 3)])
    assert merged.unmatched == [stranger]
    assert len(merged.feedback) == 1


def test_a_label_on_another_text_is_refused() -> None:
    with pytest.raises(InputError, match=r"by Ana .* carries another text"):
        merge([judged(1)], [labelled(judged(1), 2, response="Plan 2.")])
    merge([judged(1)], [labelled(judged(1), 2, response=" Plan\r\n1. ")])
    merge([judged(1)], [labelled(judged(1), 2, response="")])
    long = judged(1, response="many words " * 4000)
    merge([long], [labelled(long, 2, response=long.response[:32_767])])
    with pytest.raises(InputError, match="carries another text"):
        merge([long], [labelled(long, 2, response=long.response[:100])])


def test_agreement_is_told_on_the_overlap_and_only_where_it_is_large_enough() -> None:
    feedback = [judged(n, 1 + n % 5) for n in range(20)]
    few = merge(feedback, [labelled(entry, 3) for entry in feedback[: MIN_OVERLAP - 1]]).agreement
    assert (few.num_rated, few.exact, few.weighted_kappa) == (MIN_OVERLAP - 1, None, None)
    labels = [labelled(entry, max(1, (entry.rating or 0) - 1)) for entry in feedback]
    found = merge(feedback, labels).agreement
    assert (found.num_rated, found.exact, found.within_one) == (20, 0.2, 1.0)
    assert (found.mean_difference, found.bias) == (0.8, 0.8)
    assert found.weighted_kappa is not None
    unjudged = [judged(100 + n, None) for n in range(20)]
    merged = merge(unjudged, [labelled(entry, 4) for entry in unjudged])
    assert (merged.agreement.num_rated, merged.num_labelled) == (0, 20)
    assert {entry.rating for entry in merged.feedback} == {4}


def test_merged_again_people_are_still_compared_with_the_judges() -> None:
    feedback = [judged(n, 1 + n % 5) for n in range(12)]
    once = merge(feedback, [labelled(entry, 1) for entry in feedback])
    again = merge(once.feedback, [labelled(entry, entry.rating or 0) for entry in feedback])
    assert again.agreement.exact == 1.0
    assert [entry.label.judge_score for entry in again.feedback if entry.label] == [
        entry.overall_score for entry in feedback
    ]


def test_a_filled_in_sheet_can_be_merged(sheet: Path) -> None:
    fill(sheet, {1: {"rating": "1", "reviewer": "Ana"}})
    merged = merge([judged(1), judged(2)], sheet)
    assert [entry.rating for entry in merged.feedback] == [4, 1]
