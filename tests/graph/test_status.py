"""A run is marked as its nodes leave it: running, waiting when they ask, failed with one plain line when they raise."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from langgraph.errors import GraphInterrupt

from rlhf.graph.status import marked
from rlhf.nodes.prepare import register_run
from rlhf.nodes.services import Services
from rlhf.state.errors import EndpointError
from rlhf.state.recipe import parse_recipe
from tests.nodes.builders import RECIPE, prompt_rows


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = parse_recipe(RECIPE, "test").replace(
        {"storage": {"ledger_url": f"sqlite:///{tmp_path / 'ledger.sqlite'}"}}, "test"
    )
    opened = Services(settings)
    register_run(opened.ledger, settings, "one", "planner", prompt_rows(5), "rows")
    yield opened
    opened.close()


async def left_by(services: Services, error: BaseException | None, *, begins: bool = True) -> tuple[str, str]:
    with pytest.raises(type(error)) if error else nullcontext():
        async with marked(services, "one", begins=begins):
            assert services.ledger.run("one").status == "running"
            if error is not None:
                raise error
    run = services.ledger.run("one")
    return run.status, run.note


async def test_work_that_ends_leaves_the_run_running(services: Services) -> None:
    services.ledger.set_run("one", status="failed", note="down")
    assert await left_by(services, None) == ("running", "")


async def test_a_question_leaves_it_waiting(services: Services) -> None:
    assert await left_by(services, GraphInterrupt()) == ("waiting", "A person's answer is needed.")


@pytest.mark.parametrize(
    ("error", "note"),
    [(EndpointError("The endpoint is down."), "The endpoint is down."), (KeyError("x"), "KeyError: 'x'")],
)
async def test_an_error_leaves_it_failed_and_goes_on(services: Services, error: Exception, note: str) -> None:
    assert await left_by(services, error, begins=False) == ("failed", note)
