"""What all tests share: no network, and an environment without the developer's own keys and choices."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tests.offline.sitecustomize  # noqa: F401  from here on no other machine is reached

# No test depends on how fast the machine is; in CI the same examples are tried every time.
settings.register_profile(
    "rlhf",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("rlhf")

_OWN = ("OPENAI_", "OLLAMA_", "VLLM_", "RLHF_", "LANGSMITH_", "LANGCHAIN_", "ANTHROPIC_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_OWN) and name != "RLHF_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "offline"), prepend=os.pathsep)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
