"""The recipe: every setting of a run, read from TOML and refused before anything runs if it is wrong."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.endpoints import (
    FUNCTION,
    MAX_ANSWER_BYTES,
    Endpoint,
    checked_extra_body,
    default_base_url,
    default_key_env,
    parse_model,
)
from rlhf.state.errors import SettingsError, first_mistake, shown_key
from rlhf.state.field_docs import describe_fields

GateMode = Literal["ask", "auto"]
ReviewMode = Literal["uncertain", "all", "off"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra=describe_fields)


class _ModelSection(_Section):
    """Keys shared by the two sections that describe an endpoint."""

    model: str
    """Which model: `local` (the embedded one) or `PROVIDER/NAME`, such as `openai/NAME` or `anthropic/NAME`; for
    the policy also `hf:PATH`, a folder with weights."""
    base_url: str | None = None
    """Address of the server up to and including /v1; left out, the provider's own."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key, never the key; left out, the provider's own
    (OPENAI_API_KEY for `openai`, none for `ollama` and `vllm`)."""
    concurrency: int = Field(default=8, ge=1, le=512)
    """Requests under way at once."""
    timeout: float = Field(default=120.0, gt=0.0, le=3600.0)
    """Seconds one request may take, from the connection to the last byte of its answer."""
    max_answer_bytes: int = Field(default=MAX_ANSWER_BYTES, ge=1024, le=2**30)
    """Bytes an answer may have once it is unpacked; one that goes on beyond them fails and is not read on."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Keys added to every request as they are, such as { reasoning_effort = "low" } or chat_template_kwargs."""

    @field_validator("extra_body")
    @classmethod
    def _extra_body_asks_the_same(cls, value: dict[str, Any]) -> dict[str, Any]:
        return checked_extra_body(value)

    def _endpoint(self, where: str, temperature: float, max_tokens: int) -> Endpoint:
        provider, name = parse_model(self.model, where)
        return Endpoint(
            provider=provider,
            model=name,
            base_url=self.base_url or default_base_url(provider),
            api_key_env=self.api_key_env or default_key_env(provider),
            temperature=temperature,
            max_tokens=max_tokens,
            concurrency=self.concurrency,
            timeout=self.timeout,
            max_answer_bytes=self.max_answer_bytes,
            extra_body=self.extra_body,
        )


class PolicySettings(_ModelSection):
    """The model whose responses are judged and improved."""

    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    """Sampling temperature. Above 0, or the responses to one prompt are alike and make no pair."""
    max_tokens: int = Field(default=512, ge=1, le=32_768)
    """Longest response, in tokens."""
    max_response_chars: int = Field(default=200_000, ge=1, le=10_000_000)
    """Characters a response may have to be kept, wherever it comes from; a longer one is a failed response."""
    adapter: str | None = None
    """NAME[@VERSION] of a deployed adapter or the folder of any PEFT adapter to start from."""

    @model_validator(mode="after")
    def _adapter_needs_weights(self) -> Self:
        if self.adapter is not None and not self.is_local:
            raise ValueError("adapter needs a policy whose weights are here: model = 'local' or 'hf:PATH'")
        parse_model(self.model, "policy.model")
        return self

    @property
    def is_local(self) -> bool:
        """Whether responses come from weights on this machine (batched transformers)."""
        return self.model == "local" or self.model.startswith("hf:")

    def endpoint(self) -> Endpoint:
        """The policy as an endpoint."""
        return self._endpoint("policy.model", self.temperature, self.max_tokens)


class JudgeSettings(_ModelSection):
    """The model that judges, and how much deterministic evidence weighs beside it."""

    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature; 0 takes the likeliest token. With `samples` above 1 it should be above 0."""
    max_tokens: int = Field(default=700, ge=1, le=32_768)
    """Longest verdict, in tokens; in the combined mode all five have to fit."""
    evidence_weight: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of a dimension's score that its graded checks carry; 0: checks only inform and cap."""
    mode: Literal["separate", "combined"] = "separate"
    """separate: a call per dimension; combined: all five in one call, for 40 % of the input tokens. Whether one
    dimension then colours the others (the halo) is measured by benchmarks/halo.py."""
    style: Literal["full", "compact"] = "full"
    """full: a structured verdict with reasons; compact: the level alone, for tiny models."""
    reasoning: bool = True
    """Ask for the rationale before the level (helps large judges, hurts small ones)."""
    calibration: bool = True
    """Use the maps that `rlhf calibrate` has stored for this judge and rubric."""
    canaries: int = Field(default=12, ge=0, le=1000)
    """Attacks a judge must have been held against before a run may deploy; 0: none, and the report says so."""
    samples: int = Field(default=1, ge=1, le=16)
    """Judgements per dimension to average where the endpoint gives no log-probabilities."""
    workers: int = Field(default=0, ge=0, le=64)
    """Worker processes for the crews; 0: one per core, four at most."""
    identity: str | None = Field(default=None, min_length=1, max_length=200)
    """What the judge is called in the keys of its verdicts; None: provider, model, address and extra_body. One name for
    two addresses says that the same model answers at both."""

    @model_validator(mode="after")
    def _no_folder(self) -> Self:
        if self.model.startswith("hf:") or self.model == FUNCTION:
            raise ValueError("a judge is an endpoint: use local, openai/NAME, ollama/NAME or vllm/NAME")
        parse_model(self.model, "judge.model")
        return self

    @model_validator(mode="after")
    def _a_combined_verdict_is_full(self) -> Self:
        if self.mode == "combined" and self.style == "compact":
            raise ValueError("mode = 'combined' needs style = 'full': a compact answer holds a single level")
        return self

    def endpoint(self) -> Endpoint:
        """The judge as an endpoint."""
        return self._endpoint("judge.model", self.temperature, self.max_tokens)

    @property
    def known_as(self) -> str:
        """The identity of the judge: a verdict is only ever found again by the judge that gave it."""
        return self.identity or self.endpoint().identity


class PipelineSettings(_Section):
    """How many responses, how often, and where results go."""

    num_synthetic_examples: int = Field(default=1000, ge=1)
    """Upper bound on training responses per round (prompts × variations); further prompts are left out."""
    num_variations_per_prompt: int = Field(default=5, ge=1, le=64)
    """Responses to each training prompt; two at least make a pair possible."""
    num_held_out_variations: int = Field(default=2, ge=1, le=64)
    """Responses per held-out prompt and model when the adapter is evaluated."""
    held_out_fraction: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of the prompts that is set aside for the evaluation and never trained on; above 0, one prompt at least."""
    num_held_out: int = Field(default=200, ge=0)
    """Most prompts that are held out, whatever the share says; 0: no bound."""
    rounds: int = Field(default=1, ge=1, le=20)
    """Rounds of generating, judging and training; each goes on from the adapter of the one before."""
    max_prompts: int = Field(default=100_000, ge=1)
    """Prompts a run may have; more are refused."""
    max_prompt_chars: int = Field(default=100_000, ge=1, le=10_000_000)
    """Characters a prompt may have; one that is longer is refused."""
    seed: int = Field(default=7, ge=0)
    """Seed of everything drawn: held-out prompts, the audit sample, sampling and training."""
    output_dir: str = "models/adapters"
    """Folder that adapters are deployed to, as NAME/VERSION/."""
    dataset_dir: str = "data/rlhf"
    """Folder that preference datasets are written to: a JSONL file and its manifest each."""


class AcceptanceSettings(_Section):
    """When a response is acceptable, chosen or rejected."""

    min_score_acceptable: float = Field(default=70.0, ge=0.0, le=100.0)
    """Lowest overall score of an acceptable response, points of 100."""
    min_rating_chosen: int = Field(default=4, ge=1, le=5)
    """Lowest rating (1–5) at which an acceptable response counts as chosen."""
    max_rating_rejected: int = Field(default=2, ge=1, le=5)
    """Highest rating (1–5) of a rejected response; below min_rating_chosen."""
    weights: dict[str, float] | None = None
    """Weight per dimension, all five, summing to 1; left out, the rubric pack's own."""

    @field_validator("weights")
    @classmethod
    def _weights_are_complete(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        if weights is None:
            return None
        unknown = sorted(set(weights) - set(DIMENSIONS))
        missing = [name for name in DIMENSIONS if name not in weights]
        if unknown or missing:
            raise ValueError(
                f"weights must name exactly {', '.join(DIMENSIONS)}"
                + (f"; unknown: {', '.join(map(shown_key, unknown))}" if unknown else "")
                + (f"; missing: {', '.join(missing)}" if missing else "")
            )
        if any(weight < 0 for weight in weights.values()):
            raise ValueError("weights must not be negative")
        if not abs(sum(weights.values()) - 1.0) <= 1e-6:  # nan is not 1 either
            raise ValueError(f"weights sum to {sum(weights.values()):.4g}, not 1")
        return weights

    @model_validator(mode="after")
    def _ratings_do_not_overlap(self) -> Self:
        if self.max_rating_rejected >= self.min_rating_chosen:
            raise ValueError("max_rating_rejected must be below min_rating_chosen")
        return self


class ReviewSettings(_Section):
    """Which responses a person sees."""

    mode: ReviewMode = "uncertain"
    """uncertain: the audit sample and the responses the judges are unsure of; all: every response; off: none."""
    audit_fraction: float = Field(default=0.1, ge=0.0, le=1.0)
    """Random share of responses shown to a person whatever their score."""
    score_band: float = Field(default=5.0, ge=0.0, le=50.0)
    """Scores this close to min_score_acceptable are uncertain (points of 100)."""
    min_confidence: float = Field(default=0.5, ge=0.0, le=1.0)
    """Responses the judges are less confident of than this go to a person; `rlhf calibrate` proves a value."""
    page: int = Field(default=20, ge=1, le=100)
    """Responses that a served run asks for at once; 1 for Agent Inbox, which shows the first alone."""
    texts_in_interrupts: bool = True
    """Whether clients of a served run get an excerpt of prompt and response with the question, or their keys alone."""


class DatasetSettings(_Section):
    """Which two responses to a prompt become a pair."""

    selection: Literal["threshold", "margin"] = "threshold"
    """threshold: the chosen is rated min_rating_chosen or better, the rejected max_rating_rejected or
    worse; margin: best against worst, min_margin points apart."""
    min_margin: float = Field(default=20.0, ge=0.0, le=100.0)
    """Fewest points (of 100) between chosen and rejected; read by the margin selection alone."""
    pairs_per_prompt: int = Field(default=1, ge=1, le=16)
    """Most pairs a prompt may give; no response is in two of them."""
    max_length: int = Field(default=2048, ge=16)
    """Tokens of prompt and response together; longer rows are dropped and counted."""


class TrainingSettings(_Section):
    """How the adapter learns."""

    base_model: str = "local"
    """What learns: `local` (the embedded model), or `PATH` or `hf:PATH`, a folder with a model's weights."""
    method: Literal["dpo", "sft"] = "dpo"
    """dpo: prefer the chosen to the rejected; sft: imitate the chosen."""
    epochs: float = Field(default=1.0, gt=0.0, le=100.0)
    """Passes over the dataset."""
    learning_rate: float = Field(default=1e-4, gt=0.0, le=1.0)
    """Peak learning rate of the adapter's weights."""
    beta: float = Field(default=0.1, gt=0.0, le=10.0)
    """How strongly DPO holds on to the reference: the higher, the less the model moves. Not read by sft."""
    rank: int = Field(default=16, ge=1, le=512)
    """Rank of a new adapter's LoRA matrices; one that goes on from another keeps that one's."""
    batch_size: int = Field(default=4, ge=1, le=4096)
    """Pairs per optimizer step, over all devices."""
    launcher: Literal["python", "accelerate"] = "python"
    """python: one process; accelerate: as `accelerate config` says, for several devices."""


class GateSettings(_Section):
    """Whether a person approves training and deployment."""

    training: GateMode = "ask"
    """ask: a person approves the dataset before it is trained on; auto: nobody is asked."""
    deployment: GateMode = "ask"
    """ask: a person approves the adapter as champion; auto: champion on the verdict `ship`, else candidate."""


class StorageSettings(_Section):
    """Where runs live: SQLAlchemy address of the ledger, SQLite address of the checkpoints."""

    ledger_url: str = "sqlite:///.rlhf/ledger.sqlite"
    """SQLAlchemy address of the ledger: sqlite:///PATH or postgresql+psycopg://…"""
    checkpoint_url: str = "sqlite:///.rlhf/checkpoints.sqlite"
    """sqlite:///PATH of the graph's checkpoints."""

    @field_validator("checkpoint_url")
    @classmethod
    def _checkpoints_are_sqlite(cls, url: str) -> str:
        if not url.startswith("sqlite:///"):
            raise ValueError("checkpoint_url must be sqlite:///PATH")
        return url

    @property
    def checkpoint_path(self) -> Path:
        """The checkpoint database file."""
        return Path(self.checkpoint_url.removeprefix("sqlite:///"))


class ServerSettings(_Section):
    """Who may call the served app, and how much it takes. The operator's: no client changes it."""

    origins: list[str] = ["https://smith.langchain.com", "https://dev.agentinbox.ai"]
    """Pages whose scripts may call the server, as SCHEME://HOST[:PORT]; Studio's and Agent Inbox's as shipped."""
    hosts: list[str] = []
    """Names, beside those of this machine's loopback, under which the server is called."""
    open_routes: list[Literal["store", "mcp", "a2a", "ui", "crons", "webhooks", "websocket"]] = []
    """What else of LangGraph's server clients may use; each of them can start or change something unseen."""
    max_body_bytes: int = Field(32 * 2**20, ge=1024)
    """Bytes a request's body may have."""
    requests_per_minute: int = Field(default=1200, ge=0)
    """Requests the server takes in any minute, all clients together; 0: no limit."""

    @field_validator("origins")
    @classmethod
    def _origins_are_exact(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^\s/*?#@]+", origin):
                raise ValueError(
                    f"{origin!r} is no origin: write SCHEME://HOST[:PORT], without a path or a wildcard"
                )
        return origins


_PATHS = (
    ("storage", "ledger_url", "sqlite:///"),
    ("storage", "checkpoint_url", "sqlite:///"),
    ("pipeline", "output_dir", ""),
    ("pipeline", "dataset_dir", ""),
    ("policy", "model", "hf:"),
    ("policy", "adapter", ""),
    ("training", "base_model", ""),
)
"""Section, key and prefix of every setting that may be a path."""
_ALWAYS = frozenset({"ledger_url", "checkpoint_url", "output_dir", "dataset_dir"})


class Settings(_Section):
    """A whole recipe."""

    task_type: str = Field(default="general", pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """Rubric pack for prompts that name none of their own."""
    policy: PolicySettings
    """The model whose responses are judged and improved."""
    judge: JudgeSettings
    """The model that judges."""
    pipeline: PipelineSettings = PipelineSettings()
    """How many responses, how often, and where results go."""
    acceptance: AcceptanceSettings = AcceptanceSettings()
    """When a response is acceptable, chosen or rejected."""
    review: ReviewSettings = ReviewSettings()
    """Which responses a person sees."""
    dataset: DatasetSettings = DatasetSettings()
    """Which two responses to a prompt become a pair."""
    training: TrainingSettings = TrainingSettings()
    """How the adapter learns."""
    gates: GateSettings = GateSettings()
    """Whether a person approves training and deployment."""
    storage: StorageSettings = StorageSettings()
    """Where runs live."""
    server: ServerSettings = ServerSettings()
    """Who may call the served app."""

    def beginning_in(self, folder: Path) -> "Settings":
        """A copy whose relative paths begin in `folder` instead of the current one."""
        changes: dict[str, dict[str, str]] = {}
        for section, key, prefix in _PATHS:
            value = getattr(getattr(self, section), key)
            if not isinstance(value, str) or not value.startswith(prefix):
                continue
            path = Path(value.removeprefix(prefix)).expanduser()
            # A model or adapter may also be a name; only what is there is a path.
            if not path.is_absolute() and (key in _ALWAYS or (folder / path).exists()):
                changes.setdefault(section, {})[key] = f"{prefix}{folder / path}"
        return self.replace(changes, "RLHF_FOLDER")

    @property
    def self_judged(self) -> bool:
        """Whether the judge is also the model that answers, or the one that learns."""
        judge = self.judge.endpoint()
        learns = judge.provider == "local" and self.training.base_model == "local"
        return learns or judge.identity == self.policy.endpoint().identity

    def replace(self, changes: Mapping[str, Any], where: str) -> "Settings":
        """A copy with `changes` ({section: {key: value}} or {key: value}) applied and checked anew.

        Raises SettingsError naming `where` and the key.
        """
        merged = self.model_dump()
        for key, value in changes.items():
            if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
                merged[key] = {**merged[key], **value}
            else:
                merged[key] = value
        return validated(merged, where)


def validated(table: Mapping[str, Any], where: str) -> Settings:
    """The settings of a recipe's table; SettingsError naming `where` and the key that is wrong."""
    try:
        return Settings.model_validate(table)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"{where}: {first_mistake(error, 'the recipe')}.") from error
