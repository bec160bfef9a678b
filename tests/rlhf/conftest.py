"""A place to run in: an empty folder, prompts, and a recipe of a scripted endpoint and a tiny model."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlhf import RLHFMonitor, SyntheticFeedbackGenerator
from rlhf.state.ledger import Ledger
from tests.rlhf.installed import built_wheel, copied_source, unpacked
from tests.scripted_endpoint import ScriptedEndpoint, plan

STORES = ("Amazon and CVS", "Walmart and Target", "Kroger and Costco", "Amazon and Target")

PROMPTS = [f"Split ${1000 * (number + 3)} between {STORES[number % 4]}." for number in range(8)]


def seeded(calls: dict[str, int]) -> Callable[[str], str]:
    """A caller's model whose every further answer to a prompt is another plan; `calls` counts them."""

    def respond(prompt: str) -> str:
        calls[prompt] = calls.get(prompt, 0) + 1
        return plan(prompt, calls[prompt])

    return respond


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    """The scripted endpoint with its default script."""
    with ScriptedEndpoint() as server:
        yield server


@pytest.fixture
def prompts(workplace: Path) -> Path:
    """Eight budgeting prompts."""
    rows: list[dict[str, Any]] = []
    for number in range(8):
        stores = STORES[number % len(STORES)]
        budget = 1000 * (number + 3)
        context = {"budget": budget, "retailers": stores.split(" and ")}
        text = f"Split ${budget} between {stores}."
        rows.append({"prompt": text, "context": context, "task_type": "budgeting", "id": f"q{number}"})
    path = workplace / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def recipe(workplace: Path, endpoint: ScriptedEndpoint, tiny_model: Path) -> Path:
    """Scripted policy and judge, the tiny model as base; gates ask, and a person sees what is uncertain."""
    section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
    path = workplace / "mine.toml"
    path.write_text(
        f"[policy]\n{section}max_tokens = 32\n"
        f"[judge]\n{section}workers = 1\ncanaries = 0\n"
        "[pipeline]\nnum_variations_per_prompt = 3\n"
        "[review]\nscore_band = 20.0\n"
        '[dataset]\nselection = "margin"\nmin_margin = 5.0\nmax_length = 128\n'
        f'[training]\nbase_model = "{tiny_model}"\nrank = 4\n'
    )
    return path


@pytest.fixture
def judge_recipe(workplace: Path, endpoint: ScriptedEndpoint) -> Path:
    """mine.toml: the scripted endpoint as policy and judge, for what only judges."""
    section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
    path = workplace / "mine.toml"
    path.write_text(f"[policy]\n{section}[judge]\n{section}workers = 1\n")
    return path


@pytest.fixture
def ledger(workplace: Path) -> Iterator[Ledger]:
    """The ledger of the workplace, for a look."""
    opened = Ledger("sqlite:///.rlhf/ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def generator(recipe: Path) -> Iterator[SyntheticFeedbackGenerator]:
    """A generator of feedback on budgeting, with the scripted judge."""
    with SyntheticFeedbackGenerator("budgeting", recipe=recipe) as generator:
        yield generator


@pytest.fixture
def monitor(workplace: Path) -> Iterator[RLHFMonitor]:
    """A monitor of the workplace's ledger."""
    with RLHFMonitor(recipe="local") as opened:
        yield opened


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is built from."""
    return copied_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def wheel(source: Path) -> Path:
    """The built wheel."""
    return built_wheel(source)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked as an installer would."""
    return unpacked(wheel, tmp_path_factory.mktemp("installed"))
