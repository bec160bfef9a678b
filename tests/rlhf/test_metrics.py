"""What Prometheus scrapes from a real development server: the ledger's figures beside the server's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from prometheus_client.parser import text_string_to_metric_families

from rlhf.prompts.rubric import load_pack
from tests.graph.workplace import Server, Workplace
from tests.scripted_endpoint import (
    Reply,
    Request,
    ScriptedEndpoint,
    default_script,
    is_judge_call,
    refusal,
)

pytestmark = pytest.mark.timeout(600)

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]

CLARITY = load_pack("budgeting").dimensions["clarity"].question


def no_clarity(request: Request) -> Reply:
    """The judge of clarity refuses; the others answer."""
    refused = is_judge_call(request.body) and CLARITY in request.text
    return refusal(request) if refused else default_script(request)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Server]:
    with ScriptedEndpoint(no_clarity) as endpoint:
        place = Workplace(tmp_path_factory.mktemp("metrics") / "here", endpoint, tiny_model)
        with place.prepare().server() as started:
            yield started


def scraped(server: Server) -> Figures:
    answer = httpx.get(f"{server.url}/metrics", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_ledgers_figures_are_scraped_beside_the_servers_own(server: Server) -> None:
    def figure(name: str, **labels: str) -> float:
        return figures[name, frozenset(labels.items())]

    figures = scraped(server)
    assert figure("rlhf_ledger_up") == 1.0
    assert figure("rlhf_runs", status="waiting") == 0.0
    assert figure("rlhf_tokens_total", stage="judging", direction="in") == 0.0
    assert any(not name.startswith("rlhf_") for name, _ in figures)

    with get_sync_client(url=server.url) as client:
        thread = str(client.threads.create()["thread_id"])
        given: dict[str, Any] = {"prompts": server.workplace.rows(), "adapter_name": "planner"}
        client.runs.wait(thread, "pipeline", input=given)
    figures = scraped(server)
    report = server.workplace.report(thread)
    judged = report.stages.feedback
    assert figure("rlhf_runs", status="waiting") == 1.0
    assert figure("rlhf_verdicts", status="scored", kind="") == 4 * judged.num_feedback
    assert figure("rlhf_verdicts", status="failed", kind="refused") == judged.num_failed > 0
    calls = [figure("rlhf_calls_total", stage=stage) for stage in ("generation", "judging")]
    assert sum(calls) == report.usage.calls
    assert figure("rlhf_calls_total", stage="generation") == report.stages.generation.num_responses
    tokens = [
        figure("rlhf_tokens_total", stage=stage, direction="out") for stage in ("generation", "judging")
    ]
    assert sum(tokens) == report.usage.output_tokens
    assert figure("rlhf_cached_verdicts_total") == report.usage.cached
    assert figure("rlhf_average_score", task_type="budgeting") == judged.avg_score
    assert figure("rlhf_average_rating", task_type="budgeting") == judged.avg_rating
    assert figure("rlhf_coverage", task_type="budgeting") == judged.coverage
    assert figure("rlhf_alerts", task_type="budgeting") >= 1.0, "clarity is not covered"
    assert ("rlhf_drift_psi", frozenset({("task_type", "budgeting")})) not in figures, "nothing was before"

    for path in ("/ok", "/docs", "/openapi.json"):
        assert httpx.get(server.url + path, trust_env=False).status_code == 200
    assert "Blocking" not in server.log
