"""One generated response, wherever it comes from: an endpoint, a Python function, or weights on this machine."""

from dataclasses import dataclass

from rlhf.nodes.endpoints.problem import Problem


@dataclass(frozen=True)
class Generated:
    """A text, or in `error` why there is none."""

    text: str = ""
    """The response; empty if there is none."""
    error: str | None = None
    """Why there is none, one line."""
    finish_reason: str = ""
    """stop, length, … as the endpoint says; empty where nobody says it."""
    input_tokens: int = 0
    """Tokens of the prompt, where they are known."""
    output_tokens: int = 0
    """Tokens of the response, where they are known."""
    calls: int = 0
    """Calls to an endpoint that it took, retries included; none where there is no endpoint."""
    replaced: int = 0
    """Characters that no text may hold (half a surrogate pair, NUL), replaced by U+FFFD."""
    problem: Problem | None = None
    """What an endpoint's failure means for another try."""
