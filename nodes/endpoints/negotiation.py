"""Asks an endpoint in the richest dialect it takes, finds that out from its refusals, and remembers it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from rlhf.nodes.endpoints.complaint import Complaint
from rlhf.nodes.endpoints.dialect import Dialect, first_dialect
from rlhf.nodes.endpoints.problem import Problem
from rlhf.nodes.endpoints.protocol import CallFailed, Completion, Rejected
from rlhf.nodes.endpoints.refusals import problem_of
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import FailureKind

_REPEATS: Final = 2
"""How often an answer that came out badly is asked for again as it was, before another form is tried."""

_MOST: Final = 12
"""Calls that one question may cost before its refusals count as the endpoint's fault."""

Body = Callable[[Dialect], dict[str, Any]]
Send = Callable[[Mapping[str, Any]], Awaitable[Completion]]


class Dialects:
    """What each endpoint was found to take, shared by all who ask it from one process."""

    def __init__(self) -> None:
        self._known: dict[str, Dialect] = {}

    def of(self, endpoint: Endpoint) -> Dialect:
        """The dialect to begin with."""
        return self._known.get(endpoint.identity) or first_dialect(endpoint)

    async def complete(self, endpoint: Endpoint, body: Body, send: Send) -> Completion:
        """A completion of the request that `body` makes in a dialect. Raises CallFailed.

        A part is left out for good only where the request without it succeeded and the server had named it, or had
        refused the same request twice without naming anything. An answer of the model that came out badly (Groq's
        json_validate_failed) is asked for again as it was, and teaches nothing.
        """
        known = dialect = lesson = self.of(endpoint)
        badly = unnamed = calls = 0
        while True:
            request = body(dialect)
            calls += 1
            try:
                completion = await send(request)
            except CallFailed as failed:
                failed.calls = calls
                raise
            except Rejected as rejected:
                complaint = rejected.complaint
                taught = lesson
                if rejected.is_about_one_answer:
                    badly += 1
                    simpler = dialect if badly <= _REPEATS else _plainer(dialect, request, body)
                elif (simpler := dialect.simpler(complaint)) and body(simpler) != request:
                    taught = lesson.simpler(complaint) or lesson
                elif named := [
                    name for name in endpoint.extra_body if complaint.says(rf"\b{name.lower()}\b")
                ]:
                    raise CallFailed(_of_extra_body(endpoint, complaint, named), calls) from rejected
                else:
                    unnamed += 1
                    simpler = dialect if unnamed == 1 else _plainer(dialect, request, body)
                    taught = simpler if simpler and unnamed > 1 and not badly else lesson
                if simpler is None or calls >= _MOST:
                    raise CallFailed(_in_the_end(endpoint, rejected), calls) from rejected
                dialect, lesson = simpler, taught
                continue
            if lesson != known:
                self._known[endpoint.identity] = lesson
            return completion


def _plainer(dialect: Dialect, request: Mapping[str, Any], body: Body) -> Dialect | None:
    """The next plainer dialect in which the request is another one."""
    plainer = dialect.plainer()
    while plainer is not None and body(plainer) == request:
        plainer = plainer.plainer()
    return plainer


def _in_the_end(endpoint: Endpoint, rejected: Rejected) -> Problem:
    """The failure that is left when there is nothing more to leave out."""
    problem = problem_of(endpoint, rejected.complaint)
    if rejected.is_about_one_answer:
        return problem.model_copy(update={"kind": FailureKind.UNPARSABLE, "final": True})
    message = f"{endpoint.shown} rejects the request (HTTP {problem.status}): {rejected.complaint.text}."
    final = rejected.complaint.status < 500
    return problem.model_copy(update={"message": message, "final": final, "status": 400})


def _of_extra_body(endpoint: Endpoint, complaint: Complaint, named: list[str]) -> Problem:
    message = (
        f"{endpoint.shown} does not take {', '.join(named)} of extra_body (HTTP {complaint.status}): "
        f"{complaint.text}."
    )
    return Problem(kind=FailureKind.ENDPOINT_ERROR, message=message, status=400, final=True)
