"""LangGraph's `auth`: who calls the server, what their role lets them do, and the log of it.

Without any user the app belongs to whoever sits at the machine (the guard lets nobody else in). With users, every
call needs a token; Studio's and Agent Inbox's too, as their header "Authorization: Bearer TOKEN".
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from langgraph_sdk import Auth

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import operator
from rlhf.state.errors import RlhfError
from rlhf.state.ledger.access_log import Access
from rlhf.web.accounts import Accounts
from rlhf.web.threads import second_input

LOCAL: Final = "local"
"""Whoever sits at the machine, where there are no users."""

_REVIEWERS: Final = frozenset(
    {
        ("assistants", "read"),
        ("assistants", "search"),
        ("threads", "read"),
        ("threads", "search"),
    }
)
"""What a reviewer may do beside answering; answers to gates are refused by the gate."""
_SEEING: Final = frozenset({"read", "search"})
_SECONDS: Final = 0.25
_MOST_SECONDS: Final = 8.0

auth = Auth()
_failed: Counter[str] = Counter()
"""Wrong tokens in a row, by the address they came from."""


@auth.authenticate
async def authenticate(authorization: str | None, scope: dict[str, Any]) -> Auth.types.MinimalUserDict:
    """Find the user of the token; 401 for a wrong one, later with every further one from the same address."""
    accounts = Accounts(await in_thread(lambda: operator.home))
    if not await in_thread(accounts.all):
        return _known(LOCAL, "operator")
    client = str((scope.get("client") or ("?",))[0])
    scheme, _, token = (authorization or "").partition(" ")
    user = await in_thread(accounts.verified, token.strip()) if scheme.lower() == "bearer" else None
    if user is not None:
        _failed.pop(client, None)
        return _known(user.name, user.role)
    _failed[client] += 1
    await asyncio.sleep(min(_MOST_SECONDS, _SECONDS * 2 ** min(_failed[client] - 1, 10)))
    await _log(Access(who="?", role="", action="login", target=client, refused="no valid token"))
    raise Auth.exceptions.HTTPException(
        status_code=401, detail="A token is needed: `rlhf users add NAME` makes one; send it as Bearer TOKEN."
    )


def _known(name: str, role: str) -> Auth.types.MinimalUserDict:
    return {"identity": name, "display_name": name, "permissions": [role], "is_authenticated": True}


@auth.on
async def decide(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> None:
    """Let an operator do everything and a reviewer see and answer; log what changes something or is refused."""
    role = "operator" if "operator" in ctx.permissions else "reviewer"
    action = f"{ctx.resource}.{ctx.action}"
    target = str(value.get("thread_id") or value.get("assistant_id") or "")
    entry = partial(Access, who=ctx.user.identity, role=role, action=action, target=target)
    if role == "reviewer" and (ctx.resource, ctx.action) not in _REVIEWERS and not _is_answer(ctx, value):
        told = f"A reviewer may see runs and answer reviews, not {action}: ask an operator."
        await _log(entry(refused=told))
        raise Auth.exceptions.HTTPException(status_code=403, detail=told)
    if ctx.action in _SEEING:
        return
    if (ctx.resource, ctx.action) == ("threads", "create_run") and value.get("thread_id") is not None:
        told = await in_thread(second_input, operator, target, value.get("kwargs") or {})
        if told:
            raise Auth.exceptions.HTTPException(status_code=409, detail=told)
    if ctx.action in ("create", "create_run"):
        metadata = value.setdefault("metadata", {})
        if isinstance(metadata, dict):
            metadata["by"] = ctx.user.identity
    await _log(entry())


def _is_answer(ctx: Auth.types.AuthContext, value: Mapping[str, Any]) -> bool:
    """Whether a run does nothing but answer what its thread waits for."""
    if (ctx.resource, ctx.action) != ("threads", "create_run"):
        return False
    given = value.get("kwargs") or {}
    command = given.get("command") or {}
    others = any(command.get(name) for name in ("update", "goto")) or given.get("input")
    # From an older checkpoint it would be a fork, which does again what operators decided since.
    others = others or ((given.get("config") or {}).get("configurable") or {}).get("checkpoint_id")
    return bool(command.get("resume")) and not others and value.get("thread_id") is not None


async def _log(entry: Access) -> None:
    """An access that cannot be logged does not happen: 503."""
    try:
        await in_thread(lambda: operator.ledger.access_log.add(entry))
    except RlhfError as error:
        raise Auth.exceptions.HTTPException(status_code=503, detail=str(error)) from error
