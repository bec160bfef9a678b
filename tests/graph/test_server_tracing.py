"""The development server with a LangSmith: its runs are traced whole, and no secret is in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from langgraph_sdk import get_sync_client

from tests.graph.conftest import MakePlace
from tests.graph.workplace import Server, Workplace
from tests.langsmith_receiver import LangSmithReceiver
from tests.scripted_endpoint import ScriptedEndpoint

PROMPT = "Split a $2M budget between Amazon and Walmart and explain."


@dataclass
class WithLangSmith(Workplace):
    """A folder whose server finds variables of ours in its environment."""

    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | self.more


@pytest.fixture(scope="module")
def langsmith() -> Iterator[LangSmithReceiver]:
    with LangSmithReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(make_place: MakePlace, langsmith: LangSmithReceiver) -> Iterator[Server]:
    made = make_place("traced")
    more = {
        "LANGSMITH_ENDPOINT": langsmith.url,
        "LANGSMITH_API_KEY": "the-key-of-langsmith",
        "LANGCHAIN_PROJECT": "served",
        "JUDGE_KEY": "quite-private-7",
    }
    place = WithLangSmith(made.folder, made.endpoint, made.base_model, more)
    with place.prepare(judge__api_key_env="JUDGE_KEY").server() as started:
        yield started


def test_a_key_is_enough_for_the_servers_runs_to_be_traced_without_secrets(
    server: Server, langsmith: LangSmithReceiver, endpoint: ScriptedEndpoint
) -> None:
    with get_sync_client(url=server.url) as client:
        given = {
            "prompt": PROMPT,
            "response": "Step 1: $2M to Amazon quite-private-7.",
            "task_type": "budgeting",
        }
        client.runs.wait(None, "judge", input=given)
    [root] = langsmith.finished()
    langsmith.until(lambda here: len(here.feedback) == 6)
    assert (root.name, root.session_name) == ("judge", "served")
    assert (root.metadata["task_type"], root.metadata["judge"]) == ("budgeting", "vllm/scripted")
    assert root.metadata["usage"]["calls"] == len(langsmith.named("scripted")) == endpoint.count() == 5
    assert {each["run_id"] for each in langsmith.feedback} == {root.id}
    arrived = langsmith.everything()
    assert "Step 1: $2M to Amazon [redacted]" in arrived
    assert "quite-private-7" not in arrived


def test_a_run_of_the_server_says_which_run_it_is(server: Server, langsmith: LangSmithReceiver) -> None:
    langsmith.forget()
    with get_sync_client(url=server.url) as client:
        thread = str(client.threads.create()["thread_id"])
        given: dict[str, Any] = {"prompts": server.workplace.rows(2), "adapter_name": "planner"}
        client.runs.wait(thread, "pipeline", input=given)
    [root] = langsmith.finished()
    assert (root.name, root.metadata["adapter"], root.metadata["thread_id"]) == (
        "pipeline",
        "planner",
        thread,
    )
    assert root.metadata["rubric_version"]
    assert root.metadata["usage"]["calls"] == len(langsmith.named("scripted")) + len(
        [run for run in langsmith.runs.values() if run.run_type == "llm" and run.name != "scripted"]
    )
