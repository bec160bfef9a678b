"""`langgraph dev` killed in the middle of a run and started again: the run goes on, nothing is asked twice."""

from typing import Any

import pytest
from langgraph_sdk import get_sync_client

from tests.graph.conftest import MakePlace
from tests.graph.workplace import Trap, kill, until
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

pytestmark = pytest.mark.timeout(600)  # two servers start; the machine may be busy

VERDICTS = 5 * 18


def test_a_killed_server_goes_on_with_its_run(
    make_place: MakePlace, endpoint: ScriptedEndpoint, trap: Trap
) -> None:
    place = make_place("restart").prepare()
    given: dict[str, Any] = {"prompts": place.rows(), "adapter_name": "planner"}
    trap.set(is_judge_call, 40)
    with place.server() as server:
        with get_sync_client(url=server.url) as client:
            thread = str(client.threads.create()["thread_id"])
            run = str(client.runs.create(thread, "pipeline", input=given)["run_id"])
            until(trap.sprung.is_set, "the call that is held", server.process)
            until(lambda: server.remembers(run), "the server to note the run", server.process)
        kill(server.process)
    trap.let_go()

    scored = place.scored()
    assert 0 < len(scored) < VERDICTS
    assert len(place.table("samples")) == 18
    endpoint.forget()
    with place.server() as server, get_sync_client(url=server.url) as client:
        until(lambda: client.runs.get(thread, run)["status"] == "success", "the run to go on", server.process)
        state = client.threads.get_state(thread)
        assert state["next"] == ["approve_training"]
        (interrupt,) = state["interrupts"]
        assert interrupt["value"]["action_requests"][0]["name"] == "approve_training"
        assert endpoint.count(is_judge_call) == VERDICTS - len(scored)
        assert endpoint.count() == endpoint.count(is_judge_call), "no response was made again"

        # Killed while it waits for a person: the question is still there.
        kill(server.process)
    with place.server() as server, get_sync_client(url=server.url) as client:
        command: Any = {"resume": {"decisions": [{"type": "reject"}]}}
        output: Any = client.runs.wait(thread, "pipeline", command=command)
        assert (output["status"], output["note"]) == ("finished", "Training was rejected.")
    assert len(place.scored()) == VERDICTS
    assert len(place.table("feedback")) == 18
