"""Faults of the configuration are named before anything is sent, with the way out."""

import asyncio
from typing import Any

import pytest

from rlhf.nodes.endpoints.readiness import check_ready_to_ask
from rlhf.nodes.generation.chat import chat
from rlhf.state.endpoints import Endpoint, parse_model
from rlhf.state.errors import SettingsError
from tests.scripted_endpoint import ScriptedEndpoint


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint(**{"provider": "vllm", "model": "m", "base_url": "http://127.0.0.1:9/v1", **changes})


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (
            "“sk-abcdef”",
            r"place 1 stands the character U\+201C \(a typographic quote\)",
        ),  # openai-python#2409
        ("sk-abc—def", r"U\+2014"),
        ("sk-abc def", "a space or line end"),
        ('"sk-abcdef"', "begins or ends with a quote"),  # Aider-AI/aider#3243
        ("Bearer sk-abcdef", "a space or line end"),
        ("", "set SOME_KEY"),
    ],
)
def test_a_key_that_is_none(key: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(SettingsError, match=says) as caught:
        check_ready_to_ask(endpoint(api_key_env="SOME_KEY"), "judge")
    assert "SOME_KEY" in str(caught.value)
    assert "abc" not in str(caught.value)


def test_blanks_around_a_key_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "  sk-abcdef\r\n")
    assert endpoint(api_key_env="SOME_KEY").key() == "sk-abcdef"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://127.0.0.1:8000/v1/chat/completions", r"write http://127.0.0.1:8000/v1$"),
        (
            "https://x.azure.com/openai/deployments/d/chat/completions?api-version=1",
            r"write https://x.azure.com/openai/deployments/d\?api-version=1$",
        ),
        ("http://127.0.0.1:8000", r"answers? at http://127.0.0.1:8000/v1"),  # sashiko-dev/sashiko#221
        ("localhost:8000/v1", "write http:// or https://"),
        ("127.0.0.1:8000/v1", "write http:// or https://"),
        ("http:///v1", "and a host"),
        ("http://host:80x/v1", "is no address"),
        ("“http://host/v1”", r"U\+201C"),
        ("http://host /v1", r"U\+0020"),
    ],
)
def test_an_address_that_is_none(address: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        check_ready_to_ask(endpoint(base_url=address), "judge")
    assert str(caught.value).startswith("judge.base_url: ")


def test_a_slash_says_that_the_root_is_meant() -> None:
    check_ready_to_ask(endpoint(base_url="http://127.0.0.1:8000/"), "judge")


def test_azure_needs_its_own_address() -> None:
    with pytest.raises(SettingsError, match=r"RESOURCE\.openai\.azure\.com/openai/v1"):
        check_ready_to_ask(endpoint(provider="azure", base_url=None), "judge")


@pytest.mark.parametrize(
    ("variable", "proxy", "says"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", r"ALL_PROXY names a SOCKS proxy.*httpx\[socks\]"),
        ("https_proxy", "socks5h://127.0.0.1:1080", "HTTPS_PROXY names a SOCKS proxy"),
        ("HTTP_PROXY", "ftp://127.0.0.1:1", "not known"),
    ],
)
def test_a_proxy_that_cannot_be_used(
    variable: str, proxy: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy)
    monkeypatch.setenv("NO_PROXY", "*")  # httpx opens them all the same (liuzhao1225/YouDub-webui#75)
    with pytest.raises(SettingsError, match=says):
        check_ready_to_ask(endpoint(base_url="https://api.example.org/v1"), "judge")
    check_ready_to_ask(endpoint(), "judge")  # loopback goes through no proxy


def test_a_query_stays_behind_the_path_and_the_key_goes_where_azure_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    with ScriptedEndpoint() as server:
        address = f"http://127.0.0.1:{server.port}/openai/deployments/d/?api-version=2024-10-21"
        azure = endpoint(provider="azure", base_url=address, api_key_env="AZURE_OPENAI_API_KEY")
        asyncio.run(chat(azure, "Split $1M.", 1))
        [request] = server.requests
    assert request.path == "/openai/deployments/d/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == "azure-key"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("text", "provider", "name"),
    [
        ("openrouter/google/gemma-3-27b-it", "openrouter", "google/gemma-3-27b-it"),
        ("groq/llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("bedrock/anthropic.claude-x:0", "bedrock", "anthropic.claude-x:0"),
        ("cohere/command-a", "cohere", "command-a"),
    ],
)
def test_a_provider_is_named_before_the_first_slash(text: str, provider: str, name: str) -> None:
    assert parse_model(text, "judge.model") == (provider, name)


@pytest.mark.parametrize("text", ["opnai/gpt-4o", "gpt-4o", "function/x", "hf:", "openai/"])
def test_a_provider_that_is_none_is_refused_with_the_names_there_are(text: str) -> None:
    with pytest.raises(SettingsError, match=r"openrouter.*init_chat_model"):
        parse_model(text, "judge.model")
