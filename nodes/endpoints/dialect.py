"""The dialect of a server: which optional parts of the OpenAI-compatible protocol it takes, as its refusals tell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from rlhf.nodes.endpoints.complaint import Complaint
from rlhf.nodes.endpoints.problem import TOOL_NAME
from rlhf.state.endpoints import Endpoint

Structure = Literal["schema", "tool", "json", "plain"]

_PLAINER: Final[Mapping[Structure, Structure]] = {"schema": "tool", "tool": "plain", "json": "plain"}

_NOT_TAKEN: Final = (
    r"not (?:currently |yet )?(?:supported|allowed|permitted|available|implemented|recognized|recognised|enabled|"
    r"accepted|valid)|un(?:supported|recogni[sz]ed|known|expected)|do(?:es)? not (?:support|allow|accept)|"
    r"doesn'?t (?:support|allow|accept)|cannot|can ?not|can't|forbidden|extra (?:inputs|fields)|disabled|"
    r"unavailable|no endpoints found|invalid (?:parameter|argument|field)|cannot find field|requires"
)
"""How servers say that they do not take something."""

_PARAMETERS: Final = (
    r"log_?probs?|temperature|seed|response_?format|json_?schema|json_object|structured|guided|tool|function|grammar|"
    r"max_(?:completion_)?tokens|additionalproperties|system (?:role|message|prompt)|parameter|argument|field|"
    r"(?:extra|unknown) (?:input|name)|strict"
)
"""What a complaint about the form of a request mentions."""

_KEYWORDS: Final = ("additionalProperties", "strict", "title", "minimum", "maximum", "$schema", "description")
"""Words of a JSON schema that some servers do not know; the answer is checked here whatever they enforce."""


@dataclass(frozen=True)
class Dialect:
    """Which of the protocol's optional parts a request uses; learnt from complaints, kept per endpoint."""

    structure: Structure = "schema"
    """How the answer's form is asked for: response_format, a forced tool call, JSON mode, or in words alone."""
    logprobs: int = 20
    """Alternatives asked for at each token; 0: none and no log-probabilities."""
    tokens_key: Literal["max_tokens", "max_completion_tokens", ""] = "max_tokens"
    """What the longest answer is called; empty: the server takes neither name."""
    refused_tokens_keys: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    """Parameters left out: temperature, seed, tool_choice."""
    schema_without: frozenset[str] = frozenset()
    """Words left out of the JSON schema."""
    system: bool = True
    """Whether there may be a system message; without, it is the beginning of the user's."""

    def simpler(self, complaint: Complaint) -> "Dialect | None":
        """This dialect without what the complaint names; None where it names nothing that could be left out."""
        named = self._tokens(complaint)._logprobs(complaint)._parameters(complaint)._schema(complaint)
        if named == self:
            named = self._structure(complaint)
        return None if named == self else named

    def plainer(self) -> "Dialect | None":
        """One step plainer, for a server that does not say what it minds; None when there is nothing left."""
        if self.logprobs:
            return replace(self, logprobs=0)
        if self.structure != "plain":
            return replace(self, structure=_PLAINER[self.structure])
        return None

    def _tokens(self, told: Complaint) -> "Dialect":
        if not self.tokens_key or told.says(
            r"too large|too high|at most|maximum (?:value|context)|less than"
        ):
            return self
        other = "max_completion_tokens" if self.tokens_key == "max_tokens" else "max_tokens"
        refuses = told.says(rf"\b{self.tokens_key}\b") and told.says(_NOT_TAKEN)
        if not refuses and not told.says(rf"use '?`?{other}"):
            return self
        refused = self.refused_tokens_keys | {self.tokens_key}
        key: Any = other if other not in refused else ""
        return replace(self, tokens_key=key, refused_tokens_keys=refused)

    def _logprobs(self, told: Complaint) -> "Dialect":
        if not self.logprobs or not told.says(r"log_?probs?|alternatives"):
            return self
        # The name of a model may hold numbers too; a limit stands alone.
        numbers = [int(n) for n in re.findall(r"(?<![\w.\-/])\d{1,2}(?![\w\-/]|\.\d)", told.words)]
        if limits := [n for n in numbers if 0 < n < self.logprobs]:
            return replace(self, logprobs=max(limits))
        about_all = told.says(
            rf"(?<!top_)\blog_?probs?\b.{{0,200}}(?:{_NOT_TAKEN})",
            rf"(?:{_NOT_TAKEN}).{{0,200}}(?<!top_)\blog_?probs?\b",
        )
        return replace(self, logprobs=0 if about_all or self.logprobs <= 5 or 0 in numbers else 5)

    def _parameters(self, told: Complaint) -> "Dialect":
        left_out = {
            name for name in ("temperature", "seed") if name not in self.without and told.says(rf"\b{name}\b")
        }
        if (
            self.structure == "tool"
            and "tool_choice" not in self.without
            and told.says(r"tool_choice|tool choice")
        ):
            left_out.add("tool_choice")
        system = self.system and not told.says(
            r"system (?:role|message|prompt|instruction)s?.{0,40}(?:not|un)",
            r"(?:no|unsupported|unexpected) system",
            r"developer instruction is not enabled",
        )
        return replace(self, without=self.without | left_out, system=system)

    def _schema(self, told: Complaint) -> "Dialect":
        if self.structure == "plain":
            return self
        left_out = {
            word
            for word in _KEYWORDS
            if word not in self.schema_without
            and told.says(
                rf"['\"\[`.]{re.escape(word.lower())}\b",
                r"\badditional_?properties\b" if word == "additionalProperties" else r"(?!)",
            )
        }
        return replace(self, schema_without=self.schema_without | left_out)

    def _structure(self, told: Complaint) -> "Dialect":
        about = r"response_?format|schema|tool|function|grammar|guided|structured|json_object|json mode"
        if self.structure == "plain" or not told.says(about):
            return self
        if (
            self.structure == "schema"
            and told.says(r"json_object")
            and not told.says(rf"json_object.{{0,40}}(?:{_NOT_TAKEN})")
        ):
            return replace(self, structure="json")
        return replace(self, structure=_PLAINER[self.structure])


def is_about_the_form(complaint: Complaint) -> bool:
    """Whether a refusal, whatever its status, minds a part of the request that could be left out."""
    return complaint.says(_PARAMETERS) and complaint.says(
        _NOT_TAKEN, r"must be|should be|less than|greater than|at most"
    )


def first_dialect(endpoint: Endpoint) -> Dialect:
    """What an endpoint is asked in as long as nothing is known of it but its provider."""
    facts = endpoint.facts
    known = dict(facts.dialect) if endpoint.base_url == facts.base_url or facts.base_url is None else {}
    known |= {name: frozenset(value) for name, value in known.items() if isinstance(value, list)}
    return Dialect(**{field.name: known[field.name] for field in fields(Dialect) if field.name in known})


def body(
    endpoint: Endpoint,
    messages: Sequence[Mapping[str, str]],
    dialect: Dialect,
    *,
    schema: Mapping[str, Any] | None,
    max_tokens: int,
    temperature: float,
    seed: int,
    logprobs: bool = True,
) -> dict[str, Any]:
    """The JSON of a chat-completion request in `dialect`; `schema` constrains the answer if given.

    The endpoint's extra_body is laid over it: what a recipe says is what is sent.
    """
    told = [{"role": each["role"], "content": each["content"]} for each in messages]
    result: dict[str, Any] = {
        "model": endpoint.model,
        "messages": told if dialect.system else _without_system(told),
    }
    if dialect.tokens_key:
        result[dialect.tokens_key] = max_tokens
    optional = {"temperature": temperature, "seed": seed}
    result |= {name: value for name, value in optional.items() if name not in dialect.without}
    if logprobs and dialect.logprobs:
        result |= {"logprobs": True, "top_logprobs": dialect.logprobs}
    if schema is not None:
        result |= _form(schema, dialect)
    return result | endpoint.extra_body


def _form(schema: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The part of a request that asks for the form of the answer."""
    asked = _schema_without(schema, dialect.schema_without)
    if dialect.structure == "json":
        return {"response_format": {"type": "json_object"}}
    if dialect.structure == "schema":
        strict = {} if {"strict", "additionalProperties"} & dialect.schema_without else {"strict": True}
        return {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": TOOL_NAME, **strict, "schema": asked},
            }
        }
    if dialect.structure == "tool":
        function = {"name": TOOL_NAME, "description": "Records the verdict.", "parameters": asked}
        choice = {"tool_choice": {"type": "function", "function": {"name": TOOL_NAME}}}
        tools: dict[str, Any] = {"tools": [{"type": "function", "function": function}]}
        return tools if "tool_choice" in dialect.without else tools | choice
    return {}


def _schema_without(value: Any, words: frozenset[str]) -> Any:
    if not words:
        return value
    if isinstance(value, list):
        return [_schema_without(each, words) for each in value]
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for name, each in value.items():
        if name == "properties":  # the names below are ours, not the schema's words
            kept[name] = {key: _schema_without(inner, words) for key, inner in each.items()}
        elif name not in words:
            kept[name] = _schema_without(each, words)
    return kept


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """System messages as the beginning of the first message of the user."""
    system = "\n\n".join(each["content"] for each in messages if each["role"] == "system")
    others = [each for each in messages if each["role"] != "system"]
    if not system or not others:
        return others or messages
    first = {**others[0], "content": f"{system}\n\n{others[0]['content']}"}
    return [first, *others[1:]]
