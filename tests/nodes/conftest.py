"""What tests of nodes share: one pool of judges (a worker imports CrewAI for seconds) and an endpoint."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rlhf.nodes.crews.pool import CrewPool
from rlhf.nodes.crews.requests import ChatMessage, JudgeRequest
from rlhf.nodes.endpoints.lane import Patience
from rlhf.state.endpoints import Endpoint
from tests.scripted_endpoint import ScriptedEndpoint

HASTE = Patience(first_wait=0.001, longest_wait=0.004, longest_retry_after=5.0)

Ask = Callable[..., JudgeRequest]


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrewPool]:
    """Two workers that wait milliseconds between tries."""
    with CrewPool(2, tmp_path_factory.mktemp("crews"), HASTE) as pool:
        yield pool


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    """A scripted endpoint; tests set its `script`."""
    with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def ask(endpoint: ScriptedEndpoint) -> Ask:
    """Builds requests to the scripted endpoint."""

    def ask(number: int = 1, dimension: str = "accuracy", **changes: Any) -> JudgeRequest:
        settings: dict[str, Any] = {
            "provider": "vllm",
            "model": "scripted",
            "base_url": endpoint.base_url,
            "timeout": 30.0,
        }
        settings |= {key: changes.pop(key) for key in list(changes) if key in Endpoint.model_fields}
        dimensions = changes.pop("dimensions", [dimension])
        return JudgeRequest(
            response_key=f"response-{number}",
            dimensions=dimensions,
            role="Budget Optimization Expert",
            goal="Judge budgets.",
            backstory="You have planned budgets for years.",
            messages=[
                ChatMessage(role="system", content="You judge."),
                ChatMessage(role="user", content=f"Response {number}. Dimension: {dimension}."),
            ],
            endpoint=Endpoint(**settings),
            **changes,
        )

    return ask
