"""What a judged response tells LangSmith, read from what arrived there; and what never arrives there."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import langsmith as ls
import pytest

from rlhf.nodes.services import Services
from rlhf.nodes.tracing.client import place, variable
from rlhf.nodes.tracing.context import current, traced, tracing_to
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.judge import judged
from rlhf.state.files.prompts import parse_prompt
from rlhf.state.recipe import parse_recipe
from rlhf.state.records import Feedback
from rlhf.state.settings import Settings
from tests import scripted_endpoint as scripted
from tests.langsmith_receiver import LangSmithReceiver, Mode, Received
from tests.scripted_endpoint import ScriptedEndpoint

PROMPT = "Split $100 between Amazon and CVS."
RESPONSE = "Step 1: put $60 into Amazon.\nStep 2: put $40 into CVS."


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: ScriptedEndpoint) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUDGE_KEY", "quite-private-7")
    section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\napi_key_env = "JUDGE_KEY"\n'
    return parse_recipe(f"[policy]\n{section}[judge]\n{section}workers = 1\n", "test")


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    opened = Services(settings)
    yield opened
    opened.close()


def judge(services: Services, *responses: str) -> list[Feedback]:
    """Judge responses as the command line does."""
    row = parse_prompt({"prompt": PROMPT, "context": {"brand": "Acme"}}, "budgeting", "test")

    async def all_of_them() -> list[Feedback]:
        return [feedback async for feedback in judged(services, [(row, text) for text in responses])]

    return asyncio.run(all_of_them())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def test_a_judged_response_is_one_trace_from_route_to_accept(
    services: Services, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    with tracing_to(True, "qa", place(langsmith.url)):
        [feedback] = judge(services, RESPONSE)
    [root] = langsmith.finished()
    assert (root.name, root.session_name, root.fields.get("error")) == ("judge budgeting", "qa", None)
    assert root.inputs["response"] == RESPONSE
    assert root.outputs["overall_score"] == feedback.overall_score
    nodes = [run.name for run in langsmith.children(root)]
    assert (nodes[0], nodes[-2:]) == ("route", ["aggregate", "accept"])
    assert set(nodes[1:-2]) == {f"judge_{name}" for name in DIMENSIONS}
    told = root.metadata
    assert (told["task_type"], told["judge"]) == ("budgeting", "vllm/scripted")
    assert told["rubric_version"]
    assert told["usage"]["calls"] == endpoint.count() == 5
    calls = langsmith.named("scripted")
    assert told["usage"]["output_tokens"] == sum(
        call.outputs["usage_metadata"]["output_tokens"] for call in calls
    )
    assert {run.trace_id for run in langsmith.runs.values()} == {root.id}


def test_a_crews_model_call_is_its_child_with_messages_answer_tokens_and_times(
    services: Services, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    with tracing_to(True, "qa", place(langsmith.url)):
        judge(services, RESPONSE)
    [root] = langsmith.finished()
    for dimension in DIMENSIONS:
        [node] = langsmith.children(root, f"judge_{dimension}")
        [crew] = langsmith.children(node, f"crew {dimension}")
        [call] = langsmith.children(crew)
        assert (call.run_type, call.metadata["ls_model_name"], call.metadata["ls_provider"]) == (
            "llm",
            "scripted",
            "vllm",
        )
        assert call.inputs["messages"] in [body["messages"] for body in endpoint.calls]
        [answer] = call.outputs["messages"]
        assert '"level"' in answer["content"]
        usage = call.metadata["usage_metadata"]
        assert usage == call.outputs["usage_metadata"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
        assert crew.metadata["usage"]["input_tokens"] == usage["input_tokens"]
        assert "usage" not in call.metadata
        times = [
            node.start_time,
            crew.start_time,
            call.start_time,
            call.end_time,
            crew.end_time,
            node.end_time,
        ]
        assert sorted(times, key=moment) == times


def test_repairs_retries_samples_and_refusals_are_each_a_call(
    services: Services, settings: Settings, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = scripted.in_turn(scripted.out_of_range, scripted.status(500), scripted.default_script)
    with tracing_to(True, "qa", place(langsmith.url)):
        [feedback] = judge(services, RESPONSE)
    langsmith.finished()
    calls = langsmith.named("scripted")
    assert len(calls) == endpoint.count() == 7
    assert feedback.coverage == 1.0
    [failed] = [call for call in calls if call.fields.get("error")]
    assert "HTTP 500" in failed.error
    assert "usage_metadata" not in failed.metadata
    longest = max(calls, key=lambda call: len(call.inputs["messages"]))
    assert [message["role"] for message in longest.inputs["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_a_judge_that_fails_is_marked_and_has_no_score(
    services: Services, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    def clarity_refuses(request: scripted.Request) -> scripted.Reply:
        refuses = "Dimension: clarity" in request.text
        return (scripted.refusal if refuses else scripted.default_script)(request)

    endpoint.script = clarity_refuses
    with tracing_to(True, "qa", place(langsmith.url)):
        [feedback] = judge(services, RESPONSE)
    assert feedback.dimensions["clarity"].status == "failed"
    [root] = langsmith.finished()
    [crew] = langsmith.named("crew clarity")
    assert "refused" in crew.error
    assert root.fields.get("error") is None
    langsmith.until(lambda here: len(here.feedback) >= 5)
    assert {each["key"] for each in langsmith.feedback} == {"overall", *DIMENSIONS} - {"clarity"}


def test_scores_are_feedback_on_the_judged_responses_run(
    services: Services, langsmith: LangSmithReceiver
) -> None:
    with tracing_to(True, "qa", place(langsmith.url)):
        [feedback] = judge(services, RESPONSE)
    [root] = langsmith.finished()
    langsmith.until(lambda here: len(here.feedback) == 6)
    scores = {each["key"]: each for each in langsmith.feedback}
    assert {each["run_id"] for each in langsmith.feedback} == {root.id}
    assert {each["session_id"] for each in langsmith.feedback} == {langsmith.projects["qa"]["id"]}
    assert scores["overall"]["score"] == pytest.approx((feedback.overall_score or 0) / 100, abs=1e-4)
    for name, part in feedback.dimensions.items():
        assert scores[name]["value"] == part.score
        assert scores[name]["comment"] == part.rationale


def test_an_answer_from_the_ledger_is_traced_as_found(
    services: Services, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    judge(services, RESPONSE)
    asked = endpoint.count()
    with tracing_to(True, "qa", place(langsmith.url)):
        judge(services, RESPONSE)
    [root] = langsmith.finished()
    assert root.metadata["usage"] == {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cached": 5}
    assert (langsmith.named("scripted"), endpoint.count()) == ([], asked)


def test_keys_and_authorization_headers_never_arrive(
    services: Services,
    langsmith: LangSmithReceiver,
    endpoint: ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "0123456789abcdef0123")
    secrets = {
        "the judge's own key": "quite-private-7",
        "another variable's": "0123456789abcdef0123",
        "one of a provider": "sk-proj-abcdefghijklmnopqrstuvwx",
        "LangSmith's": "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789",
    }
    told = " ".join(secrets.values()) + " Authorization: Basic dXNlcjpwYXNz and Bearer abcdef-123456"

    def indiscreet(request: scripted.Request) -> scripted.Reply:
        reply = scripted.default_script(request)
        assert isinstance(reply.body, dict)
        message = reply.body["choices"][0]["message"]
        message["content"] = message["content"].replace("The plan", f"The plan {told}")
        reply.body["choices"][0].pop("logprobs", None)
        return reply

    endpoint.script = indiscreet
    with tracing_to(True, "qa", place(langsmith.url)):
        [feedback] = judge(services, f"{RESPONSE} {told}")
    assert "quite-private-7" in feedback.dimensions["clarity"].rationale, "here it may be"
    langsmith.finished()
    langsmith.until(lambda here: len(here.feedback) == 6)
    arrived = langsmith.everything()
    for secret in (*secrets.values(), "dXNlcjpwYXNz", "abcdef-123456"):
        assert secret not in arrived
    assert "[redacted]" in arrived
    assert "put $60 into Amazon" in arrived


@pytest.mark.parametrize("by_variable", [True, False])
def test_texts_stay_here_on_request(
    services: Services,
    langsmith: LangSmithReceiver,
    endpoint: ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    by_variable: bool,
) -> None:
    endpoint.script = scripted.in_turn(scripted.refusal, scripted.default_script)
    if by_variable:
        monkeypatch.setenv("LANGSMITH_HIDE_INPUTS", "true")
        monkeypatch.setenv("LANGCHAIN_HIDE_OUTPUTS", "true")
    with tracing_to(True, "qa", place(langsmith.url, hide_texts=not by_variable)):
        judge(services, RESPONSE)
    [root] = langsmith.finished()
    langsmith.until(lambda here: len(here.feedback) == 5)
    arrived = langsmith.everything()
    for text in ("Split $100", "into Amazon", "You judge one response", "The plan has substance", "sorry"):
        assert text not in arrived
    assert root.metadata["usage"]["calls"] == 5
    assert len([call for call in langsmith.named("scripted") if call.metadata.get("usage_metadata")]) == 5


def test_without_tracing_nothing_is_recorded_and_nothing_is_sent(
    services: Services, langsmith: LangSmithReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_ENDPOINT", langsmith.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", "k")
    judge(services, RESPONSE)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    with tracing_to(False):
        judge(services, RESPONSE)
        assert current() is None
    assert langsmith.requests == []


@pytest.mark.parametrize(
    ("flag", "prefix"),
    [
        ("LANGSMITH_TRACING", "LANGSMITH_"),
        ("LANGCHAIN_TRACING_V2", "LANGCHAIN_"),
        ("LANGCHAIN_TRACING", "LANGCHAIN_"),
        ("LANGSMITH_TRACING_V2", "LANGCHAIN_"),
    ],
)
def test_both_families_of_variables_are_understood(
    settings: Settings, langsmith: LangSmithReceiver, monkeypatch: pytest.MonkeyPatch, flag: str, prefix: str
) -> None:
    monkeypatch.setenv(flag, "true")
    for name, value in {"ENDPOINT": langsmith.url, "API_KEY": "the-key", "PROJECT": "mine"}.items():
        monkeypatch.setenv(prefix + name, value)
    assert variable("PROJECT") == "mine"
    with traced(settings, lambda: {"run_id": "r1"}) as on, ls.trace("work"):
        assert on
    [root] = langsmith.finished()
    assert (root.session_name, root.metadata["run_id"]) == ("mine", "r1")
    assert langsmith.requests[-1][2]["x-api-key"] == "the-key"


def test_without_a_key_it_is_said_once_and_nothing_is_traced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    for _ in range(3):
        with traced(settings, dict) as on:
            assert not on
    assert [record.getMessage() for record in caplog.records] == [
        "LangSmith tracing is on, but there is no key: set LANGSMITH_API_KEY. Nothing is traced."
    ]


def test_a_callers_own_trace_goes_on_through_our_client(
    services: Services, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    theirs = ls.Client(langsmith.url, api_key="theirs", anonymizer=lambda value: _without(value, "Amazon"))
    with (
        ls.tracing_context(enabled=True, client=theirs, project_name="theirs"),
        ls.trace("a request of theirs", client=theirs, project_name="theirs") as request,
    ):
        judge(services, f"{RESPONSE} quite-private-7")
    theirs.close()
    [root] = langsmith.finished()
    assert (root.id, root.name) == (str(request.id), "a request of theirs")
    [judging] = langsmith.children(root)
    assert (judging.name, judging.session_name) == ("judge budgeting", "theirs")
    assert len(langsmith.named("scripted")) == endpoint.count()
    arrived = langsmith.everything()
    assert "quite-private-7" not in arrived
    assert "Amazon" not in arrived, "what they hide stays hidden"
    assert "CVS" in arrived


def _without(value: Any, word: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(part, word) for name, part in value.items()}
    if isinstance(value, list):
        return [_without(part, word) for part in value]
    return value.replace(word, "…") if isinstance(value, str) else value


_CHILD = """
import time
import langsmith
from rlhf.nodes.services import Services
from rlhf.nodes.tracing.context import traced
from rlhf.state.recipe import load_recipe

with traced(load_recipe("local"), dict), langsmith.trace("work", inputs={"prompt": "p"}):
    pass
print(time.time(), flush=True)
"""


def ending(environment: dict[str, str]) -> tuple[float, list[str]]:
    """Seconds between the child's last line and its end, and what it said on standard error.

    A busy machine may be slow once, a delay of ours comes every time: the shortest of up to three counts.
    """
    tries = [_ending(environment)]
    while tries[-1][0] >= 2.0 and len(tries) < 3:
        tries.append(_ending(environment))
    return min(tries)


def _ending(environment: dict[str, str]) -> tuple[float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.time() - float(done.stdout), done.stderr.splitlines()


@pytest.mark.parametrize(
    ("mode", "status", "told"),
    [
        ("silent", 0, "does not answer"),
        ("refuse", 401, r"refuses the key (HTTP 401): check LANGSMITH_API_KEY"),
        ("refuse", 403, r"refuses the key (HTTP 403): check LANGSMITH_API_KEY"),
        ("broken", 500, "answers HTTP 500"),
        ("gone", 0, "cannot be reached"),
    ],
)
def test_a_langsmith_that_fails_costs_one_line_and_no_time(mode: str, status: int, told: str) -> None:
    works: Mode = "well" if mode == "gone" else mode  # type: ignore[assignment]
    with LangSmithReceiver(works, status) as langsmith:
        environment = {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": langsmith.url,
            "LANGSMITH_API_KEY": "k",
        }
        if mode != "gone":
            delay, lines = ending(environment)
    if mode == "gone":
        delay, lines = ending(environment)
    assert lines == [f"LangSmith at {langsmith.url} {told}. Traces are lost; the run goes on."]
    assert delay < 2.0


def test_what_is_traced_last_arrives_before_the_program_ends() -> None:
    with LangSmithReceiver() as langsmith:
        environment = {"LANGCHAIN_TRACING_V2": "true", "LANGCHAIN_ENDPOINT": langsmith.url}
        _, lines = ending(environment)
        [root] = langsmith.roots()
    assert (root.name, bool(root.end_time), lines) == ("work", True, [])


def parents(langsmith: LangSmithReceiver, run: Received) -> list[str]:
    """Names from a run up to its root."""
    names = []
    while run.parent is not None:
        run = langsmith.runs[run.parent]
        names.append(str(run.name))
    return names


def test_responses_side_by_side_do_not_mix(services: Services, langsmith: LangSmithReceiver) -> None:
    with tracing_to(True, "qa", place(langsmith.url)):
        judge(services, RESPONSE, "Money is good.", "")
    roots = langsmith.finished(3)
    assert {root.inputs["response"] for root in roots} == {RESPONSE, "Money is good.", ""}
    for call in langsmith.named("scripted"):
        crew, node, root = parents(langsmith, call)
        assert (crew.split()[1], root) == (node.removeprefix("judge_"), "judge budgeting")
        response = langsmith.runs[call.trace_id].inputs["response"]
        assert "RESPONSE" in call.inputs["messages"][1]["content"]
        assert response in call.inputs["messages"][1]["content"]
