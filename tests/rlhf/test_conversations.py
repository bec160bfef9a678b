"""Prompts that are conversations stay their turns: for policy, judges, people, the dataset and what reads it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlhf import DPODatasetBuilder, PreferenceDataset, SyntheticFeedbackGenerator, export_review
from rlhf.cli import app
from rlhf.prompts.messages import CONVERSATION
from rlhf.state.files.prompts import read_prompts, read_responses
from tests.rlhf.conftest import PROMPTS
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call, plan

SYSTEM = {"role": "system", "content": "You plan media for Northpeak."}
Message = dict[str, str]


def conversation(question: str) -> list[Message]:
    return [
        SYSTEM,
        {"role": "user", "content": question},
        {"role": "assistant", "content": "With pleasure. For which month?"},
        {"role": "user", "content": "For May."},
    ]


ROWS: list[dict[str, Any]] = [
    {"messages": conversation(PROMPTS[0]), "id": "long"},
    {"prompt": [SYSTEM, {"role": "user", "content": PROMPTS[1]}], "id": "told"},
    {"prompt": PROMPTS[2], "id": "plain"},
]


def as_read(question: str) -> str:
    return (
        "System: You plan media for Northpeak.\n\n"
        f"User: {question}\n\n"
        "Assistant: With pleasure. For which month?\n\n"
        "User: For May."
    )


@pytest.fixture
def generator(recipe: Path) -> Iterator[SyntheticFeedbackGenerator]:
    """As everywhere, with room for a conversation."""
    recipe.write_text(recipe.read_text().replace("max_length = 128", "max_length = 512"))
    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        yield generator


@pytest.fixture
def built(generator: SyntheticFeedbackGenerator) -> PreferenceDataset:
    return DPODatasetBuilder(generator).build_dataset(ROWS, num_variations=4, progress=False)


def test_the_policy_is_sent_the_messages_and_the_judge_reads_the_conversation(
    built: PreferenceDataset, endpoint: ScriptedEndpoint
) -> None:
    asked = [call.body for call in endpoint.requests if not is_judge_call(call.body)]
    sent = {json.dumps(body["messages"]) for body in asked}
    assert sent == {
        json.dumps(conversation(PROMPTS[0])),
        json.dumps([SYSTEM, {"role": "user", "content": PROMPTS[1]}]),
        json.dumps([{"role": "user", "content": PROMPTS[2]}]),
    }
    judged = [call.body["messages"][1]["content"] for call in endpoint.requests if is_judge_call(call.body)]
    long = [text for text in judged if "turn 4 of 4, user]\nFor May." in text]
    assert len(long) == 4 * 5
    assert all(text.startswith(CONVERSATION["full"]) for text in long)
    for text in long:
        code = re.search(r"<<<PROMPT (\w+)>>>", text)
        assert code is not None
        assert f"[{code[1]} turn 3 of 4, assistant]\nWith pleasure. For which month?\n\n" in text
    plain = [text for text in judged if PROMPTS[2] in text]
    assert plain
    assert not any("conversation" in text for text in plain), "a single question is judged as it always was"


def test_pairs_keep_the_turns_and_are_read_back_as_the_same_prompts(
    built: PreferenceDataset, generator: SyntheticFeedbackGenerator, workplace: Path
) -> None:
    prompts = [record["prompt"] for record in built.to_list()]
    assert conversation(PROMPTS[0]) in prompts
    path = Path(generator.services.ledger.runs()[0].settings.pipeline.dataset_dir)
    [file] = path.glob("*.jsonl")
    again = {row.key: row.turns for row in read_prompts(file, "budgeting")}
    assert again == {row.prompt_key: row.turns for row in built}
    assert {prompt.key for prompt, _ in read_responses(file, "budgeting")} == set(again)


def test_a_callers_function_is_given_the_messages(generator: SyntheticFeedbackGenerator) -> None:
    given: list[str | list[Message]] = []

    def respond(prompt: str | list[Message]) -> str:
        given.append(prompt)
        return plan(str(prompt), len(given))

    DPODatasetBuilder(generator).build_dataset(ROWS[:1], respond, num_variations=4, progress=False)
    assert given == [conversation(PROMPTS[0])] * 4


def test_what_the_command_line_prints_and_people_rate_is_read_back_with_its_turns(
    judge_recipe: Path, workplace: Path
) -> None:
    answered = [*conversation(PROMPTS[0]), {"role": "assistant", "content": "Amazon: $60. CVS: $40."}]
    (workplace / "rows.jsonl").write_text(json.dumps({"messages": answered}) + "\n")
    done = CliRunner().invoke(app, ["judge", "rows.jsonl", "--recipe", "mine.toml", "--json"])
    assert done.exit_code == 0, done.output
    (workplace / "judged.jsonl").write_text(done.stdout)
    first = read_responses(workplace / "rows.jsonl", "general")
    assert read_responses(workplace / "judged.jsonl", "general") == first
    [(prompt, response)] = first
    assert (prompt.text, response) == (as_read(PROMPTS[0]), "Amazon: $60. CVS: $40.")
    shown = json.loads(done.stdout)
    assert shown["prompt"] == as_read(PROMPTS[0])
    with SyntheticFeedbackGenerator(recipe=judge_recipe) as generator:
        feedback = generator.generate_feedback(conversation(PROMPTS[0]), response)
        assert generator.generate_batch([{"messages": answered}]) == [feedback]
    assert feedback.response_id == shown["response_id"], "the same conversation is the same prompt"
    export_review([feedback], workplace / "sheet.csv")
    assert "Assistant: With pleasure." in (workplace / "sheet.csv").read_text(encoding="utf-8-sig")
