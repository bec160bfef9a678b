"""Prompt files: what is read, and what is refused with its file and line."""

import csv
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf.state.errors import InputError
from rlhf.state.files.prompts import (
    MAX_CHARACTERS,
    parse_prompt,
    parse_rows,
    read_prompts,
    read_responses,
)

CONTEXT = {"brand": "Northpeak", "budget": 1200000, "retailers": ["Target", "Kroger"]}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_jsonl_file_keeps_order_ids_context_and_task_type(tmp_path: Path) -> None:
    path = write(
        tmp_path / "prompts.jsonl",
        {"prompt": "Split the budget.", "context": CONTEXT, "task_type": "budgeting", "id": "q1"},
        {"prompt": "Write a headline.", "id": 2},
        {"prompt": "Plan the launch."},
    )
    rows = read_prompts(path, "general")
    assert [row.text for row in rows] == ["Split the budget.", "Write a headline.", "Plan the launch."]
    assert [row.id for row in rows] == ["q1", "2", "3"]
    assert [row.task_type for row in rows] == ["budgeting", "general", "general"]
    assert rows[0].context == CONTEXT


def test_every_kind_of_file_gives_the_same_prompts(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    write(tmp_path / "a.jsonl", {"prompt": "Split it.", "context": CONTEXT}, {"prompt": "Plan, then act."})
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerows([["prompt", "context"], ["Split it.", json.dumps(CONTEXT)], ["Plan, then act.", ""]])
    table = pyarrow.table({"prompt": ["Split it.", "Plan, then act."], "context": [CONTEXT, None]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text("\ufeffSplit it.\r\n\r\nPlan, then act.\r\n", encoding="utf-8")

    expected = [(row.key, row.text) for row in read_prompts(tmp_path / "a.jsonl", "general")]
    for kind in ("csv", "parquet"):
        assert [(row.key, row.text) for row in read_prompts(tmp_path / f"a.{kind}", "general")] == expected
    texts = [row.text for row in read_prompts(tmp_path / "a.txt", "general")]
    assert texts == ["Split it.", "Plan, then act."]


def test_a_repeated_prompt_is_kept_once_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", {"prompt": "A", "source": 1}, {"prompt": "B"}, {"prompt": "A"})
    notes: list[str] = []
    assert [row.text for row in read_prompts(path, "general", notes)] == ["A", "B"]
    assert any("1 rows repeat" in note for note in notes)
    assert any("source" in note for note in notes)


def test_the_same_text_with_another_context_is_another_prompt() -> None:
    rows = parse_rows(
        [{"prompt": "A", "context": {"budget": 1}}, {"prompt": "A", "context": {"budget": 2}}], "general", "r"
    )
    assert len({row.key for row in rows}) == 2


BAD_FILES = {
    "empty.jsonl": (b"", "the file is empty"),
    "blank.jsonl": (b"\n \n", "the file is empty"),
    "no_prompt.jsonl": (b'{"prompt": "a"}\n{"id": "x"}\n', "line 2: prompt is missing"),
    "null_prompt.jsonl": (b'{"prompt": null}\n', "line 1: prompt is missing"),
    "blank_prompt.jsonl": (b'{"prompt": "  "}\n', "line 1: prompt is empty"),
    "number.jsonl": (b'{"prompt": 7}\n', "line 1: prompt must be text, not a number"),
    "malformed.jsonl": (b'{"prompt": "a"}\n\n{"prompt": \n', "line 3: the line is not valid JSON"),
    "list.jsonl": (b'["a"]\n', "line 1: a row must be an object with a prompt, not text"),
    "nan.jsonl": (b'{"prompt": "a", "context": {"x": NaN}}\n', "line 1: the line is not valid JSON"),
    "huge_number.jsonl": (
        b'{"prompt": "a", "id": ' + b"9" * 5000 + b"}\n",
        "line 1: the line is not valid JSON",
    ),
    "deep.jsonl": (b"[" * 100_000, "line 1: the line is not valid JSON"),
    "broken.jsonl": (b'{"prompt": "a"}\n{"prompt": "caf\xc3\xa9 \xc3("}\n', "line 2: not UTF-8"),
    "utf16.txt": ("prompt".encode("utf-16") + b"x", "line 1: not UTF-16"),
    "nul.txt": (b"one\ntwo\0\n", "line 2: holds a NUL byte"),
    "escaped_nul.jsonl": (b'{"prompt": "a\\u0000b"}\n', "line 1: prompt holds a NUL byte"),
    "context_nul.jsonl": (
        b'{"prompt": "a", "context": {"b": ["\\u0000"]}}\n',
        "line 1: context holds a NUL byte",
    ),
    "surrogate.jsonl": (b'{"prompt": "a\\ud800"}\n', "line 1: prompt holds half a character"),
    "same_id.jsonl": (
        b'{"prompt": "a", "id": "x"}\n{"prompt": "b", "id": "x"}\n',
        "line 2: the id 'x' stands at",
    ),
    "bad_id.jsonl": (b'{"prompt": "a", "id": [1]}\n', "line 1: id must be text or a whole number"),
    "long.jsonl": (b'{"prompt": "' + b"x" * 200_000 + b'"}\n', "line 1: prompt has 200,000 characters"),
    "long.txt": (b"x" * 200_000, "line 1: prompt has 200,000 characters"),
    "task.jsonl": (
        b'{"prompt": "a", "task_type": "poetry"}\n',
        "line 1: unknown task type 'poetry'; there are ",
    ),
    "context.jsonl": (b'{"prompt": "a", "context": [1]}\n', "line 1: context must be an object, not a list"),
    "no_column.csv": (b"text,id\na,1\n", "line 1: the header has no column named prompt"),
    "cells.csv": (b"prompt,id\na,1,2\n", "line 2: more cells than the header has columns"),
    "empty_cell.csv": (b"prompt,id\na,1\n,2\n", "line 3: prompt is empty"),
    "quote.csv": (b'prompt\n"a\n', "line 2: not valid CSV"),
    "context.csv": (b'prompt,context\na,"{"\n', "line 2: context is not valid JSON"),
    "header_only.csv": (b"prompt,id\n", "holds no prompts"),
    "not.parquet": (b"PAR1 no", "not a readable Parquet file"),
    "prompts.xlsx": (
        b"x",
        "not a kind of file that can be read; give .jsonl, .json, .csv, .tsv, .parquet or .txt",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    content, expected = BAD_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_prompts(path, "general")
    message = str(refused.value)
    assert message.startswith(str(path))
    assert expected in message
    assert "\n" not in message


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_prompts(tmp_path / "none.jsonl", "general")
    with pytest.raises(InputError, match="is a directory; give a file"):
        read_prompts(tmp_path, "general")


def test_rows_of_a_request_name_their_position() -> None:
    with pytest.raises(InputError, match="prompts, row 2: prompt is missing"):
        parse_rows([{"prompt": "a"}, {}], "general", "prompts")
    with pytest.raises(InputError, match="prompts: holds no prompts"):
        parse_rows([], "general", "prompts")


def test_a_context_that_is_no_json_is_refused() -> None:
    with pytest.raises(InputError, match="context must hold JSON values only"):
        parse_prompt({"prompt": "a", "context": {"x": object()}}, "general", "here")
    with pytest.raises(InputError, match=r"context has 100,0\d\d characters"):
        parse_prompt({"prompt": "a", "context": {"x": "y" * MAX_CHARACTERS}}, "general", "here")


def test_a_literal_backslash_u0000_is_not_a_nul_byte() -> None:
    assert parse_prompt({"prompt": "a", "context": {"x": r"\u0000"}}, "general", "here").context == {
        "x": r"\u0000"
    }


def test_responses_to_judge_come_with_response_or_output(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.jsonl",
        {"prompt": "A", "response": "one"},
        {"prompt": "A", "output": "two", "task_type": "creative"},
        {"prompt": "A", "response": ""},
    )
    rows = read_responses(path, "general")
    assert [(prompt.task_type, text) for prompt, text in rows] == [
        ("general", "one"),
        ("creative", "two"),
        ("general", ""),
    ]
    write(path, {"prompt": "A", "response": "one"}, {"prompt": "B"})
    with pytest.raises(InputError, match="line 2: response is missing"):
        read_responses(path, "general")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["prompt", "context", "task_type", "id", "note"]), json_values))
def test_any_row_is_either_read_whole_or_refused_in_one_line(row: dict[str, Any]) -> None:
    try:
        prompt = parse_prompt(row, "general", "row")
    except InputError as error:
        refused = str(error)
    else:
        refused = ""
        assert prompt.text == row["prompt"]
        assert prompt.context == (row.get("context") or {})
    if refused:
        assert refused.startswith("row: ")
        assert "\n" not in refused


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(content=st.binary(max_size=200), kind=st.sampled_from(["jsonl", "csv", "txt", "parquet"]))
def test_any_bytes_are_either_read_or_refused(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"any.{kind}"
    path.write_bytes(content)
    with suppress(InputError):
        assert read_prompts(path, "general")
