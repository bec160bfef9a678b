"""Preference datasets in LangSmith: one example per pair, known by the keys of its texts."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlhf.nodes.tracing.redaction import redacted
from rlhf.state.conversation import asked_of
from rlhf.state.errors import EndpointError, InputError, SettingsError
from rlhf.state.records import Record
from rlhf.training.dataset import Row, read_dataset

if TYPE_CHECKING:
    from langsmith import Client
    from langsmith.schemas import Dataset

_PAIRS = uuid.UUID("6f0d7a52-3c0e-5d39-9a55-0b7f6f6f4d11")
"""Namespace of the examples' ids."""


class Pushed(Record):
    """What a push did."""

    name: str
    """Name of the LangSmith dataset."""
    added: int
    """Pairs that are new there."""
    known: int
    """Pairs that were in LangSmith before."""
    url: str | None
    """Where to look at it."""


def dataset_file(source: str, recipe: str | None = None) -> Path:
    """The dataset of a run (its newest round's), or the file itself. InputError if there is none."""
    if source.endswith(".jsonl") or Path(source).is_file():
        return Path(source)
    from rlhf.state.run_index import ledger_of_run
    from rlhf.state.run_report import DatasetStage

    with ledger_of_run(source, recipe) as ledger:
        run = ledger.run(source)
        for round in range(run.round or 1, 0, -1):
            stage = ledger.stage(source, round, "dataset", DatasetStage)
            if stage is not None and stage.path is not None:
                return Path(stage.path)
    raise InputError(f"Run {source} has no dataset yet; `rlhf show {source}` says where it stands.")


def push(path: Path, name: str | None = None) -> Pushed:
    """Push a dataset file; pairs that are there already are left alone, so it can be done again at any time.

    Inputs: `prompt`; outputs: `chosen` and `rejected`; metadata: scores (points of 100) and content keys. API keys
    in the texts are blotted out. Raises InputError for a file that is no dataset, SettingsError where LangSmith
    is not set up, EndpointError where it refuses or cannot be reached.
    """
    from rlhf.nodes.tracing.client import new_client, place

    rows, manifest = read_dataset(path)
    where = place()
    if not where.usable:
        raise SettingsError(
            "LangSmith is not set up: set LANGSMITH_API_KEY (and LANGSMITH_ENDPOINT if it is yours)."
        )
    from langsmith.utils import LangSmithError
    from requests import RequestException

    client = new_client(where, tracing=False)
    try:
        return _push(client, name or str(manifest["adapter_name"]), rows, manifest)
    except (LangSmithError, RequestException, TimeoutError) as error:
        raise EndpointError(
            f"LangSmith at {where.url} did not take the dataset: {_reason(error)}."
        ) from error
    finally:
        client.close(timeout=0)


def _push(client: "Client", name: str, rows: list[Row], manifest: dict[str, Any]) -> Pushed:
    dataset = _dataset(client, name, manifest)
    known = {str(example.id) for example in client.list_examples(dataset_id=dataset.id)}
    examples = {example["id"]: example for example in (_example(row, dataset.id) for row in rows)}
    new = [example for example in examples.values() if example["id"] not in known]
    if new:
        client.create_examples(dataset_id=dataset.id, examples=new)
    return Pushed(name=name, added=len(new), known=len(examples) - len(new), url=dataset.url)


def _dataset(client: "Client", name: str, manifest: dict[str, Any]) -> "Dataset":
    from langsmith.utils import LangSmithConflictError, LangSmithNotFoundError

    found: Dataset
    try:
        found = client.read_dataset(dataset_name=name)
    except LangSmithNotFoundError:
        about = ("run_id", "round", "adapter_name", "sha256", "rubric_versions")
        try:
            found = client.create_dataset(
                name,
                description="Preference pairs: a chosen and a rejected response to each prompt.",
                metadata={key: manifest.get(key) for key in about},
            )
        except LangSmithConflictError:
            found = client.read_dataset(dataset_name=name)
    return found


def _example(row: Row, dataset_id: uuid.UUID) -> dict[str, Any]:
    keys = {"prompt_key": row.prompt_key, "chosen_key": row.chosen_key, "rejected_key": row.rejected_key}
    example: dict[str, Any] = redacted(
        {
            "inputs": {"prompt": asked_of(row.prompt, row.turns)},
            "reference_outputs": {"chosen": row.chosen, "rejected": row.rejected},
            "metadata": {
                "chosen_score": row.chosen_score,
                "rejected_score": row.rejected_score,
                **keys,
            },
        }
    )
    return {**example, "id": str(uuid.uuid5(_PAIRS, "/".join((str(dataset_id), *keys.values()))))}


def _reason(error: Exception) -> str:
    from langsmith.utils import LangSmithAuthError, LangSmithConnectionError

    told = str(error)
    if isinstance(error, LangSmithAuthError) or "403" in told:
        return "it refuses the key; check LANGSMITH_API_KEY"
    if isinstance(error, LangSmithConnectionError | TimeoutError):
        return "it cannot be reached"
    return " ".join(str(redacted(told)).split())[:200].rstrip(".")
