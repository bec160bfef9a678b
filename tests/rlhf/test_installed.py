"""Installed, as a wheel and editable, in a folder whose files and packages bear the names of our rooms."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.graph.workplace import Workplace, free_port, kill, until
from tests.rlhf.installed import (
    NEIGHBOURS,
    OF_THE_DEPENDENCIES,
    ROOMS,
    TRAPS,
    Environment,
    set_traps,
    sprung,
)
from tests.scripted_endpoint import ScriptedEndpoint, plan

SCRIPT = """\
import sys

from rlhf import SyntheticFeedbackGenerator
from rlhf.state.ledger import Ledger  # a door that people use, though it is not the front one

with SyntheticFeedbackGenerator("budgeting", recipe="recipe.toml") as generator:
    [feedback] = generator.generate_batch([{"prompt": "Split $5000 between CVS and Target.", "output": sys.argv[1]}])
print(feedback.rating, len(feedback.dimensions))
"""


@pytest.fixture(scope="module", params=["wheel", "editable"])
def environment(
    request: pytest.FixtureRequest, source: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """An environment in which the package is installed, one way and the other."""
    what = [str(wheel)] if request.param == "wheel" else ["--editable", str(source)]
    return Environment.make(tmp_path_factory.mktemp("environment"), *what)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, environment: Environment
) -> Iterator[Workplace]:
    """A user's folder full of traps: recipe and prompts for a run that asks nobody, and a folder called rlhf."""
    with ScriptedEndpoint() as endpoint:
        place = Workplace(tmp_path_factory.mktemp("user"), endpoint, tiny_model)
        place.prepare(4, gates="auto")
        set_traps(place.folder, *TRAPS, *NEIGHBOURS)
        # Not a package, but Python would take it for one if nothing better were on the path.
        (place.folder / "rlhf" / "notes").mkdir(parents=True)
        yield place


def test_a_run_goes_through_training_to_a_deployed_adapter(
    environment: Environment, place: Workplace
) -> None:
    set_traps(place.folder, *OF_THE_DEPENDENCIES)
    run = ("run", "prompts.jsonl", "--recipe", "recipe.toml", "--adapter", "plans", "--run-id", "one")
    environment.run(environment.rlhf, *run, cwd=place.folder)
    report = json.loads(environment.run(environment.rlhf, "show", "one", "--json", cwd=place.folder))
    assert sprung(place.folder) == ""
    assert report["status"] == "finished"
    assert report["stages"]["training"]["adapter_path"]
    assert report["stages"]["deployment"]["version"] == "v1"


def test_a_script_beside_the_traps_is_judged_by_workers_that_do_not_see_them(
    environment: Environment, place: Workplace
) -> None:
    for name in OF_THE_DEPENDENCIES:
        (place.folder / name).unlink(missing_ok=True)
    (place.folder / "judge_it.py").write_text(SCRIPT)
    text = plan("Split $5000 between CVS and Target.", 1)
    told = environment.run(environment.python, "judge_it.py", text, cwd=place.folder)
    assert sprung(place.folder) == ""
    assert told.split()[1] == "5"


def test_a_module_run_from_the_folder_is_ours(environment: Environment, place: Workplace) -> None:
    for name in OF_THE_DEPENDENCIES:
        (place.folder / name).unlink(missing_ok=True)
    told = environment.run(environment.python, "-m", "rlhf", "runs", cwd=place.folder)
    assert sprung(place.folder) == ""
    assert told.startswith("one ")


@contextmanager
def served(environment: Environment, place: Workplace) -> Iterator[str]:
    """`rlhf serve` in the folder, ready."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (place.folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [environment.rlhf, "serve", "--port", str(port), "--recipe", "recipe.toml"],
            cwd=place.folder,
            env=environment.variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
        )

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/ok", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(answers, "the server to answer", process)
        yield url
    finally:
        if process.poll() is None:
            kill(process)


def test_the_served_graphs_are_ours(environment: Environment, place: Workplace) -> None:
    set_traps(place.folder, *OF_THE_DEPENDENCIES)
    question = {"prompt": "Split $5000 between CVS and Target.", "response": "CVS $4000, Target $1000."}
    with (
        served(environment, place) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        assistants = client.post("/assistants/search", json={}).json()
        assert sorted(assistant["graph_id"] for assistant in assistants) == ["judge", "pipeline"]
        answer = client.post("/runs/wait", json={"assistant_id": "judge", "input": question}).json()
        metrics = client.get("/metrics")
    assert sprung(place.folder) == ""
    assert answer["rating"] in range(1, 6)
    assert metrics.status_code == 200


def test_nothing_of_ours_has_a_common_name(environment: Environment, tmp_path: Path) -> None:
    rooms = [room for room in ROOMS if room != "rlhf"]
    code = (
        "import importlib.util, sys\n"
        "print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])\n"
        "import rlhf, importlib.metadata\n"
        "print(importlib.metadata.version('rlhf-graph') == rlhf.__version__)\n"
    )
    told = environment.run(
        environment.python, "-c", code, *rooms, "examples", "benchmarks", "rlhf_tools", cwd=tmp_path
    )
    assert told.splitlines() == ["[]", "True"]
