"""Both graphs on a real `langgraph dev`, spoken to with the SDK: judging, choices, approvals, history, forks."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from rlhf.nodes.approvals import ActionRequest
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.records import Feedback
from rlhf.state.run_report import RunReport
from tests.graph.workplace import Server
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

pytestmark = pytest.mark.timeout(600)  # one test trains; the machine may be busy with others

PROMPT = "Split a $2M budget between Amazon and Walmart and explain."
RESPONSE = """Step 1: put $900,000 into Amazon, week 1.
Step 2: put $600,000 into Walmart, week 2.
Step 3: keep $300,000 for Amazon, week 3.
Step 4: keep $200,000 for Walmart, week 4."""


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=server.url) as opened:
        yield opened


class Thread:
    """One run of the pipeline as a client sees it."""

    def __init__(self, client: SyncLangGraphClient) -> None:
        self.client = client
        self.id = str(client.threads.create()["thread_id"])

    def start(self, rows: list[dict[str, Any]], **context: Any) -> Any:
        given: dict[str, Any] = {"prompts": rows, "adapter_name": "planner"}
        return self.client.runs.wait(self.id, "pipeline", input=given, context=context)

    def answer(self, *decisions: Mapping[str, Any]) -> Any:
        command: Any = {"resume": {"decisions": list(decisions)}}
        return self.client.runs.wait(self.id, "pipeline", command=command)

    def asked(self) -> list[ActionRequest]:
        """What the run waits for, checked to be in the shape Studio and Agent Inbox know."""
        interrupts = self.client.threads.get_state(self.id)["interrupts"]
        assert len(interrupts) == 1
        value = interrupts[0]["value"]
        requests = [ActionRequest.model_validate(request) for request in value["action_requests"]]
        allowed = {each["action_name"]: each["allowed_decisions"] for each in value["review_configs"]}
        assert set(allowed) == {request.name for request in requests}
        assert all({"approve", "reject"} <= set(decisions) for decisions in allowed.values())
        return requests


def test_the_judge_returns_the_object_of_the_command_line(
    client: SyncLangGraphClient, server: Server, endpoint: ScriptedEndpoint
) -> None:
    endpoint.forget()
    given: dict[str, Any] = {"prompt": PROMPT, "response": RESPONSE, "context": {"budget": 2_000_000}}
    judged = client.runs.wait(None, "judge", input={**given, "task_type": "budgeting"})
    feedback = Feedback.model_validate(judged)
    assert endpoint.count(is_judge_call) == 5
    assert feedback.coverage == 1.0
    assert set(feedback.dimensions) == set(DIMENSIONS)
    assert feedback.overall_score is not None

    options = ["--prompt", PROMPT, "--response", RESPONSE, "--context", json.dumps(given["context"])]
    printed = json.loads(server.workplace.rlhf("judge", *options, "--json"))
    assert {name: printed[name] for name in judged} == judged, "beside it stands how it was asked"
    assert endpoint.count(is_judge_call) == 5, "the verdicts were in the ledger"


def test_a_client_chooses_weights_and_thresholds_without_new_judgements(
    client: SyncLangGraphClient, endpoint: ScriptedEndpoint
) -> None:
    given = {"prompt": PROMPT, "response": RESPONSE}
    weights = {name: float(name == "clarity") for name in DIMENSIONS}
    plain: Any = client.runs.wait(None, "judge", input=given)
    endpoint.forget()
    for threshold in (0.0, 100.0):
        context: dict[str, Any] = {"weights": weights, "min_score_acceptable": threshold}
        judged: Any = client.runs.wait(None, "judge", input=given, context=context)
        assert judged["overall_score"] == judged["dimensions"]["clarity"]["score"]
        assert judged["dimensions"] == plain["dimensions"]
        assert not judged["vetoed"]
        assert judged["is_acceptable"] is (threshold == 0.0)
    assert endpoint.count() == 0


def test_a_client_chooses_the_task_type(client: SyncLangGraphClient, endpoint: ScriptedEndpoint) -> None:
    for task_type, persona in (
        ("creative", "Creative Copy Specialist"),
        ("planning", "Strategic Planning Expert"),
    ):
        endpoint.forget()
        given = {"prompt": "Write a headline.", "response": "Fresh today."}
        client.runs.wait(None, "judge", input=given, context={"task_type": task_type})
        assert sum(persona in json.dumps(body) for body in endpoint.calls) == 5


@pytest.mark.parametrize(
    "choice",
    [
        {"base_url": "http://127.0.0.1:9/v1"},
        {"api_key_env": "HOME"},
        {"judge": {"model": "vllm/other", "base_url": "http://127.0.0.1:9/v1"}},
        {"storage": {"ledger_url": "sqlite:///other.sqlite"}},
        {"output_dir": "elsewhere"},
    ],
)
@pytest.mark.parametrize("place", ["context", "config"])
def test_a_client_cannot_set_what_is_the_operators(
    client: SyncLangGraphClient,
    endpoint: ScriptedEndpoint,
    server: Server,
    choice: dict[str, Any],
    place: str,
) -> None:
    given: dict[str, Any] = {"prompt": "Hi.", "response": f"Ho, {place} {choice}."}
    endpoint.forget()
    if place == "context":
        with pytest.raises(httpx.HTTPStatusError, match="422") as refused:
            client.runs.wait(None, "judge", input=given, context=choice)
        assert "context: unknown key" in refused.value.response.text
        assert endpoint.count() == 0
    else:  # the server hands on what the context's schema names and nothing else
        config: Any = {"configurable": choice}
        Feedback.model_validate(client.runs.wait(None, "judge", input=given, config=config))
        assert endpoint.count(is_judge_call) == 5
        assert {body["model"] for body in endpoint.calls} == {"scripted"}
    assert not [
        path for path in server.workplace.folder.iterdir() if path.name in ("other.sqlite", "elsewhere")
    ]


@pytest.mark.parametrize(
    ("context", "complaint"),
    [
        ({"weights": {"accuracy": 1.0}}, "context: acceptance.weights: weights must name exactly"),
        ({"min_score_acceptable": 101}, "context: acceptance.min_score_acceptable"),
        ({"rounds": 0}, "context: pipeline.rounds"),
        ({"review": "sometimes"}, "review"),
        ({"task_type": "astrology"}, "unknown task type|no rubric pack"),
        ({"task_type": "../../etc/passwd"}, "task_type"),
    ],
)
def test_a_wrong_choice_is_refused_by_name(
    client: SyncLangGraphClient, endpoint: ScriptedEndpoint, context: dict[str, Any], complaint: str
) -> None:
    endpoint.forget()
    with pytest.raises(Exception, match=complaint):
        client.runs.wait(None, "judge", input={"prompt": "Hi.", "response": "Ho."}, context=context)
    assert endpoint.count() == 0


def test_bad_prompts_are_refused_before_anything_runs(
    client: SyncLangGraphClient, server: Server, endpoint: ScriptedEndpoint
) -> None:
    endpoint.forget()
    for rows, complaint in (
        ([], "holds no prompts"),
        ([{"prompt": "One."}, {"text": "Two."}], "row 2: prompt is missing"),
        ([{"prompt": "One.", "id": "a"}, {"prompt": "Two.", "id": "a"}], "'a' stands at"),
    ):
        thread = Thread(client)
        with pytest.raises(Exception, match=complaint):
            thread.start(rows)
        assert thread.id not in {row["run_id"] for row in server.workplace.table("runs")}
    assert endpoint.count() == 0


def test_people_review_approve_and_deploy_and_a_fork_decides_otherwise(
    client: SyncLangGraphClient, server: Server
) -> None:
    place, thread = server.workplace, Thread(client)
    thread.start(place.rows(), review="all")
    page = thread.asked()
    assert [request.name for request in page] == ["review_response"] * 18
    keys = [request.args["response_id"] for request in page]

    # Partly answered: the rest stays pending.
    thread.answer(
        {"type": "edit", "response_id": keys[3], "rating": 5, "reviewer": "Ana"},
        {"type": "reject", "response_id": keys[1], "message": "Wrong sum."},
    )
    left = [request.args["response_id"] for request in thread.asked()]
    assert left == [key for key in keys if key not in (keys[1], keys[3])]
    reviews = {row["response_key"]: row for row in place.table("reviews") if row["run_id"] == thread.id}
    assert (reviews[keys[3]]["rating"], reviews[keys[3]]["reviewer"]) == (5, "Ana")
    assert (reviews[keys[1]]["decision"], reviews[keys[1]]["comment"]) == ("reject", "Wrong sum.")
    assert place.report(thread.id).status == "waiting"

    # In the order of the page, the way Agent Inbox answers.
    thread.answer(*({"type": "approve"} for _ in left))
    (gate,) = thread.asked()
    assert gate.name == "approve_training"
    assert gate.args["num_examples"] == place.report(thread.id).stages.dataset.num_examples
    assert len([row for row in place.table("reviews") if row["run_id"] == thread.id]) == 18

    thread.answer({"type": "approve"})
    (gate,) = thread.asked()
    assert gate.name == "approve_deployment"
    assert gate.args["verdict"] == "hold"
    assert not (place.folder / "adapters").exists()

    output = thread.answer({"type": "approve"})
    report = RunReport.model_validate(output)
    assert output == json.loads(place.rlhf("show", thread.id, "--json"))
    assert (report.status, report.adapter_name, report.run_id) == ("finished", "planner", thread.id)
    assert (report.stages.deployment.version, report.stages.deployment.alias) == ("v1", "champion")
    assert client.threads.get(thread.id)["status"] == "idle"

    # From the older checkpoint before the last gate, another answer: nothing is trained again.
    older = next(
        s for s in client.threads.get_history(thread.id, limit=50) if s["next"] == ["approve_deployment"]
    )
    client.runs.wait(thread.id, "pipeline", input=None, checkpoint=older["checkpoint"])
    assert thread.asked()[0].name == "approve_deployment"
    report = RunReport.model_validate(thread.answer({"type": "reject", "message": "Not now."}))
    assert report.note == "Deployment was rejected. Not now."
    assert (report.stages.deployment.version, report.stages.deployment.alias) == ("v1", "candidate")


def test_a_rejected_training_ends_the_run_with_a_note_and_a_fork_asks_again(
    client: SyncLangGraphClient, server: Server, endpoint: ScriptedEndpoint
) -> None:
    place, thread = server.workplace, Thread(client)
    thread.start(place.rows())
    assert thread.asked()[0].name == "approve_training"
    report = RunReport.model_validate(thread.answer({"type": "reject", "message": "Too few pairs."}))
    assert (report.status, report.note) == ("finished", "Training was rejected. Too few pairs.")
    assert report.stages.training.adapter_path is None
    assert report.stages.dataset.num_examples > 0

    history = client.threads.get_history(thread.id, limit=50)
    stages = [state["next"][0] for state in reversed(history) if state["next"]]
    assert stages == [
        "__start__",
        "prepare",
        "generate",
        "judge",
        "collect",
        "review",
        "build_dataset",
        "approve_training",
        "finish",
    ]

    endpoint.forget()
    older = next(state for state in history if state["next"] == ["review"])
    client.runs.wait(thread.id, "pipeline", input=None, checkpoint=older["checkpoint"])
    assert thread.asked()[0].name == "approve_training"
    assert place.report(thread.id).status == "waiting"
    assert endpoint.count() == 0, "what is judged stays judged"
    again = RunReport.model_validate(thread.answer({"type": "reject", "message": "Still not."}))
    assert again.note == "Training was rejected. Still not."
    assert again.stages.dataset == report.stages.dataset


def test_an_answer_that_cannot_be_used_loses_nothing(client: SyncLangGraphClient, server: Server) -> None:
    thread = Thread(client)
    thread.start(server.workplace.rows(), review="all")
    first = thread.asked()
    thread.answer({"type": "edit"})
    again = thread.asked()
    assert "**Not taken: Decision 1: " in again[0].description
    assert "an edit needs a rating from 1 to 5" in again[0].description
    assert [request.args for request in again] == [request.args for request in first]
    assert server.workplace.report(thread.id).status == "waiting"
    assert [row for row in server.workplace.table("reviews") if row["run_id"] == thread.id] == []
    thread.answer(*({"type": "approve"} for _ in first))
    assert thread.asked()[0].name == "approve_training"


def test_the_state_holds_ids_and_counters_never_texts(client: SyncLangGraphClient, server: Server) -> None:
    thread = Thread(client)
    thread.start(server.workplace.rows())
    for state in client.threads.get_history(thread.id, limit=50):
        if state["next"] not in (["__start__"], ["prepare"]):  # before that it is the client's input
            assert len(json.dumps(state["values"])) < 500
    texts = [row["text"] for row in server.workplace.table("responses")]
    assert not [text for text in texts if text in json.dumps(client.threads.get_state(thread.id)["values"])]
