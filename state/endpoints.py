"""What answers prompts, described by data: provider, model, address, the name of the key's variable."""

import os
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from rlhf.state.errors import SettingsError
from rlhf.state.field_docs import describe_fields

Provider = Literal["local", "hf", "function", "openai", "ollama", "vllm"]

FUNCTION = "function"
"""The policy of a run whose responses come from a Python function that its caller gives."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine that no other machine answers to."""

_DEFAULT_BASE_URL: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "vllm": "http://127.0.0.1:8000/v1",
}
_DEFAULT_KEY_ENV: dict[str, str] = {"openai": "OPENAI_API_KEY"}


def on_this_machine(url: str) -> bool:
    """Whether the address is on loopback: no key need travel there, and no proxy stands between."""
    return urlsplit(url).hostname in LOOPBACK


class Endpoint(BaseModel):
    """One model behind the OpenAI-compatible protocol; the key itself is never stored here."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=describe_fields)

    provider: Provider
    """Who serves the model: `local` (started here), `hf` (weights in a folder), `function` (the caller's
    own), or a server of the kind `openai`, `ollama` or `vllm`."""
    model: str
    """The name the server knows the model by; for hf: the folder."""
    base_url: str | None = None
    """Address of the server up to and including /v1; None for what is started or loaded here."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; None for servers that want none."""
    temperature: float = Field(0.0, ge=0.0, le=2.0)
    """Sampling temperature; 0 takes the likeliest token."""
    max_tokens: int = Field(512, ge=1, le=32_768)
    """Longest answer, in tokens."""
    concurrency: int = Field(8, ge=1, le=512)
    """Requests under way at once, over all workers."""
    timeout: float = Field(120.0, gt=0.0)
    """Seconds one request may take."""

    def key(self) -> str | None:
        """The key from the environment, or None if none is wanted.

        Raises SettingsError naming the variable when it is wanted but unset.
        """
        if self.api_key_env is None:
            return None
        value = os.environ.get(self.api_key_env, "").strip()
        if not value:
            raise SettingsError(f"{self.provider}/{self.model} needs a key: set {self.api_key_env}.")
        return value


def parse_model(text: str, where: str) -> tuple[Provider, str]:
    """Split "local", "hf:PATH" or "openai/NAME" into provider and model name; SettingsError otherwise."""
    if text == "local":
        return "local", "SmolLM2-135M-Instruct"
    if text == FUNCTION:
        return "function", FUNCTION
    if text.startswith("hf:") and len(text) > 3:
        return "hf", text[3:]
    provider, slash, name = text.partition("/")
    if slash and name and provider in _DEFAULT_BASE_URL:
        return provider, name  # type: ignore[return-value]
    raise SettingsError(
        f"{where}: model {text!r} is not known; use local, hf:PATH, openai/NAME, ollama/NAME or vllm/NAME."
    )


def default_base_url(provider: Provider) -> str | None:
    """The address a provider has when the recipe names none (None: started or loaded by ourselves)."""
    return _DEFAULT_BASE_URL.get(provider)


def default_key_env(provider: Provider) -> str | None:
    """The variable a provider's key is read from when the recipe names none."""
    return _DEFAULT_KEY_ENV.get(provider)
