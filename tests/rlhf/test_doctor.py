"""`rlhf doctor` against servers that are not as they should be: every fault is named, none makes it faint."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.doctor import checkup
from rlhf.state.recipe import load_recipe
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint, status, text_reply, verdict_reply

pytestmark = pytest.mark.usefixtures("workplace")


def doctor(base_url: str, model: str = "vllm/scripted", more: str = "") -> Result:
    section = f'model = "{model}"\nbase_url = {json.dumps(base_url)}\n'
    Path("mine.toml").write_text(f"[policy]\n{section}[judge]\n{section}{more}", encoding="utf-8")
    return CliRunner().invoke(app, ["doctor", "--recipe", "mine.toml"])


def test_it_makes_one_judgement_and_says_what_the_endpoint_supports(endpoint: ScriptedEndpoint) -> None:
    result = doctor(endpoint.base_url)
    assert result.exit_code == 0, result.output
    assert "1 call(s)" in result.stdout
    assert (
        "structured output by JSON schema; log-probabilities yes (20 alternatives); seed taken"
        in result.stdout
    )
    assert "price                  not known for vllm/scripted" in result.stdout
    assert endpoint.count() == 1


def test_what_a_server_does_not_take_is_said(endpoint: ScriptedEndpoint) -> None:
    def script(request: Request) -> Reply:
        for key in ("response_format", "logprobs", "seed"):
            if key in request.body:
                return status(400, message=f"{key} is not supported")(request)
        return verdict_reply(request, 4)

    endpoint.script = script
    result = doctor(endpoint.base_url)
    assert result.exit_code == 0, result.output
    assert "structured output by a tool call; log-probabilities no" in result.stdout
    assert "seed no" in result.stdout


@pytest.mark.parametrize(
    ("pieces", "pause"), [(itertools.repeat(b" "), 0.02), (itertools.repeat(b"x" * 65536), 0.0)]
)
def test_a_list_of_models_that_never_ends_is_a_fault(
    endpoint: ScriptedEndpoint, pieces: Iterable[bytes], pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlhf.doctor._SECONDS", 1.0)
    endpoint.listing = Reply(pieces=pieces, pause=pause)
    result = doctor(endpoint.base_url)
    assert result.exit_code == 4
    assert "does not answer" in result.stdout
    assert endpoint.count() == 0


def test_a_judge_that_cannot_judge_is_a_fault(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda request: text_reply(request, "Four, I would say.")
    result = doctor(endpoint.base_url)
    assert result.exit_code == 4
    assert "not one JSON object" in result.stdout


def test_an_address_without_v1_is_mended(endpoint: ScriptedEndpoint) -> None:
    result = doctor(f"http://127.0.0.1:{endpoint.port}")
    assert result.exit_code == 4
    assert f"http://127.0.0.1:{endpoint.port}/v1" in result.stdout


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("http://127.0.0.1:9/v1/chat/completions", "must not end in /chat/completions"),
        ("“http://127.0.0.1:9/v1”", "U+201C"),
        ("http://127.0.0.1:99999/v1", "is no address"),
        ("http://[::1/v1", "is no address"),
        ("ftp://127.0.0.1/v1", "write http:// or https://"),
        ("http://127.0.0.1:9/v1", "does not answer"),
        ("http://\u0000/v1", "U+0000"),
        ("http://exa mple/v1", "U+0020"),
        ("http://.../v1", "does not answer"),
    ],
)
def test_no_address_makes_it_faint(base_url: str, says: str) -> None:
    result = doctor(base_url)
    assert result.exit_code == 4, result.output
    assert says in result.stdout
    assert "fault in the program" not in result.output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MY_KEY", "“sk-abc”"),
        ("MY_KEY", "sk-abc\ndef"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "nonsense://"),
    ],
)
def test_no_environment_makes_it_faint(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-good")
    monkeypatch.setenv(variable, value)
    result = doctor("https://api.invalid/v1", more='api_key_env = "MY_KEY"\n')
    assert result.exit_code == 4, result.output
    assert variable in result.stdout
    assert "fault in the program" not in result.output


def test_a_fault_of_a_check_is_one_more_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("the disk sings")

    monkeypatch.setattr("rlhf.doctor._packages", broken)
    found = {check.what: check for check in checkup(load_recipe("local"))}
    assert found["packages"].state == "RuntimeError: the disk sings"
    assert not found["packages"].ok
    assert found["rubric packs"].ok
