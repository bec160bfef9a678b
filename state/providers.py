"""The providers a model can be named with, as data: address, key variable, and what each is known not to take.

A new provider that speaks the OpenAI-compatible protocol is one more entry here; what its servers refuse beyond
that is found out by negotiation (`rlhf.nodes.endpoints.dialect`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Way = Literal["own", "openai", "langchain"]
"""own: weights or functions of ours; openai: the OpenAI-compatible protocol; langchain: a package of LangChain's."""


@dataclass(frozen=True)
class Provider:
    """What is known of a provider before it is asked anything."""

    way: Way
    """How it is asked, see `Way`."""
    base_url: str | None = None
    """Where it is if the recipe names no address; None: the recipe must, or nobody needs one."""
    key_env: str | None = None
    """The variable its key is read from if the recipe names none."""
    key_header: str = "Authorization"
    """The header the key goes into; "Bearer" stands before it in Authorization alone."""
    dialect: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a `Dialect` to begin with at its own address; only what saves a refusal that is sure to come."""
    langchain: str = ""
    """The name `init_chat_model` has for it."""
    extra: str = ""
    """The extra of this package that installs what it needs."""
    package: str = ""
    """The module that must be importable."""
    key_argument: str = "api_key"
    """How its LangChain class calls the key; empty where it finds credentials by itself."""
    address_argument: str = "base_url"
    """How its LangChain class calls the address."""
    dropped: tuple[str, ...] = ()
    """Arguments its LangChain class does not take: timeout, max_retries."""


_FOREIGN: Final[Mapping[str, Any]] = {"structure": "tool", "logprobs": 0, "without": ["seed"]}
"""What is asked through LangChain: no log-probabilities, no seed."""

PROVIDERS: Final[Mapping[str, Provider]] = {
    "local": Provider("own"),
    "hf": Provider("own"),
    "function": Provider("own"),
    "openai": Provider(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        dialect={"tokens_key": "max_completion_tokens"},
    ),
    "ollama": Provider("openai", "http://127.0.0.1:11434/v1"),
    "vllm": Provider("openai", "http://127.0.0.1:8000/v1"),
    # https://RESOURCE.openai.azure.com/openai/v1, or …/openai/deployments/NAME?api-version=…
    "azure": Provider("openai", None, "AZURE_OPENAI_API_KEY", key_header="api-key"),
    "openrouter": Provider("openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "mistral": Provider(
        "openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", dialect={"logprobs": 0, "without": ["seed"]}
    ),
    "groq": Provider("openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY", dialect={"logprobs": 0}),
    "deepseek": Provider(
        "openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", dialect={"structure": "tool"}
    ),
    "gemini": Provider(
        "openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        dialect={"logprobs": 0, "without": ["seed"]},
    ),
    "together": Provider(
        "openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", dialect={"logprobs": 5}
    ),
    "anthropic": Provider(
        "langchain",
        None,
        "ANTHROPIC_API_KEY",
        langchain="anthropic",
        extra="anthropic",
        package="langchain_anthropic",
        dialect=_FOREIGN,
    ),
    "bedrock": Provider(
        "langchain",
        langchain="bedrock_converse",
        extra="bedrock",
        package="langchain_aws",
        key_argument="",
        address_argument="endpoint_url",
        dialect=_FOREIGN,
        dropped=("timeout", "max_retries"),
    ),
    "google": Provider(
        "langchain",
        None,
        "GOOGLE_API_KEY",
        langchain="google_genai",
        extra="google",
        package="langchain_google_genai",
        dialect=_FOREIGN,
    ),
}

LANGCHAIN: Final[Mapping[str, str]] = {
    "anthropic_bedrock": "langchain_aws",
    "azure_ai": "langchain_azure_ai",
    "azure_openai": "langchain_openai",
    "baseten": "langchain_baseten",
    "bedrock_mantle_anthropic": "langchain_aws",
    "bedrock_mantle_openai": "langchain_aws",
    "cohere": "langchain_cohere",
    "fireworks": "langchain_fireworks",
    "google_anthropic_vertex": "langchain_google_vertexai",
    "google_vertexai": "langchain_google_vertexai",
    "huggingface": "langchain_huggingface",
    "ibm": "langchain_ibm",
    "litellm": "langchain_litellm",
    "meta": "langchain_meta",
    "mistralai": "langchain_mistralai",
    "nvidia": "langchain_nvidia_ai_endpoints",
    "perplexity": "langchain_perplexity",
    "upstage": "langchain_upstage",
    "xai": "langchain_xai",
}
"""Further names that `init_chat_model` knows, and the module each needs. They find their credentials themselves."""


def provider_of(name: str) -> Provider | None:
    """What is known of a provider; None if there is none of that name."""
    if name in LANGCHAIN:
        return Provider("langchain", langchain=name, package=LANGCHAIN[name], dialect=_FOREIGN)
    return PROVIDERS.get(name)
