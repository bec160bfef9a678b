"""Rows in the shapes of other tools, and tables as their programs export them; each kind was somebody's bug report."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rlhf.state.errors import InputError
from rlhf.state.files.feedback import read_feedback
from rlhf.state.files.prompts import read_prompts, read_responses
from rlhf.state.records import Feedback
from rlhf.training.dataset import Row

ASKED = {"role": "user", "content": "Write a headline."}
ANSWERED = {"role": "assistant", "content": "Summer starts here."}
SYSTEM = {"role": "system", "content": "You write for Northpeak."}
AGAIN = {"role": "user", "content": "Shorter."}
LAST = {"role": "assistant", "content": "Summer."}
TEXT_PART = {"type": "text", "text": ANSWERED["content"]}

SHAPES: dict[str, dict[str, Any]] = {
    "messages": {"messages": [ASKED, ANSWERED]},
    "messages of parts": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": ASKED["content"]}]}, ANSWERED]
    },
    "LLaMA-Factory's parts": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "value": ASKED["content"]}]},
            {"role": "assistant", "content": [{"type": "text", "value": ANSWERED["content"]}]},
        ]
    },
    "messages as a cell": {"messages": json.dumps([ASKED, ANSWERED])},
    "ShareGPT": {
        "conversations": [
            {"from": "human", "value": ASKED["content"]},
            {"from": "gpt", "value": ANSWERED["content"]},
        ]
    },
    "ShareGPT with roles": {"conversations": [ASKED, ANSWERED], "system": ""},
    "LLaMA-Factory's chosen turn": {
        "conversations": [{"from": "human", "value": ASKED["content"]}],
        "chosen": {"from": "gpt", "value": ANSWERED["content"]},
    },
    "alpaca": {"instruction": ASKED["content"], "input": "", "output": ANSWERED["content"]},
    "TRL's prompt and completion": {"prompt": [ASKED], "completion": [ANSWERED]},
    "question": {"question": ASKED["content"], "answer": ANSWERED["content"]},
    "keys in capitals": {"Prompt": ASKED["content"], " Response ": ANSWERED["content"]},
}


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_the_same_prompt_and_response(shape: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", SHAPES[shape])
    [prompt] = read_prompts(path, "general")
    [(asked, response)] = read_responses(path, "general")
    if asked.id != "1:chosen":  # of a pair, the chosen response
        assert prompt == asked
    assert (prompt.text, response) == (ASKED["content"], ANSWERED["content"])


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [SYSTEM, ASKED]},
        {"prompt": [SYSTEM, ASKED]},
        {"conversations": [{"from": "human", "value": ASKED["content"]}], "system": SYSTEM["content"]},
    ],
)
def test_a_system_turn_is_kept_as_one(row: dict[str, Any], tmp_path: Path) -> None:
    [prompt] = read_prompts(lines(tmp_path / "rows.jsonl", row), "general")
    assert prompt.asked == [SYSTEM, ASKED]
    assert prompt.text == "System: You write for Northpeak.\n\nUser: Write a headline."


CONVERSATIONS: dict[str, dict[str, Any]] = {
    "messages": {"messages": [SYSTEM, ASKED, ANSWERED, AGAIN]},
    "messages with the answer": {"messages": [SYSTEM, ASKED, ANSWERED, AGAIN, LAST]},
    "TRL's prompt": {"prompt": [SYSTEM, ASKED, ANSWERED, AGAIN], "completion": [LAST]},
    "TRL's implicit prompt": {"chosen": [SYSTEM, ASKED, ANSWERED, AGAIN, LAST], "rejected": [LAST]},
    "ShareGPT": {
        "system": SYSTEM["content"],
        "conversations": [
            {"from": "human", "value": ASKED["content"]},
            {"from": "gpt", "value": ANSWERED["content"]},
            {"from": "human", "value": AGAIN["content"]},
        ],
    },
    "alpaca with its history": {
        "system": SYSTEM["content"],
        "history": [[ASKED["content"], ANSWERED["content"]]],
        "instruction": AGAIN["content"],
        "output": LAST["content"],
    },
    "our own feedback": {
        "prompt": "System: …",
        "turns": [SYSTEM, ASKED, ANSWERED, AGAIN],
        "response": LAST["content"],
    },
    "Anthropic's messages": {
        "system": SYSTEM["content"],
        "messages": [ASKED, {"role": "assistant", "content": [TEXT_PART]}, AGAIN],
    },
}


@pytest.mark.parametrize("shape", CONVERSATIONS)
def test_every_shape_of_a_conversation_is_the_same_turns(shape: str, tmp_path: Path) -> None:
    [prompt] = read_prompts(lines(tmp_path / "rows.jsonl", CONVERSATIONS[shape]), "general")
    assert prompt.asked == [SYSTEM, ASKED, ANSWERED, AGAIN]
    other = read_prompts(lines(tmp_path / "text.jsonl", {"prompt": prompt.text}), "general")
    assert other[0].key != prompt.key, "a text that looks like the conversation is another prompt"


def test_alpacas_input_stands_after_its_instruction(tmp_path: Path) -> None:
    row = {"instruction": "Shorten this.", "input": "A long text."}
    [prompt] = read_prompts(lines(tmp_path / "rows.jsonl", row), "general")
    assert prompt.text == "Shorten this.\n\nA long text."


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (
            {"messages": [ASKED, ASKED]},
            "messages holds the turns user, user, which do not alternate; a system turn or none comes first",
        ),
        ({"messages": [ANSWERED, ASKED]}, "messages holds the turns assistant, user, which do not"),
        ({"messages": [ASKED, ANSWERED, SYSTEM]}, "messages holds the turns user, assistant, system"),
        ({"messages": [{"role": "user", "content": " "}, ANSWERED, ASKED]}, "turn 1 of the conversation is"),
        ({"messages": []}, "messages holds no question; a system turn or none"),
        ({"messages": [ANSWERED]}, "messages holds no question"),
        (
            {"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": [{}]}, ASKED]},
            "messages, turn 2 calls a tool",
        ),
        (
            {"conversations": [{"from": "hummany", "value": "x"}]},
            "conversations, turn 1 has the role 'hummany'; there are user",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages, turn 1 holds something other than",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "value": "1.jpg"}]}]},
            "messages, turn 1 holds something other than",
        ),
        (
            {"messages": [ASKED, {"role": "assistant", "content": [{"type": "reasoning", "value": "Hm."}]}]},
            "messages, turn 2 holds something other than",
        ),
        ({"messages": ["Write."]}, "messages, turn 1 must be an object such as"),
        ({"text": "Write."}, "prompt is missing; name it prompt, messages"),
        ({"prompt": "a", "Prompt": "b"}, "the row names both 'prompt' and 'Prompt'; keep one"),
    ],
)
def test_what_cannot_be_kept_is_named_with_line_cause_and_form(
    row: dict[str, Any], cause: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        read_prompts(lines(tmp_path / "rows.jsonl", {"prompt": "fine"}, row), "general")
    assert f"line 2: {cause}" in str(refused.value)


def test_all_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", {"prompt": ""}, {"prompt": "a"}, {"prompt": 7}, {"prompt": " "})
    with pytest.raises(InputError) as refused:
        read_prompts(path, "general")
    assert str(refused.value) == (
        f"{path}, line 1: prompt is empty. Cannot be used either: "
        "line 4 likewise; line 3: prompt must be text, not a number."
    )


TABLES = {
    "comma.csv": 'prompt,response\n"Write, please.",Yes\n',
    "semicolon.csv": "Prompt ;Response\nWrite, please.;Yes\n",
    "tab.csv": "PROMPT\tRESPONSE\nWrite, please.\tYes\n",
    "tab.tsv": "prompt\tresponse\nWrite, please.\tYes\n",
    "excel.csv": "sep=;\r\nprompt;response\r\nWrite, please.;Yes\r\n",
    "excel_quoted.csv": '"sep=;"\r\nprompt;response\r\nWrite, please.;Yes\r\n',
    "mac.csv": "prompt;response\rWrite, please.;Yes\r",
    "blank_after_quote.csv": 'prompt,response\n"Write, please.","Yes" ',
    "blank.csv": "prompt;response;;\n;;;\nWrite, please.;Yes;;\n",
    "array.json": '[\n  {"prompt": "Write, please.", "response": "Yes"}\n]\n',
    "array.jsonl": '[{"prompt": "Write, please.", "response": "Yes"}]',
    "object.json": '{\n  "prompt": "Write, please.",\n  "response": "Yes"\n}\n',
    "lines.json": '{"prompt": "Write, please.", "response": "Yes"}\n',
    "joined.jsonl": '\ufeff{"prompt": "Write, please.", "response": "Yes"}\n\ufeff\n',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_as_its_program_wrote_it(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(TABLES[name].encode(encoding))
    [(prompt, response)] = read_responses(path, "general")
    assert (prompt.text, response) == ("Write, please.", "Yes")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "twice.csv",
            "prompt,response,Prompt\na,b,c\n",
            "line 1: the header names both 'prompt' and 'Prompt'",
        ),
        ("same.csv", "prompt,prompt\na,b\n", "line 1: the header names 'prompt' twice; keep one"),
        ("twice.jsonl", '{"prompt": "a", "prompt": "b"}\n', "line 1: the key 'prompt' stands there twice"),
        (
            "return.csv",
            "prompt,id\na\rb,1\n",
            "line 2: not valid CSV (a lone carriage return outside quotes)",
        ),
        ("return.txt", "a\rb\nc\n", "line 1: a lone carriage return stands there"),
        (
            "return.jsonl",
            '{"prompt": "a"}\r{"prompt": "b"}\nx',
            "line 1: a lone carriage return stands there",
        ),
        ("sep.csv", "sep=;\nprompt;id\na;1;2\n", "line 3: more cells than the header has columns"),
        ("array.json", '[\n{"prompt": "a"},\n{"prompt": ""}\n]', "line 3: prompt is empty"),
        (
            "cut.json",
            '[\n{"prompt": "a"},\n{"prompt": "b"}\n',
            "line 3: the line is not valid JSON (a comma or ]",
        ),
        ("more.json", '[{"prompt": "a"}]\n[]', "the line is not valid JSON (more follows the list)"),
        (
            "names.csv",
            "text;id\na;1\n",
            "has no column named prompt (nor messages, conversations, instruction, question)",
        ),
    ],
)
def test_what_a_table_swallows_elsewhere_is_told(name: str, content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    with pytest.raises(InputError) as refused:
        read_prompts(path, "general")
    assert told in str(refused.value)


def test_a_carriage_return_in_quotes_is_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'prompt,id\n"a\rb",1\n')
    assert [row.text for row in read_prompts(path, "general")] == ["a\rb"]


def test_an_empty_cell_null_and_an_empty_text_are_the_same_empty_response(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "a.csv").write_text("prompt,response,context,task_type,id\na,,,,\n")
    (tmp_path / "short.csv").write_text("prompt,response\na\n")
    lines(tmp_path / "a.jsonl", {"prompt": "a", "response": None, "id": "", "task_type": "", "context": ""})
    lines(tmp_path / "b.jsonl", {"prompt": "a", "response": "", "id": None})
    pyarrow.parquet.write_table(
        pyarrow.table({"prompt": ["a"], "response": pyarrow.array([None], pyarrow.string())}),
        tmp_path / "a.parquet",
    )
    read = [read_responses(path, "general") for path in sorted(tmp_path.iterdir())]
    assert len(read) == 5
    assert all(rows == read[0] for rows in read)
    assert [text for _, text in read[0]] == [""]


def test_decimals_maps_and_dates_of_parquet_become_what_json_has(tmp_path: Path) -> None:
    import datetime

    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {
            "prompt": ["Split it.", "Plan it."],
            "budget": pyarrow.array([Decimal("900.00"), None], pyarrow.decimal128(10, 2)),
            "caps": pyarrow.array(
                [[("Target", Decimal("99.5"))], None],
                pyarrow.map_(pyarrow.string(), pyarrow.decimal128(8, 1)),
            ),
            "context": [{"launch": datetime.date(2026, 5, 1)}, None],
            "notes": pyarrow.array([float("nan"), float("nan")]),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    first, second = read_prompts(tmp_path / "a.parquet", "general")
    assert first.context == {"budget": 900, "caps": {"Target": 99.5}, "launch": "2026-05-01"}
    assert second.context == {}


def test_a_dataset_of_ours_is_read_back_as_prompts_and_responses(tmp_path: Path) -> None:
    row = Row("Write.", "good", "bad", 90.0, 40.0, "p", "c", "r")
    path = tmp_path / "ours.jsonl"
    path.write_text(row.as_json() + "\n", encoding="utf-8")
    assert [prompt.text for prompt in read_prompts(path, "general")] == ["Write."]
    read = [(prompt.id, text) for prompt, text in read_responses(path, "general")]
    assert read == [("1:chosen", "good"), ("1:rejected", "bad")]


def test_trls_implicit_prompt_is_found(tmp_path: Path) -> None:
    other = {"role": "assistant", "content": "No."}
    path = lines(tmp_path / "rows.jsonl", {"chosen": [ASKED, ANSWERED], "rejected": [ASKED, other]})
    assert [prompt.text for prompt in read_prompts(path, "general")] == [ASKED["content"]]
    assert [text for _, text in read_responses(path, "general")] == [ANSWERED["content"], "No."]


def test_labels_are_read_back_as_responses(tmp_path: Path) -> None:
    pair = {"id": "q", "prompt": "Which?", "response_a": "this", "response_b": "", "label": "a"}
    read = [
        (prompt.id, text) for prompt, text in read_responses(lines(tmp_path / "l.jsonl", pair), "general")
    ]
    assert read == [("q:a", "this"), ("q:b", "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_printed_feedback_is_read_back_also_as_powershell_keeps_it(encoding: str, tmp_path: Path) -> None:
    printed = Feedback(prompt="Why?", response="So.", coverage=0.0, dimensions={}).model_dump(mode="json")
    path = tmp_path / "judged.jsonl"
    rows = [{"id": "q", "judge": "m", "passed": True, **printed}, {"id": "q", "judge": "m", **printed}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding=encoding)
    assert [feedback.response for feedback in read_feedback(path)] == ["So.", "So."]
    assert [prompt.id for prompt in read_prompts(path, "general")] == ["q"]
    assert [text for _, text in read_responses(path, "general")] == ["So.", "So."]


def test_no_kind_of_row_hides_another_tools_roles(tmp_path: Path) -> None:
    calls = [
        {"from": "human", "value": "Book it."},
        {"from": "function_call", "value": "{}"},
        {"from": "observation", "value": "{}"},
    ]
    with pytest.raises(InputError, match="line 1: conversations, turn 2 has the role 'function_call'"):
        read_prompts(lines(tmp_path / "rows.jsonl", {"conversations": calls}), "general")
