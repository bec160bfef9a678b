"""The served app on a real development server: forged requests change nothing, known clients are served."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from langgraph_sdk import get_sync_client

from tests.graph.workplace import Server, Workplace
from tests.rlhf.web.forged import FORGED
from tests.scripted_endpoint import ScriptedEndpoint

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Server]:
    with ScriptedEndpoint() as endpoint:
        place = Workplace(tmp_path_factory.mktemp("web") / "here", endpoint, tiny_model)
        with place.prepare().server() as started:
            yield started


def test_forged_requests_over_the_network_start_answer_and_delete_nothing(server: Server) -> None:
    with get_sync_client(url=server.url) as client:
        thread = client.threads.create()["thread_id"]
    port = server.url.rpartition(":")[2]
    passed = []
    with httpx.Client(trust_env=False, base_url=server.url) as browser:
        for name, (method, path, headers, body) in FORGED.items():
            sent = [(key, value.replace(":2024", f":{port}")) for key, value in headers]
            try:
                answer = browser.request(method, path, headers=sent, content=body or None)
            except (httpx.HTTPError, ValueError):
                continue  # no client can send it, or the server would not read it as a request
            if answer.status_code < 400:
                passed.append((name, answer.status_code, answer.text[:200]))
        for origin in ("https://evil.example", "null"):
            sent = [("origin", origin), ("content-type", "text/plain")]
            assert browser.delete(f"/threads/{thread}", headers=sent).status_code == 403
    assert passed == []
    with get_sync_client(url=server.url) as client:
        assert [found["thread_id"] for found in client.threads.search()] == [thread]
        assert not client.runs.list(thread)
    assert server.workplace.table("runs") == []


def test_studios_requests_pass(server: Server) -> None:
    studio = {
        "origin": "https://smith.langchain.com",
        "sec-fetch-site": "cross-site",
        "x-auth-scheme": "langsmith",
    }
    with httpx.Client(trust_env=False, base_url=server.url, headers=studio) as browser:
        preflight = browser.options(
            "/assistants/search",
            headers={
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type,x-auth-scheme",
                "access-control-request-private-network": "true",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-private-network"] == "true"
        found = browser.post("/assistants/search", json={})
        assert {entry["graph_id"] for entry in found.json()} == {"judge", "pipeline"}
        assert found.headers.get_list("access-control-allow-origin") == ["https://smith.langchain.com"]
        given = {"prompt": "Split $100 between Amazon and CVS.", "response": "Amazon: $60. CVS: $40."}
        assistant = next(entry for entry in found.json() if entry["graph_id"] == "judge")
        run = {
            "assistant_id": assistant["assistant_id"],
            "input": given,
            "stream_mode": ["values", "updates"],
        }
        with browser.stream("POST", "/runs/stream", json=run, timeout=120) as events:
            told = "".join(events.iter_text())
        assert json.loads(told.strip().split("data: ")[-1].partition("\n")[0])["overall_score"] is not None
