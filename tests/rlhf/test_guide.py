"""The guide's code, run block after block as it stands there, against the scripted endpoint."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rlhf
from rlhf import SyntheticFeedbackGenerator, export_review
from tests.graph.workplace import ROOT
from tests.rlhf.conftest import PROMPTS, seeded
from tests.rlhf.guide import BLOCKS
from tests.scripted_endpoint import ScriptedEndpoint, plan


@pytest.fixture
def names(
    recipe: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, endpoint: ScriptedEndpoint
) -> Iterator[dict[str, Any]]:
    """What the guide's reader has at hand: prompts, a model, a context, feedback on two versions."""
    monkeypatch.setenv("RLHF_RECIPE", str(recipe))
    versions = [[{"prompt": text, "output": plan(text, seed)} for text in PROMPTS] for seed in (1, 2)]
    with SyntheticFeedbackGenerator("budgeting") as generator:
        first, second = (generator.generate_batch(version) for version in versions)
        export_review(first, "labels.csv")
        fill_in(Path("labels.csv"))
        yield {
            "prompt": PROMPTS[0],
            "model_output": plan(PROMPTS[0], 1),
            "context": {"brand": "Acme", "retailer": "Amazon"},
            "prompts": PROMPTS,
            "your_prompts": PROMPTS,
            "your_model": SimpleNamespace(generate=seeded({})),
            "feedback_batch": first,
            "feedback_v1": first,
            "feedback_v2": second,
        }


def fill_in(sheet: Path) -> None:
    """Rate every response of a review sheet with 5, as a person does in a spreadsheet."""
    import csv

    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([{**row, "rating": "5", "reviewer": "ana"} for row in rows])


def test_every_block_of_the_guide_runs_as_it_stands(names: dict[str, Any]) -> None:
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"guide, block {number}", "exec"), names)
    assert names["feedback"].overall_rating in range(1, 6)
    assert len(names["feedback_list"]) == 2
    assert names["stats"]["total_runs"] == 2
    assert names["results"]["adapter_name"] == "brand_acme_v4"
    assert names["results"]["stages"]["dataset"]["num_examples"] > 0
    assert names["results"]["status"] == "finished"
    assert names["waiting"]["status"] == "waiting"
    assert len(names["dataset"]) > 0
    assert names["path"].name.startswith("brand_acme_dpo_")
    assert 1 <= names["metrics"]["average_rating"] <= 5
    assert names["comparison"]["winner"] == "tie"
    assert isinstance(names["comparison"]["rating_delta"], float)
    assert {each.rating for each in names["merged"].feedback if each.label} <= {5}
    for name in ("generator", "rlhf", "pipeline", "monitor"):
        names[name].close()


def test_all_public_names_are_there_with_their_words() -> None:
    assert sorted(rlhf.__all__) == sorted(set(rlhf.__all__))
    assert set(rlhf.__all__) <= set(dir(rlhf))
    for name in set(rlhf.__all__) - {"__version__"}:
        assert (getattr(rlhf, name).__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        rlhf.nonsense  # noqa: B018


def test_what_is_imported_is_what_is_public() -> None:
    namespace: dict[str, Any] = {}
    exec("from rlhf import *", namespace)
    assert set(rlhf.__all__) == set(namespace) - {"__builtins__"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, rlhf; rlhf.__version__; "
        "print(*{name.partition('.')[0] for name in sys.modules} & "
        "{'torch', 'crewai', 'trl', 'transformers', 'langgraph', 'langsmith', 'pydantic', 'numpy'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
