"""A server with accounts: tokens, roles and the log, on the real development server that `rlhf serve` starts."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rlhf.web.accounts import Accounts
from tests.graph.workplace import Workplace, free_port, kill, until
from tests.scripted_endpoint import ScriptedEndpoint

pytestmark = pytest.mark.timeout(600)


@dataclass
class Served:
    """A running `rlhf serve` and the tokens of its users."""

    place: Workplace
    url: str
    reviewer: str
    operator: str

    def ask(self, method: str, path: str, token: str | None, **given: Any) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.request(
            method, f"{self.url}{path}", headers=headers, trust_env=False, timeout=120, **given
        )


class Boom:
    """A pickle that writes a file when somebody loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Served]:
    with ScriptedEndpoint() as endpoint:
        place = Workplace(tmp_path_factory.mktemp("auth") / "here", endpoint, tiny_model).prepare(4)
        accounts = Accounts(place.folder / ".rlhf")
        tokens = [accounts.add("ann", "reviewer", 1), accounts.add("ben", "operator", 1)]
        planted = place.folder / ".langgraph_api"
        planted.mkdir()
        for name in (".langgraph_ops.pckl", "store.pckl", ".langgraph_retry_counter.pckl"):
            (planted / name).write_bytes(pickle.dumps({"runs": Boom(place.folder / "loaded")}))
        port = free_port()
        command = [sys.executable, "-m", "rlhf", "serve", "--port", str(port), "--recipe", "recipe.toml"]
        with (place.folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=place.folder,
                env=place.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        server = Served(place, f"http://127.0.0.1:{port}", *tokens)

        def answers() -> bool:
            try:
                return server.ask("GET", "/ok", None).status_code == 200
            except httpx.HTTPError:
                return False

        try:
            until(answers, "the server to answer", process)
            yield server
        finally:
            if process.poll() is None:
                kill(process)


def test_nothing_is_said_without_a_token_not_even_to_studio(served: Served) -> None:
    for headers in (
        {},
        {"authorization": "Bearer rlhf_0_x"},
        {"authorization": f"Basic {served.operator}"},
        {"x-auth-scheme": "langsmith", "x-api-key": "lsv2_x", "origin": "https://smith.langchain.com"},
    ):
        answer = httpx.post(
            f"{served.url}/threads/search", json={}, headers=headers, trust_env=False, timeout=60
        )
        assert answer.status_code == 401
        assert "rlhf users add NAME" in answer.text
    assert served.ask("POST", "/threads/search", served.operator, json={}).status_code == 200


def test_a_reviewer_sees_and_may_not_start_change_or_delete(served: Served) -> None:
    thread = served.ask("POST", "/threads", served.operator, json={}).json()["thread_id"]
    ann = served.reviewer
    assert served.ask("GET", f"/threads/{thread}", ann).status_code == 200
    assert served.ask("POST", "/assistants/search", ann, json={}).status_code == 200
    run = {"assistant_id": "pipeline", "input": {"prompts": [{"prompt": "Hi."}]}}
    for method, path, body in (
        ("POST", f"/threads/{thread}/runs", run),
        ("POST", "/runs", run),
        (
            "POST",
            f"/threads/{thread}/runs",
            {"assistant_id": "pipeline", "command": {"goto": "deploy", "resume": 1}},
        ),
        ("POST", "/threads", {}),
        ("DELETE", f"/threads/{thread}", None),
        ("PATCH", f"/threads/{thread}", {"metadata": {"a": 1}}),
        ("POST", f"/threads/{thread}/state", {"values": {"adapter_name": "x"}}),
        ("POST", "/assistants", {"graph_id": "pipeline"}),
    ):
        answer = served.ask(method, path, ann, **({} if body is None else {"json": body}))
        assert answer.status_code == 403, (method, path, answer.text)
        assert "ask an operator" in answer.text
    assert served.place.table("runs") == []


def test_a_run_says_who_started_it_and_the_log_says_who_did_what(served: Served) -> None:
    thread = served.ask("POST", "/threads", served.operator, json={}).json()["thread_id"]
    given = {"prompt": "Split $100 between Amazon and CVS.", "response": "Amazon: $60. CVS: $40."}
    path = f"/threads/{thread}/runs"
    run = served.ask("POST", path, served.operator, json={"assistant_id": "judge", "input": given}).json()
    assert run["metadata"]["by"] == "ben"
    served.ask("GET", f"{path}/{run['run_id']}/join", served.operator)
    log = served.place.table("access_log")
    done = {(row["who"], row["role"], row["action"], row["target"]) for row in log if not row["refused"]}
    assert ("ben", "operator", "threads.create_run", thread) in done
    assert not any(value in str(log) for value in (served.operator, served.reviewer))


def test_a_reviewer_answers_reviews_and_an_operator_the_gates_each_by_name(served: Served) -> None:
    thread = served.ask("POST", "/threads", served.operator, json={}).json()["thread_id"]
    path = f"/threads/{thread}/runs/wait"

    def ask(token: str, **body: Any) -> httpx.Response:
        return served.ask("POST", path, token, json={"assistant_id": "pipeline", **body})

    def asked() -> list[Any]:
        [found] = served.ask("GET", f"/threads/{thread}/state", served.reviewer).json()["interrupts"]
        return list(found["value"]["action_requests"])

    ask(served.operator, input={"prompts": served.place.rows(4)}, context={"review": "all"})
    page = asked()
    assert page[0]["name"] == "review_response"
    claims = [{"type": "approve", "reviewer": "the boss"} for _ in page]
    ask(served.reviewer, command={"resume": {"decisions": claims}})
    reviews = [row for row in served.place.table("reviews") if row["run_id"] == thread]
    assert {row["reviewer"] for row in reviews} == {"ann"}

    yes = {"resume": [{"type": "accept", "args": None}]}
    posing = {"configurable": {"langgraph_auth_permissions": ["operator"], "langgraph_auth_user_id": "ben"}}
    for body in ({}, {"config": posing}):
        ask(served.reviewer, command=yes, **body)
        [gate] = asked()
        assert gate["name"] == "approve_training"
        assert "ann is a reviewer; approve_training is answered by an operator" in gate["description"]
        assert served.place.report(thread).status == "waiting"
    history = served.ask("GET", f"/threads/{thread}/history", served.reviewer).json()
    forked = ask(served.reviewer, command=yes, checkpoint=history[-1]["checkpoint"])
    assert forked.status_code == 403
    # What the reviewer sent is no yes that an operator's later answer would bring along.
    report = ask(
        served.operator, command={"resume": {"decisions": [{"type": "reject", "message": "No."}]}}
    ).json()
    assert (report["status"], report["note"]) == ("finished", "Training was rejected by ben. No.")


def test_wrong_tokens_are_in_the_log_and_no_token_is(served: Served) -> None:
    before = len(served.place.table("access_log"))
    assert served.ask("GET", "/threads/1", "rlhf_0_guess").status_code == 401
    [entry] = served.place.table("access_log")[before:]
    assert (entry["who"], entry["action"], entry["refused"]) == ("?", "login", "no valid token")
    assert "guess" not in str(entry)


def test_no_pickle_of_the_working_folder_is_loaded_and_the_recipes_paths_stay_where_they_are(
    served: Served,
) -> None:
    assert not (served.place.folder / "loaded").exists()
    assert (served.place.folder / ".rlhf" / "ledger.sqlite").is_file()
    assert (served.place.folder / ".rlhf" / "server" / ".langgraph_api").is_dir()


def refused(place: Path, *arguments: str) -> str:
    """What `rlhf serve` says when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "rlhf", "serve", *arguments],
        cwd=place,
        env={**os.environ, "RLHF_RECIPE": "local"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done
    return done.stderr


def test_a_port_in_use_is_an_error_and_no_other_is_taken(served: Served, tmp_path: Path) -> None:
    port = served.url.rpartition(":")[2]
    assert f"127.0.0.1:{port} cannot be served on" in refused(tmp_path, "--port", port)


def test_others_are_let_in_only_with_users_encryption_and_a_name(tmp_path: Path) -> None:
    told = refused(tmp_path, "--host", "0.0.0.0")
    assert all(lack in told for lack in ("rlhf users add", "--certificate", "server.hosts"))
    Accounts(tmp_path / ".rlhf").add("ann", "operator", 1)
    told = refused(tmp_path, "--host", "0.0.0.0", "--behind-proxy")
    assert "users add" not in told
    assert "server.hosts" in told
