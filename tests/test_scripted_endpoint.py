"""The one fake is tested too: its default answers, and its life as a process of its own."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.scripted_endpoint import ScriptedEndpoint, default_script, is_judge_call, level_of, plan

CHAT = {
    "model": "scripted",
    "messages": [{"role": "user", "content": "Split $1M between CVS and Target."}],
    "seed": 3,
}


def test_the_same_request_gets_the_same_answer_and_qualities_differ() -> None:
    with ScriptedEndpoint(default_script) as endpoint:
        answers = [httpx.post(f"{endpoint.base_url}/chat/completions", json=CHAT).json() for _ in range(2)]
        assert endpoint.count() == 2
        assert endpoint.count(is_judge_call) == 0
    assert answers[0]["choices"] == answers[1]["choices"]
    assert len({level_of(plan("Split $1M.", seed)) for seed in range(20)}) >= 4


def test_it_serves_as_a_process_and_writes_down_its_calls(tmp_path: Path) -> None:
    port_file, calls_file = tmp_path / "port", tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "tests.scripted_endpoint"]
    files = ["--port-file", str(port_file), "--calls-file", str(calls_file)]
    with subprocess.Popen([*command, *files], cwd=Path(__file__).parents[1]) as process:
        while not port_file.exists():
            assert process.poll() is None
        answer = httpx.post(f"http://127.0.0.1:{port_file.read_text()}/v1/chat/completions", json=CHAT)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert answer.status_code == 200
    assert [json.loads(line) for line in calls_file.read_text().splitlines()] == [CHAT]
