"""Places to run in, shared by a file's tests: the scripted endpoint, a tiny model, a folder, a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.graph.workplace import Server, Trap, Workplace
from tests.scripted_endpoint import ScriptedEndpoint

MakePlace = Callable[[str], Workplace]


@pytest.fixture(scope="module")
def trap() -> Trap:
    """The endpoint's script: it can hold a call back."""
    return Trap()


@pytest.fixture(scope="module")
def endpoint(trap: Trap) -> Iterator[ScriptedEndpoint]:
    """Policy and judge of all runs; counts their calls."""
    with ScriptedEndpoint(trap) as started:
        yield started
        trap.let_go()


@pytest.fixture(scope="module")
def make_place(
    tmp_path_factory: pytest.TempPathFactory,
    endpoint: ScriptedEndpoint,
    tiny_model: Path,
) -> MakePlace:
    """Makes folders to run in, each with a ledger of its own."""
    return lambda name: Workplace(tmp_path_factory.mktemp(name) / "here", endpoint, tiny_model)


@pytest.fixture(scope="module")
def server(make_place: MakePlace) -> Iterator[Server]:
    """One `langgraph dev` for the whole file."""
    with make_place("server").prepare().server() as started:
        yield started
