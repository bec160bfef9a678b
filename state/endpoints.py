"""What answers prompts, described by data: provider, model, address, the name of the key's variable."""

import json
import os
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rlhf.state.errors import SettingsError
from rlhf.state.field_docs import describe_fields
from rlhf.state.keys import content_key
from rlhf.state.providers import PROVIDERS, Provider, provider_of

FUNCTION = "function"
"""The policy of a run whose responses come from a Python function that its caller gives."""

MAX_ANSWER_BYTES: Final = 8 * 2**20
"""Several times what is usual: a verdict of 700 tokens with 20 log-probabilities each has 1.2 MB."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine that no other machine answers to."""

_OURS: Final = frozenset({"model", "messages", "stream", "n", "tools", "tool_choice"})
"""Keys of a request that `extra_body` may not set: the answer would be to another question."""

_V1: Final = frozenset({"openai", "ollama", "vllm"})
"""Providers whose servers answer under a path that ends in /v1."""


def on_this_machine(url: str) -> bool:
    """Whether the address is on loopback: no key need travel there, and no proxy stands between."""
    return urlsplit(url).hostname in LOOPBACK


class Endpoint(BaseModel):
    """One model behind the OpenAI-compatible protocol or a LangChain package; the key itself is never stored here."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=describe_fields)

    provider: str
    """A name of `rlhf.state.providers`."""
    model: str
    """The name the server knows the model by; for hf: the folder."""
    base_url: str | None = None
    """Address without /chat/completions; a query (Azure's ?api-version=) is kept behind whatever is asked there."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; None for servers that want none."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """How freely tokens are drawn; 0: always the likeliest."""
    max_tokens: int = Field(default=512, ge=1, le=32_768)
    """Longest answer, in tokens of the model."""
    concurrency: int = Field(default=8, ge=1, le=512)
    """Requests under way at once, over all workers."""
    timeout: float = Field(default=120.0, gt=0.0)
    """Seconds one request may take, from the connection to the last byte of its answer."""
    max_answer_bytes: int = Field(default=MAX_ANSWER_BYTES, ge=1024)
    """Bytes an answer may have once it is unpacked; one that goes on beyond them fails and is not read on."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Keys added to every request as they are: chat_template_kwargs, reasoning_effort, a router's preferences."""

    @field_validator("extra_body")
    @classmethod
    def _asks_the_same_question(cls, value: dict[str, Any]) -> dict[str, Any]:
        return checked_extra_body(value)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def facts(self) -> Provider:
        """What is known of the provider."""
        return provider_of(self.provider) or PROVIDERS["openai"]

    @property
    def identity(self) -> str:
        """Which model this is, wherever its key and its limits come from: provider, name, address, extra_body.

        The same model name at another address is another model. A query and a user's name in the address are no part
        of it: they may be secret, and Azure's says only which version of the protocol is spoken.
        """
        if self.provider == "local":
            return "local"
        where = f" at {place}" if (place := _place(self.base_url)) else ""
        extra = f" with {content_key(self.extra_body)[:8]}" if self.extra_body else ""
        return f"{self.provider}/{self.model}{where}{extra}"

    @property
    def shown(self) -> str:
        """The endpoint as errors name it: no user, password or query, which may be secret."""
        where = f" at {place}" if (place := _place(self.base_url)) else ""
        return f"{self.provider}/{self.model}{where}"

    def url(self, path: str) -> str:
        """The address of `path` (/chat/completions, /models) at this endpoint, its query behind it."""
        parts = urlsplit(self.base_url or "")
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))

    def key(self) -> str | None:
        """The key from the environment, or None if none is wanted.

        Raises SettingsError naming the variable when it is wanted but unset, or holds what no key does.
        """
        if self.api_key_env is None:
            return None
        value = os.environ.get(self.api_key_env, "").strip()
        if not value:
            raise SettingsError(f"{self.provider}/{self.model} needs a key: set {self.api_key_env}.")
        if fault := _fault_of_key(value):
            raise SettingsError(f"{self.api_key_env} holds no key: {fault}")
        return value

    def check(self, where: str) -> None:
        """Raise SettingsError for an address at which nothing can be asked; `where` names the section."""
        if self.facts.way == "own" or (self.facts.way == "langchain" and self.base_url is None):
            return
        if fault := self._fault_of_address():
            raise SettingsError(f"{where}.base_url: {fault}")

    def _fault_of_address(self) -> str:
        text = self.base_url
        if not text:
            example = (
                "https://RESOURCE.openai.azure.com/openai/v1"
                if self.provider == "azure"
                else "http://HOST:PORT/v1"
            )
            return f"{self.provider}/{self.model} needs an address, such as {example}."
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018  # raises where it is no number
        except ValueError as error:
            return f"{text!r} is no address ({error})."
        if strange := next((c for c in text if not c.isprintable() or c.isspace() or c in "“”‘’\"'`<>"), ""):
            return f"{text!r} holds {strange!r} (U+{ord(strange):04X}), which no address does."
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return f"{text!r} is no address: write http:// or https:// and a host."
        return self._fault_of_path(parts)

    def _fault_of_path(self, parts: SplitResult) -> str:
        path = parts.path.rstrip("/")
        for ending in ("/chat/completions", "/completions", "/responses", "/models", "/embeddings"):
            if path.endswith(ending):
                better = urlunsplit(parts._replace(path=path.removesuffix(ending)))
                return f"it must not end in {ending}, which is added to it: write {better}"
        if parts.path:
            return ""
        # A host alone: a slash behind it says that its root is really meant.
        if self.provider in _V1:
            better = urlunsplit(parts._replace(path="/v1"))
            return f"it has no path; servers of this kind answer at {better} (or write a / if yours is at its root)."
        if self.provider == "azure":
            better = urlunsplit(parts._replace(path="/openai/v1"))
            return f"it has no path; Azure answers at {better}"
        return ""


def checked_extra_body(value: dict[str, Any]) -> dict[str, Any]:
    """`value`, if it is JSON and leaves the question alone; ValueError otherwise."""
    if ours := sorted(_OURS & value.keys()):
        raise ValueError(f"extra_body must not set {', '.join(ours)}")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"extra_body must be what JSON can hold ({error})") from error
    return value


def _place(base_url: str | None) -> str:
    """An address without what may be secret: small letters, no user, no query, no usual port, no slash at its end."""
    if not base_url:
        return ""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        return base_url.partition("?")[0].rpartition("@")[2]
    usual = {"http": 80, "https": 443}.get(parts.scheme.lower())
    shown = f":{port}" if port and port != usual else ""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme.lower()}://{host}{shown}{parts.path.rstrip('/')}"


_WAY_OUT: Final = "set it again, with nothing around it."


def _fault_of_key(value: str) -> str:
    """Why `value` can be no key, without telling it; empty if it can."""
    for place, char in enumerate(value, 1):
        if not 33 <= ord(char) <= 126:
            named = "a space or line end" if char.isspace() else f"the character U+{ord(char):04X}"
            quotes = " (a typographic quote)" if char in "“”‘’„«»" else ""
            return f"at place {place} stands {named}{quotes}; {_WAY_OUT}"
    if value[0] in "\"'" or value[-1] in "\"'":
        return f"it begins or ends with a quote; {_WAY_OUT}"
    if value.lower().startswith("bearer"):
        return f"it begins with the word Bearer, which is added to it; {_WAY_OUT}"
    return ""


def parse_model(text: str, where: str) -> tuple[str, str]:
    """Split "local", "hf:PATH" or "PROVIDER/NAME" into provider and model name; SettingsError otherwise."""
    if text == "local":
        return "local", "SmolLM2-135M-Instruct"
    if text == FUNCTION:
        return "function", FUNCTION
    if text.startswith("hf:") and len(text) > 3:
        return "hf", text[3:]
    provider, slash, name = text.partition("/")
    known = provider_of(provider)
    if slash and name and known is not None and known.way != "own":
        return provider, name
    named = [name for name, each in PROVIDERS.items() if each.way != "own"]
    raise SettingsError(
        f"{where}: model {text!r} is not known; use local, hf:PATH or PROVIDER/NAME, with one of {', '.join(named)} "
        "or another name that LangChain's init_chat_model knows."
    )


def default_base_url(provider: str) -> str | None:
    """The address a provider has when the recipe names none (None: started or loaded by ourselves)."""
    known = provider_of(provider)
    return known.base_url if known else None


def default_key_env(provider: str) -> str | None:
    """The variable a provider's key is read from when the recipe names none."""
    known = provider_of(provider)
    return known.key_env if known else None
