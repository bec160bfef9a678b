"""The pool with real worker processes and a scripted endpoint: every fault there is, and life on any event loop."""

import asyncio
import itertools
import json
import os
import re
import signal
import threading
from pathlib import Path

import psutil
import pytest
from blockbuster import blockbuster_ctx

from rlhf.nodes.crews.pool import CrewPool
from rlhf.nodes.crews.requests import JudgeReply
from rlhf.state.errors import EndpointError, JudgingError, SettingsError
from rlhf.state.records import FailureKind
from tests import scripted_endpoint as scripted
from tests.nodes.conftest import HASTE, Ask
from tests.scripted_endpoint import Reply, Request, Script, ScriptedEndpoint

DIMENSIONS = ("accuracy", "brand_alignment", "compliance", "clarity", "actionability")


def steady(level: int) -> Script:
    return lambda request: scripted.verdict_reply(request, level)


async def test_a_judgement_comes_back_scored_with_its_reasons(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    endpoint.script = steady(4)
    reply = await pool.judge(ask())
    assert (reply.status, reply.method) == ("scored", "logprobs")
    assert reply.score is not None
    assert 60 < reply.score < 90
    assert reply.rationale == "The plan has substance for level 4."
    assert (reply.strengths, reply.weaknesses) == (["It names amounts."], ["It could name owners."])
    assert (reply.usage.calls, endpoint.count()) == (1, 1)
    assert reply.usage.input_tokens > 0


async def test_the_level_comes_first_or_last_as_asked(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    for reasoning in (False, True):
        await pool.judge(ask(reasoning=reasoning))
    orders = [list(body["response_format"]["json_schema"]["schema"]["properties"]) for body in endpoint.calls]
    assert [order.index("level") for order in orders] == [0, 3]


async def test_a_compact_judge_is_asked_for_a_digit_only(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    endpoint.script = steady(5)
    reply = await pool.judge(ask(style="compact"))
    assert (reply.status, reply.method) == ("scored", "logprobs")
    assert endpoint.calls[0]["max_tokens"] == 2
    assert "response_format" not in endpoint.calls[0]


async def test_the_five_dimensions_of_a_response_go_back_to_back(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    requests = [ask(number, name, concurrency=1) for name in DIMENSIONS for number in range(4)]
    await asyncio.gather(*map(pool.judge, requests))
    order = [str(body["messages"][1]["content"]).split(".")[0] for body in endpoint.calls]
    assert sum(one != other for one, other in itertools.pairwise(order)) == 3
    assert endpoint.most_at_once == 1


async def test_concurrency_is_bounded_over_all_workers(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    eight_at_once = threading.Barrier(8)

    def together(request: Request) -> Reply:
        eight_at_once.wait(60)
        return scripted.default_script(request)

    endpoint.script = together
    await asyncio.gather(*(pool.judge(ask(number, concurrency=8)) for number in range(56)))
    assert endpoint.most_at_once == 8
    assert len(pool.worker_pids()) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        (scripted.refusal, FailureKind.REFUSED, 1),
        (scripted.empty_content, FailureKind.UNPARSABLE, 2),
        (scripted.invalid_json, FailureKind.UNPARSABLE, 2),
        (scripted.cut_off, FailureKind.UNPARSABLE, 2),
        (scripted.out_of_range, FailureKind.OUT_OF_RANGE, 2),
        (scripted.html, FailureKind.ENDPOINT_ERROR, 4),
        (scripted.empty, FailureKind.ENDPOINT_ERROR, 4),
        (scripted.cut_connection, FailureKind.ENDPOINT_ERROR, 4),
        (scripted.status(500), FailureKind.ENDPOINT_ERROR, 4),
        (scripted.status(413), FailureKind.TOO_LONG, 1),
        (scripted.status(400), FailureKind.ENDPOINT_ERROR, 5),
        (scripted.rate_limited(), FailureKind.RATE_LIMITED, 6),
        (scripted.rate_limited("86400"), FailureKind.RATE_LIMITED, 1),
    ],
)
async def test_a_fault_becomes_its_kind_of_failure_and_never_a_number(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, fault: Script, kind: FailureKind, calls: int
) -> None:
    endpoint.script = fault
    reply = await pool.judge(ask())
    assert (reply.status, reply.failure) == ("failed", kind)
    assert (reply.score, reply.confidence, reply.method) == (None, None, None)
    assert reply.error
    assert (endpoint.count(), reply.usage.calls) == (calls, calls)


async def test_silence_becomes_a_timeout(pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask) -> None:
    endpoint.script = scripted.never
    reply = await pool.judge(ask(timeout=0.2))
    assert (reply.failure, endpoint.count()) == (FailureKind.TIMEOUT, 2)


async def test_a_refused_connection_is_an_endpoint_error(pool: CrewPool, ask: Ask) -> None:
    with ScriptedEndpoint() as gone:
        address = gone.base_url
    reply = await pool.judge(ask(base_url=address))
    assert reply.failure is FailureKind.ENDPOINT_ERROR
    assert reply.error is not None
    assert "is the server running?" in reply.error


@pytest.mark.parametrize(
    "fault", [scripted.status(500), scripted.cut_connection, scripted.html, scripted.rate_limited("0.01")]
)
async def test_a_passing_fault_is_forgotten(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, fault: Script
) -> None:
    endpoint.script = scripted.in_turn(fault, scripted.default_script)
    reply = await pool.judge(ask())
    assert (reply.status, reply.usage.calls) == ("scored", 2)


async def test_a_repair_tells_the_model_what_was_wrong(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    endpoint.script = scripted.in_turn(scripted.out_of_range, scripted.default_script)
    assert (await pool.judge(ask())).status == "scored"
    roles = [message["role"] for message in endpoint.calls[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "level" in endpoint.calls[1]["messages"][-1]["content"]


async def test_a_repair_shows_the_model_what_it_said_in_a_tool_call(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    def by_tool(request: Request) -> Reply:
        if "response_format" in request.body:
            return scripted.status(400, message="response_format is not supported")(request)
        return scripted.verdict_reply(request, 7 if len(request.body["messages"]) == 2 else 4)

    endpoint.script = by_tool
    reply = await pool.judge(ask(model="tools"))
    assert (reply.score, reply.method) == (80.0, "level")
    said = endpoint.calls[-1]["messages"][2]
    assert said["role"] == "assistant"
    assert json.loads(said["content"])["level"] == 7


async def test_a_server_without_schemas_is_asked_by_tool_call_and_then_in_words(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    def plain(request: Request) -> Reply:
        for key in ("response_format", "tools", "logprobs"):
            if key in request.body:
                return scripted.status(400, message=f"{key} is not supported")(request)
        return scripted.text_reply(
            request, '{"level": 3, "strengths": [], "weaknesses": [], "rationale": "Middling."}'
        )

    endpoint.script = plain
    replies = [await pool.judge(ask(model="plain")) for _ in range(3)]
    assert [(reply.score, reply.method) for reply in replies] == [(60.0, "level")] * 3
    assert endpoint.count(lambda body: "tools" in body) >= 1
    assert replies[-1].usage.calls == 1, "what a server takes is learnt"


async def test_samples_are_asked_only_without_log_probabilities(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    await pool.judge(ask(samples=4))
    assert endpoint.count() == 1

    def sampled(request: Request) -> Reply:
        reply = scripted.verdict_reply(request, (2, 3, 4, 5)[request.seed % 4])
        assert isinstance(reply.body, dict)
        reply.body["choices"][0].pop("logprobs", None)
        return reply

    endpoint.forget()
    endpoint.script = sampled
    reply = await pool.judge(ask(samples=4, seed=8))
    assert (reply.method, reply.score, reply.usage.calls) == ("samples", 70.0, 4)
    assert [body["seed"] for body in endpoint.calls] == [8, 9, 10, 11]
    assert all(body["temperature"] == 0.7 for body in endpoint.calls)


async def test_samples_that_are_paid_for_are_used_when_a_later_one_fails(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    def sampled(request: Request) -> Reply:
        if request.seed == 2:
            return scripted.status(500)(request)
        reply = scripted.verdict_reply(request, 3)
        assert isinstance(reply.body, dict)
        reply.body["choices"][0].pop("logprobs", None)
        return reply

    endpoint.script = sampled
    reply = await pool.judge(ask(samples=3))
    assert (reply.status, reply.method, reply.usage.calls) == ("scored", "samples", 3)


async def test_a_combined_call_answers_every_dimension_with_its_own_level(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    levels = dict(zip(DIMENSIONS, (0, 1, 3, 4, 5), strict=True))
    endpoint.script = lambda request: scripted.combined_reply(request, levels)
    for reasoning in (False, True):
        replies = await pool.judge_all(
            ask(dimensions=list(DIMENSIONS), combined=True, samples=3, reasoning=reasoning)
        )
        assert [reply.method for reply in replies.values()] == ["logprobs"] * 5
        scores = [reply.score or 0.0 for reply in replies.values()]
        assert scores == sorted(scores)
        assert [round(score / 20) for score in scores] == [0, 1, 3, 4, 5]
        assert sum(reply.usage.calls for reply in replies.values()) == 1
    assert endpoint.count() == 2
    schema = endpoint.calls[1]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == list(DIMENSIONS)
    assert [list(entry["properties"])[-1] for entry in schema["properties"].values()] == ["level"] * 5


async def test_the_repair_of_a_combined_answer_asks_for_the_bad_entries_alone(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    def bad_then_good(request: Request) -> Reply:
        names = scripted.combined_dimensions(request.body)
        levels = dict.fromkeys(names, 4 if len(names) == 5 else 1)
        bad = {"clarity": {"level": 9}, "compliance": None} if len(names) == 5 else {"clarity": "no"}
        return scripted.combined_reply(request, levels, **bad)

    endpoint.script = bad_then_good
    replies = await pool.judge_all(ask(dimensions=list(DIMENSIONS), combined=True))
    assert endpoint.count() == 2
    assert scripted.combined_dimensions(endpoint.calls[1]) == ["compliance", "clarity"]
    assert "compliance: the entry is missing" in endpoint.calls[1]["messages"][-1]["content"]
    assert (replies["clarity"].status, replies["clarity"].failure) == ("failed", FailureKind.UNPARSABLE)
    levels = {name: round((reply.score or 0.0) / 20) for name, reply in replies.items()}
    assert levels == {"accuracy": 4, "brand_alignment": 4, "compliance": 1, "clarity": 0, "actionability": 4}
    assert sum(reply.usage.calls for reply in replies.values()) == 2
    said = [len(scripted.Request(1, "", {}, body).text) // 4 + 1 for body in endpoint.calls]
    assert sum(reply.usage.input_tokens for reply in replies.values()) == sum(said)


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        (scripted.refusal, FailureKind.REFUSED, 1),
        (scripted.cut_off, FailureKind.UNPARSABLE, 2),
        (scripted.empty_content, FailureKind.UNPARSABLE, 2),
        (scripted.verdict_of_one, FailureKind.UNPARSABLE, 2),
        (scripted.status(500), FailureKind.ENDPOINT_ERROR, 4),
    ],
)
async def test_a_combined_call_that_fails_leaves_no_number_anywhere(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, fault: Script, kind: FailureKind, calls: int
) -> None:
    endpoint.script = fault
    replies = await pool.judge_all(ask(dimensions=list(DIMENSIONS), combined=True))
    assert {reply.failure for reply in replies.values()} == {kind}
    assert {reply.score for reply in replies.values()} == {None}
    assert (endpoint.count(), sum(reply.usage.calls for reply in replies.values())) == (calls, calls)


async def test_good_entries_are_kept_when_the_repair_of_the_others_fails(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    def once(request: Request) -> Reply:
        if len(request.body["messages"]) > 2:
            return scripted.status(500)(request)
        return scripted.combined_reply(request, dict.fromkeys(DIMENSIONS, 3), clarity=None)

    endpoint.script = once
    replies = await pool.judge_all(ask(dimensions=list(DIMENSIONS), combined=True))
    assert [name for name, reply in replies.items() if reply.status == "failed"] == ["clarity"]
    assert endpoint.count() == 2


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_endpoint_that_refuses_everybody_is_named_with_the_keys_variable(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "very-secret-123")
    endpoint.script = scripted.status(status, message="no entry for very-secret-123")
    with pytest.raises(EndpointError, match=f"127.0.0.1:{endpoint.port}/v1 .*HTTP {status}") as caught:
        await pool.judge(ask(api_key_env="JUDGE_KEY"))
    assert endpoint.count() == 1
    assert ("JUDGE_KEY" in str(caught.value)) == (status != 404)


async def test_no_error_shows_the_key(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "very-secret-456")
    for code in (400, 429, 500):
        endpoint.script = scripted.status(code, message="the key very-secret-456 is worn out")
        reply = await pool.judge(ask(api_key_env="JUDGE_KEY"))
        assert "very-secret" not in reply.model_dump_json()
        assert endpoint.requests[-1].headers["authorization"] == "Bearer very-secret-456"


async def test_a_changed_key_is_used(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "second-key")
    await pool.judge(ask(api_key_env="JUDGE_KEY"))
    assert endpoint.requests[-1].headers["authorization"] == "Bearer second-key"


async def test_an_unset_key_is_told_before_anything_is_sent(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    with pytest.raises(SettingsError, match="MISSING_KEY"):
        await pool.judge(ask(api_key_env="MISSING_KEY"))
    assert endpoint.count() == 0


async def test_a_dead_endpoint_stops_the_run_with_a_reason(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    endpoint.script = scripted.status(500)
    results = await asyncio.gather(*(pool.judge(ask(n)) for n in range(60)), return_exceptions=True)
    assert any(isinstance(result, EndpointError) and "in a row" in str(result) for result in results)
    assert endpoint.count() < 60
    endpoint.script = scripted.default_script
    assert (await pool.judge(ask())).status == "scored"


async def test_a_cancelled_judgement_frees_its_place(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    arrived = threading.Event()

    def stuck(request: Request) -> Reply:
        arrived.set()
        return scripted.never(request)

    endpoint.script = stuck
    judging = asyncio.create_task(pool.judge(ask(concurrency=1)))
    await asyncio.to_thread(arrived.wait, 60)
    judging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await judging
    endpoint.script = scripted.default_script
    assert (await pool.judge(ask(concurrency=1))).status == "scored"


async def test_a_killed_worker_is_replaced_and_its_work_done(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    await pool.judge(ask())
    before = pool.worker_pids()

    def kill_once(request: Request) -> Reply:
        if request.number == 2:
            os.kill(before[0], signal.SIGKILL)
        return scripted.default_script(request)

    endpoint.script = kill_once
    replies = await asyncio.gather(*(pool.judge(ask(number)) for number in range(12)))
    assert [reply.status for reply in replies] == ["scored"] * 12
    assert before[0] not in pool.worker_pids()


def test_one_pool_serves_many_event_loops(pool: CrewPool, ask: Ask) -> None:
    replies: list[JudgeReply] = []

    def go() -> None:
        replies.append(asyncio.run(pool.judge(ask())))

    go()
    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == ["scored"] * 4


async def test_closing_ends_the_workers_and_nothing_blocks_the_callers_loop(tmp_path: Path, ask: Ask) -> None:
    pool = CrewPool(1, tmp_path, HASTE)  # opened in a thread where a loop serves
    with blockbuster_ctx():
        assert (await pool.judge(ask())).status == "scored"
    processes = [psutil.Process(pid) for pid in pool.worker_pids()]
    assert processes
    pool.close()
    assert not any(process.is_running() for process in processes)
    with pytest.raises(JudgingError, match="closed"):
        await pool.judge(ask())


async def test_workers_that_cannot_start_are_told_with_their_last_words(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crewai").mkdir()
    (tmp_path / "crewai" / "__init__.py").write_text("raise ImportError('crewai is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with CrewPool(1, tmp_path / "logs", HASTE) as pool, pytest.raises(JudgingError, match="crewai is broken"):
        await pool.judge(ask())


async def test_a_home_that_cannot_be_written_is_no_hindrance(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    with CrewPool(1, tmp_path / "logs", HASTE) as pool:
        assert (await pool.judge(ask())).status == "scored"


async def test_twelve_filtered_responses_leave_eight_good_ones_judged(
    pool: CrewPool, endpoint: ScriptedEndpoint, ask: Ask
) -> None:
    filtered = scripted.status(400, message="The prompt triggered the content management policy.")

    def script(request: Request) -> Reply:
        number = int(re.findall(r"Response (\d+)", request.text)[0])
        return filtered(request) if number < 12 else scripted.default_script(request)

    endpoint.script = script
    replies = await asyncio.gather(*(pool.judge(ask(number, concurrency=1)) for number in range(20)))
    assert [reply.failure for reply in replies[:12]] == [FailureKind.REFUSED] * 12
    assert [reply.status for reply in replies[12:]] == ["scored"] * 8
    assert endpoint.count() == 20
