"""Preference datasets from Python: building one from prompts, keeping it under a name, listing what there is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhf.client import waited
from rlhf.feedback import SyntheticFeedbackGenerator
from rlhf.nodes.concurrency import in_thread
from rlhf.pipeline import InferenceFunction, Prompts, rows_of, source_of, with_function
from rlhf.progress import live_progress
from rlhf.runs.drive import advance, register
from rlhf.state.choices import ASK_NOBODY
from rlhf.state.errors import InputError
from rlhf.state.recipe import choose_recipe
from rlhf.state.records import Record
from rlhf.training import dataset as files
from rlhf.training.dataset import Row, read_dataset
from rlhf.training.registry import list_adapters

_WORKING_NAME = "dataset"
"""Name of a dataset that nobody has given one yet."""


@dataclass(frozen=True)
class PreferenceDataset:
    """Chosen and rejected responses, best pairs of each prompt, and the manifest that says where they come from."""

    rows: Sequence[Row]
    manifest: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, position: int) -> Row:
        return self.rows[position]

    def to_list(self) -> list[dict[str, Any]]:
        """The rows in TRL's conversational preference format: `datasets.Dataset.from_list` takes them."""
        return [row.as_record() for row in self.rows]


class DPODatasetBuilder:
    """Pairs from prompts: several responses to each, judged by the generator's judges, best against worst.

    It works as a run of its own in the generator's ledger, so that what was generated and judged before an
    interruption is kept: `build_dataset(resume=RUN_ID)` goes on.
    """

    def __init__(self, generator: SyntheticFeedbackGenerator) -> None:
        self._generator = generator

    def build_dataset(
        self,
        prompts: Prompts | None = None,
        output_generator: InferenceFunction | None = None,
        num_variations: int = 5,
        *,
        concurrency: int = 1,
        resume: str | None = None,
        progress: bool = True,
    ) -> PreferenceDataset:
        """Generate `num_variations` responses per prompt (1–64), judge them, select pairs.

        `output_generator` makes one response per call (sync or async, at most `concurrency` calls at once; the
        recipe's policy if left out); what it fails on is left out. The recipe's [dataset] and [acceptance]
        decide what makes a pair. Raises InputError and SettingsError before anything runs, DatasetError when no
        pair survives, naming what took how many and what to change.
        """
        work = self.abuild_dataset(
            prompts,
            output_generator,
            num_variations,
            concurrency=concurrency,
            resume=resume,
            progress=progress,
        )
        return waited(work)

    async def abuild_dataset(
        self,
        prompts: Prompts | None = None,
        output_generator: InferenceFunction | None = None,
        num_variations: int = 5,
        *,
        concurrency: int = 1,
        resume: str | None = None,
        progress: bool = True,
    ) -> PreferenceDataset:
        """`build_dataset` for asynchronous code."""
        services = self._generator.services
        if resume is None:
            resume = await in_thread(
                self._registered, prompts, num_variations, output_generator is not None, concurrency
            )
        elif prompts is not None:
            raise InputError("resume goes on with a run's own prompts: leave prompts out.")
        if output_generator is not None:
            services.functions[resume] = output_generator
        with live_progress(shown=progress) as follow:
            outcome = await advance(services, resume, follow, before=["approve_training"])
        report = await in_thread(lambda: outcome.report)
        path = report.stages.dataset.path
        if path is None:
            raise InputError(f"Run {resume} waits for review: answer it with `rlhf review {resume}` first.")
        note = "The dataset is built; going on trains an adapter."
        await in_thread(lambda: services.ledger.set_run(resume, status="finished", note=note))
        return PreferenceDataset(*await in_thread(read_dataset, Path(path)))

    def _registered(self, prompts: Prompts | None, variations: int, function: bool, concurrency: int) -> str:
        services, settings = self._generator.services, self._generator.settings
        rows = rows_of(prompts, settings)
        changes: dict[str, Any] = {
            **ASK_NOBODY,
            "pipeline": {
                "num_variations_per_prompt": variations,
                "num_synthetic_examples": max(1, len(rows) * variations),
                "held_out_fraction": 0.0,
                # Beside the run until somebody names and keeps it (save_dataset).
                "dataset_dir": str(services.home / "datasets"),
            },
        }
        settings = settings.replace(changes, "build_dataset")
        if function:
            settings = with_function(settings, concurrency)
        return register(services, _WORKING_NAME, rows, source_of(prompts), settings=settings)


def save_dataset(dataset: PreferenceDataset, name: str, folder: Path | str | None = None) -> Path:
    """Write NAME_dpo_YYYYmmdd_HHMMSS.jsonl with its manifest; returns the path.

    `folder` is the recipe's dataset_dir if left out. No file is ever overwritten. Raises InputError for an
    unusable name, DatasetError when the folder cannot be written.
    """
    place = Path(folder if folder is not None else choose_recipe().settings.pipeline.dataset_dir)
    return files.write_dataset(place, name, dataset.rows, {**dataset.manifest, "adapter_name": name})


class DatasetInfo(Record):
    """One dataset on disk: what is in it, how it was selected, what it was trained into."""

    name: str
    """Adapter name that it was built for."""
    path: Path
    """The JSONL file."""
    num_examples: int
    """Pairs in it."""
    created_at: str
    """UTC, ISO 8601."""
    run_id: str
    """Run that built it."""
    round: int
    """Round that built it."""
    selection: dict[str, Any]
    """The recipe's [dataset] section the pairs were selected by."""
    acceptance: dict[str, Any]
    """The recipe's [acceptance] section."""
    dropped: dict[str, int]
    """What took how many prompts or pairs."""
    trained_into: list[str]
    """Deployed adapters, NAME VERSION, and their aliases."""


def list_datasets(
    folder: Path | str | None = None, output_dir: Path | str | None = None
) -> list[DatasetInfo]:
    """The datasets in a folder, oldest first, with the adapters in `output_dir` that were trained on them.

    Both are the recipe's if left out. Raises InputError when a manifest cannot be read.
    """
    pipeline = choose_recipe().settings.pipeline
    trained: dict[str, list[str]] = {}
    for version in list_adapters(Path(output_dir if output_dir is not None else pipeline.output_dir)):
        aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
        used = str(version.manifest["dataset"]["sha256"])
        trained.setdefault(used, []).append(f"{version.name} {version.version}{aliases}")
    return [
        DatasetInfo(
            name=str(manifest["adapter_name"]),
            path=path,
            num_examples=manifest["num_examples"],
            created_at=str(manifest.get("created_at", "")),
            run_id=manifest["run_id"],
            round=manifest["round"],
            selection=manifest["selection"],
            acceptance=manifest["acceptance"],
            dropped=manifest["dropped"],
            trained_into=trained.get(str(manifest["sha256"]), []),
        )
        for path, manifest in files.list_datasets(
            Path(folder if folder is not None else pipeline.dataset_dir)
        )
    ]
