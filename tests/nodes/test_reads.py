"""How often the ledger is asked for one judged response: it is read once, and so is what was judged before."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from rlhf.graph.judge import build_panel
from rlhf.nodes.judge_version import calibration_for
from rlhf.nodes.panel import evidence_for
from rlhf.nodes.prepare import register_run
from rlhf.nodes.services import IN_FLIGHT, Services
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.recipe import parse_recipe
from tests.nodes.builders import PACK, RESPONSE, LedgerRun, prompt_rows
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

RECIPE = """
task_type = "general"
[policy]
model = "vllm/scripted"
base_url = "{url}"
[judge]
model = "vllm/scripted"
base_url = "{url}"
workers = 1
[storage]
ledger_url = "sqlite:///{folder}/ledger.sqlite"
checkpoint_url = "sqlite:///{folder}/checkpoints.sqlite"
"""


@pytest.fixture
def services(tmp_path: Path, endpoint: ScriptedEndpoint) -> Iterator[Services]:
    opened = Services(parse_recipe(RECIPE.format(url=endpoint.base_url, folder=tmp_path), "test"))
    yield opened
    opened.close()


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of databases meanwhile, without the beginnings of transactions."""
    found: list[str] = []

    def told(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith("BEGIN"):
            found.append(" ".join(statement.split()))

    sa.event.listen(sa.Engine, "before_cursor_execute", told)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", told)


def sampled(services: Services, run_id: str) -> str:
    """A run with one response; its key."""
    register_run(services.ledger, services.settings, run_id, "planner", prompt_rows(2), "rows")
    [prompt] = services.ledger.prompts(run_id, "train")
    key = LedgerRun(services.ledger, run_id).add(prompt, "Call the client on Monday.")
    calibration_for(services, run_id, "general", services.run(run_id).settings)  # a run settles it once
    return key


async def test_a_response_is_read_once_and_its_verdicts_in_one_question(
    services: Services, endpoint: ScriptedEndpoint
) -> None:
    key = sampled(services, "one")
    panel = build_panel(services)
    with statements() as asked:
        await panel.ainvoke({"run_id": "one", "response_id": key})
    reads = [statement for statement in asked if statement.startswith("SELECT")]
    assert sum("FROM responses" in statement for statement in reads) == 1
    assert sum("FROM verdicts" in statement for statement in reads) == 2, "what is known; what was reached"
    # Each verdict is kept when it is reached, with what it cost; then the feedback.
    assert len(asked) - len(reads) == 2 * len(DIMENSIONS) + 1
    assert len(reads) == 4, "and the calibration"
    assert endpoint.count(is_judge_call) == len(DIMENSIONS)

    sampled(services, "two")
    with statements() as asked:
        await panel.ainvoke({"run_id": "two", "response_id": key})
    assert endpoint.count(is_judge_call) == len(DIMENSIONS), "nothing is asked again"
    assert len(asked) <= 5, "known verdicts, that they were found, the verdicts, calibration, feedback"
    assert services.ledger.usage("two").cached == len(DIMENSIONS)


def test_evidence_of_all_that_is_in_flight_is_kept() -> None:
    rows = [RESPONSE.model_copy(update={"key": f"{n:024}"}) for n in range(2 * IN_FLIGHT)]
    first = [evidence_for(PACK, row) for row in rows]
    assert all(evidence_for(PACK, row) is found for row, found in zip(rows, first, strict=True))
