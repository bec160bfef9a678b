"""Whether LangSmith traces what the graphs do, where to, and through which client.

Tracing is on as LANGSMITH_TRACING (or LANGCHAIN_TRACING_V2, …) says, or as `tracing_to` does; LangGraph then
records its nodes by itself. All of it goes through one client that lets no secret out (`sending`). What
LangGraph cannot see is in `spans`, the judges' scores are in `scores`. While tracing is off all cost nothing.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from rlhf.nodes.tracing.client import Place, Session, place, tracing_client, variable
from rlhf.nodes.tracing.langsmith_internals import anonymizer_of, hides_inputs, hides_outputs
from rlhf.nodes.tracing.redaction import protect
from rlhf.state.settings import Settings

if TYPE_CHECKING:
    from langsmith import Client, RunTree

_log = logging.getLogger("rlhf.tracer")

_TRUE = ("true", "1", "yes", "on")


def environment_traces() -> bool:
    """Whether the environment switches tracing on; V2 names count first, LANGSMITH_ before LANGCHAIN_."""
    return (variable("TRACING_V2") or variable("TRACING") or "").lower() in _TRUE


@contextmanager
def tracing_to(
    enabled: bool | None, project: str | None = None, to: "Place | Client | None" = None
) -> Iterator["Client | None"]:
    """Trace what happens inside to a project (True), nowhere (False), or as it is already settled (None).

    Without `to` it is where things are traced to already, else the environment's place; of somebody's client,
    its place and what it hides are taken.
    Yields the client where this switches tracing on. Without a key for a LangSmith elsewhere it says so once
    and traces nothing. Works around asynchronous code too, but not around the `yield` of a generator.
    """
    from langsmith import tracing_context

    if enabled is None:
        yield None
        return
    to = to or (_client_here() if enabled else None)
    there = to if isinstance(to, Place) else _place_of(to)
    if enabled and not there.usable:
        _say_once("LangSmith tracing is on, but there is no key: set LANGSMITH_API_KEY. Nothing is traced.")
    if not enabled or not there.usable:
        with tracing_context(enabled=False, parent=False):
            yield None
        return
    if isinstance(to, Place | None):
        client = tracing_client(there)
    else:
        client = to if _is_ours(to) else tracing_client(there, anonymizer_of(to))
    with tracing_context(enabled=True, client=client, project_name=project or _project()):
        yield client


@contextmanager
def traced(settings: Settings, metadata: Callable[[], Mapping[str, Any]]) -> Iterator[bool]:
    """Around one run of a graph: whether it is traced, through a client of ours and with this metadata on each run."""
    from langsmith import tracing_context
    from langsmith.run_helpers import get_tracing_context
    from langsmith.utils import tracing_is_enabled

    protect(settings)
    context = get_tracing_context()
    client = _client_here()
    parent: RunTree | None = context["parent"]
    if context["enabled"] is False or not (
        context["enabled"] or parent or environment_traces() or tracing_is_enabled()
    ):
        yield False
        return
    with tracing_to(None if _is_ours(client) else True, context["project_name"], client) as new:
        if new is None and not _is_ours(client):
            yield False
            return
        if parent is not None and new is not None:  # a caller's own trace: go on with it, through our client
            parent = type(parent).from_dotted_order(
                parent.dotted_order, client=new, project_name=parent.session_name
            )
        with tracing_context(
            enabled=True,
            client=new or client,
            parent=parent,
            project_name=parent.session_name if parent else context["project_name"] or _project(),
            tags=context["tags"],
            metadata={**(context["metadata"] or {}), **metadata()},
        ):
            yield True


def install(settings: Settings) -> None:
    """Make ours the client of a whole process in which others start the traces: the server. Blocking."""
    protect(settings)
    to = place()
    if to.usable and environment_traces():
        from langsmith import configure

        configure(client=tracing_client(to))


def current() -> "RunTree | None":
    """The traced run that the caller is a part of, such as its node; None where nothing is traced."""
    from langsmith.run_helpers import get_current_run_tree, get_tracing_context

    run = get_current_run_tree()
    return None if run is None or get_tracing_context()["enabled"] is False else run


def _client_here() -> "Client | None":
    """The client that what happens here is traced through, if any was named."""
    from langsmith.run_helpers import get_tracing_context

    context = get_tracing_context()
    found: Client | None = context["parent"].ls_client if context["parent"] else context["client"]
    return found


def _project() -> str:
    return variable("PROJECT") or variable("SESSION") or "default"


def _is_ours(client: "Client | None") -> bool:
    return client is not None and isinstance(client.session, Session)


def _place_of(client: "Client | None") -> Place:
    """Where somebody else's client sends to; the environment's place if there is none."""
    if client is None:
        return place()
    there = place(client.api_url, client.api_key)
    # A function that hides parts of them would not be asked beside ours: all of them are hidden.
    return there._replace(
        hide_inputs=there.hide_inputs or hides_inputs(client),
        hide_outputs=there.hide_outputs or hides_outputs(client),
    )


@cache
def _say_once(text: str) -> None:
    _log.warning(text)
