"""What real clients send to the served graphs, replayed: every stream mode, each inbox's answers, forks and endings.

The requests are those of Agent Inbox (f38301b), agent-chat-ui (fdc87e6) and Studio.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest

from tests.graph.conftest import MakePlace
from tests.graph.workplace import STREAM_MODES, Server

pytestmark = pytest.mark.timeout(600)


class Client:
    """One thread of a client that speaks plain HTTP."""

    def __init__(self, server: Server) -> None:
        self.place = server.workplace
        self.http = httpx.Client(base_url=server.url, trust_env=False, timeout=180)
        self.id = self.post("/threads", {}).json()["thread_id"]

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> httpx.Response:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer

    def run(self, how: str = "wait", status: int = 200, **body: Any) -> httpx.Response:
        return self.post(f"/threads/{self.id}/runs/{how}", {"assistant_id": "pipeline", **body}, status)

    def start(self, how: str = "wait", context: dict[str, Any] | None = None, **body: Any) -> httpx.Response:
        given = {"prompts": self.place.rows(4), "adapter_name": "planner"}
        return self.run(how, input=given, context=context or {}, **body)

    def answered(self, answer: Any) -> dict[str, Any]:
        """Answer as Agent Inbox does, in a stream of events; returns what is asked next."""
        stream = self.run("stream", command={"resume": answer}, stream_mode="events").text
        assert "event: error" not in stream
        return self.asked()

    def asked(self) -> dict[str, Any]:
        """What the thread waits for; thread and ledger say the same."""
        [found] = self.http.get(f"/threads/{self.id}/state").json()["interrupts"]
        assert self.status == ("interrupted", "waiting")
        value: dict[str, Any] = found["value"]
        return value

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/threads/{self.id}/state").json()
        return found

    @property
    def status(self) -> tuple[str, str]:
        """Of the thread and of the run in the ledger."""
        thread = self.http.get(f"/threads/{self.id}").json()["status"]
        return thread, self.place.report(self.id).status

    def reviews(self) -> list[tuple[str, int | None, str]]:
        rows = (row for row in self.place.table("reviews") if row["run_id"] == self.id)
        return [(row["decision"], row["rating"], row["comment"]) for row in rows]


@pytest.fixture
def new_client(server: Server) -> Iterator[Callable[[], Client]]:
    with ExitStack() as opened:

        def made() -> Client:
            client = Client(server)
            opened.callback(client.http.close)
            return client

        yield made


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    return new_client()


@pytest.mark.parametrize("mode", STREAM_MODES)
def test_every_stream_mode_shows_a_run_to_its_gate(client: Client, mode: str) -> None:
    stream = client.start("stream", stream_mode=[mode], stream_subgraphs=True).text
    assert "event: error" not in stream
    assert client.asked()["action_requests"][0]["name"] == "approve_training"
    assert client.state["values"]["run_id"] == client.id


def test_all_stream_modes_at_once(client: Client) -> None:
    stream = client.start("stream", stream_mode=list(STREAM_MODES)).text
    assert "event: error" not in stream
    assert {f"event: {mode}" for mode in ("values", "updates", "events", "debug", "custom")} <= set(
        stream.splitlines()
    )
    assert client.asked()["action_requests"][0]["name"] == "approve_training"


def test_updates_say_what_became_of_each_response_but_of_the_audits_sample(client: Client) -> None:
    stream = client.start(
        "stream", stream_mode=["updates"], context={"review": "uncertain", "audit_fraction": 0.5}
    )
    lines = [
        json.loads(line.removeprefix("data: ")) for line in stream.text.splitlines() if line[:6] == "data: "
    ]
    told = [line["judge"]["last_judged"] for line in lines if "judge" in line]
    kept = {
        row["response_key"]: row["body"]
        for row in client.place.table("feedback")
        if row["run_id"] == client.id
    }
    assert {entry["response_id"] for entry in told} == set(kept)
    assert {kept[entry["response_id"]]["in_audit"] for entry in told} == {True, False}
    for entry in told:
        feedback = kept[entry["response_id"]]
        blind = feedback["in_audit"]
        assert entry["overall_score"] == (None if blind else feedback["overall_score"])
        assert entry["is_acceptable"] == (None if blind else feedback["is_acceptable"])
    # Who joins late finds in the state what there is.
    assert client.state["values"]["judged"] == len(kept)


def test_an_inbox_shows_what_a_person_needs_and_takes_each_of_its_answers(client: Client) -> None:
    client.start(context={"review": "all"})
    asked = client.asked()
    [first, *_] = asked["action_requests"]
    assert first["description"] == asked["description"]
    [prompt] = [row["prompt"] for row in client.place.rows() if row["prompt"] in asked["description"]]
    assert f"**Prompt**\n\n```text\n{prompt}\n```" in asked["description"]
    assert asked["action_request"] == {"action": first["name"], "args": first["arguments"]}
    assert set(first["args"]) == {"response_id", "rating"}
    assert asked["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
    total = len(asked["action_requests"])

    echo = {"action": first["name"], "args": first["arguments"]}
    asked = client.answered([{"type": "ignore", "args": None}])
    assert len(asked["action_requests"]) == total
    asked = client.answered([{"type": "accept", "args": echo}])
    asked = client.answered([{"type": "edit", "args": {**echo, "args": {"rating": "2"}}}])
    asked = client.answered([{"type": "response", "args": "5"}])
    asked = client.answered([{"type": "response", "args": "Sounds plausible."}])
    assert sorted(client.reviews(), key=str) == sorted(
        [("approve", None, ""), ("edit", 2, ""), ("edit", 5, ""), ("approve", None, "Sounds plausible.")],
        key=str,
    )
    assert len(asked["action_requests"]) == total - 4

    # agent-chat-ui: several at once, every value a text.
    def edited(request: dict[str, Any]) -> dict[str, Any]:
        args = {"response_id": request["args"]["response_id"], "rating": "3"}
        return {"type": "edit", "edited_action": {"name": request["name"], "args": args}}

    left = asked["action_requests"]
    asked = client.answered({"decisions": [edited(request) for request in left]})
    assert [rating for _, rating, _ in client.reviews()].count(3) == len(left)
    assert asked["action_requests"][0]["name"] == "approve_training"


def test_a_mistyped_answer_leaves_the_run_waiting_and_is_told_the_forms(client: Client) -> None:
    client.start()
    for mistaken, complaint in (
        ("yes please", "No decision is in it"),
        ({"decisions": [{"type": "edit", "rating": 3}]}, "approve_training cannot be edited"),
        ([{"type": "response", "args": "Fine."}], "a comment alone decides nothing"),
    ):
        asked = client.answered(mistaken)
        assert complaint in asked["description"]
        assert '{"decisions": [{"type": "approve"}]}' in asked["description"]
        assert len(asked["description"]) < 900
    client.answered([{"type": "ignore", "args": None}])
    assert "Not taken" not in client.asked()["description"]
    allowed = asked["review_configs"][0]["allowed_decisions"]
    assert allowed == ["approve", "reject"]
    schema = client.state["interrupts"][0]["response_schema"]
    assert "rating" not in str(schema)
    report = client.run(command={"resume": [{"type": "response", "args": "reject: Not today."}]}).json()
    assert report["note"] == "Training was rejected. Not today."
    assert client.status == ("idle", "finished")


def test_a_run_belongs_to_its_thread_whatever_a_client_writes(
    client: Client, new_client: Callable[[], Client]
) -> None:
    victim = new_client()
    victim.start()
    client.start()
    client.run(command={"update": {"run_id": victim.id}, "resume": {"decisions": [{"type": "reject"}]}})
    assert victim.status == ("interrupted", "waiting")
    assert client.status == ("idle", "finished")
    assert client.state["values"]["run_id"] == client.id
    # Nor through a task of the panel.
    goto = {"node": "judge", "input": {"run_id": victim.id, "response_id": "0" * 24}}
    client.http.post(
        f"/threads/{client.id}/runs/wait", json={"assistant_id": "pipeline", "command": {"goto": goto}}
    )
    assert victim.status == ("interrupted", "waiting")


def test_mark_as_resolved_ends_the_run_in_thread_and_ledger(client: Client) -> None:
    client.start()
    client.asked()
    client.post(f"/threads/{client.id}/state", {"values": None, "as_node": "__end__"})
    assert client.status == ("idle", "finished")
    assert client.place.report(client.id).note == "Ended by a client before its last stage."
    assert client.state["next"] == []


@pytest.mark.parametrize(
    "node", ["generate", "collect", "review", "approve_training", "deploy", "nobody", None]
)
def test_an_update_after_which_nothing_would_come_is_refused(client: Client, node: str | None) -> None:
    client.start()
    before = client.asked()
    told = client.post(f"/threads/{client.id}/state", {"values": {}, "as_node": node}, 422).json()["detail"]
    assert "nothing would come next" in told
    assert "build_dataset" in told
    assert client.asked() == before


@pytest.mark.parametrize("node", ["prepare", "judge", "build_dataset"])
def test_a_fork_as_any_other_node_goes_on(client: Client, node: str) -> None:
    client.start()
    client.asked()
    client.post(f"/threads/{client.id}/state", {"values": {"round": 1, "position": 0}, "as_node": node})
    assert client.state["next"] != []
    assert client.place.report(client.id).status == "waiting"
    client.run(input=None)
    assert client.asked()["action_requests"][0]["name"] == "approve_training"


@pytest.mark.parametrize("strategy", ["reject", "enqueue", "interrupt", "rollback", None])
def test_a_second_input_is_refused_with_the_way_out(client: Client, strategy: str | None) -> None:
    client.start()
    before = client.asked()
    given = {"multitask_strategy": strategy} if strategy else {}
    other = {"prompts": [{"prompt": "Another one."}] * 3, "adapter_name": "other"}
    for how in ("wait", "stream"):
        told = client.run(how, 409, input=other, **given).json()["detail"]
        assert "Start another thread for another run" in told
    assert client.asked() == before
    client.run(command={"resume": [{"type": "response", "args": "reject"}]})
    assert client.status == ("idle", "finished")
    client.run("wait", 409, input=other)
    assert client.status == ("idle", "finished")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"adapter_name": 5}, "adapter_name: a text is expected"),
        ({"adapter_name": ["a"]}, "adapter_name: a text is expected"),
        ({"prompts": "Hi."}, "prompts: a list of rows is expected"),
        ({"prompts": {"prompt": "Hi."}}, "prompts: a list of rows is expected"),
        ({"prompts": ["Hi.", 5]}, "prompts"),
    ],
)
def test_input_of_another_kind_is_one_plain_line(
    client: Client, given: dict[str, Any], complaint: str
) -> None:
    answer = client.run("wait", input={"prompts": client.place.rows(4), **given}).json()
    assert answer["__error__"]["error"] == "InputError"
    assert complaint in answer["__error__"]["message"]


def test_the_judges_of_the_pipeline_are_drawn(server: Server) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        found = http.post("/assistants/search", json={"graph_id": "pipeline"}).json()[0]["assistant_id"]
        drawn = http.get(f"/assistants/{found}/graph", params={"xray": True}).json()
        assert {"judge:judge_accuracy", "judge:aggregate"} <= {node["id"] for node in drawn["nodes"]}
        assert list(http.get(f"/assistants/{found}/subgraphs", params={"recurse": True}).json()) == ["judge"]


def test_a_page_may_hold_one_response_and_no_text(make_place: MakePlace) -> None:
    place = make_place("paged").prepare(
        4, review__page=1, review__texts_in_interrupts=False, review__mode="all"
    )
    with place.server() as server:
        client = Client(server)
        with closing(client.http):
            client.start()
            [first] = client.asked()["action_requests"]
            key = first["args"]["response_id"]
            [second] = client.answered([{"type": "response", "args": "5"}])["action_requests"]
            assert second["args"]["response_id"] != key
            stored = json.dumps(client.http.get(f"/threads/{client.id}/history").json())
    texts = [row["text"] for row in place.table("responses")]
    assert not [text for text in texts if json.dumps(text)[1:-1] in stored]
