"""The names of LangSmith's client that are not public and that this project needs: what somebody's client hides.

pyproject.toml bounds LangSmith to the series these were tried with; tests/nodes/tracing/test_langsmith_internals.py
fails where one of them is gone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langsmith import Client

Anonymizer = Callable[[dict[str, Any]], dict[str, Any]]


def anonymizer_of(client: "Client") -> Anonymizer | None:
    """What the client passes everything through before it is sent."""
    return client._anonymizer


def hides_inputs(client: "Client") -> bool:
    """Whether the client keeps inputs, or parts of them, to itself."""
    return client._hide_inputs is not False


def hides_outputs(client: "Client") -> bool:
    """Whether the client keeps outputs, or parts of them, to itself."""
    return client._hide_outputs is not False
