"""The guard: what any page in the operator's browser could send is refused; the real clients are served."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.state.settings import ServerSettings
from rlhf.web.guard import MAX_DEPTH, is_deep
from tests.rlhf.web.conftest import Ask
from tests.rlhf.web.forged import CROSS, EVIL, FORGED, HOST, JSON, RUN


@pytest.mark.parametrize("name", FORGED)
def test_nothing_that_a_page_could_forge_reaches_the_server(ask: Ask, name: str) -> None:
    method, path, headers, body = FORGED[name]
    answer = ask(method, path, headers, body)
    assert not answer.reached
    assert answer.status >= 400
    assert "access-control-allow-origin" not in answer.headers


def test_at_least_sixty_shapes_are_tried() -> None:
    assert len(FORGED) >= 60


def test_a_websocket_is_closed_unless_it_is_opened(ask: Ask) -> None:
    path = "/threads/1/stream/events"
    assert ask(path=path, kind="websocket").status == 1008
    assert ask(path=path, kind="websocket", headers=(HOST, EVIL)).status == 1008
    opened = ServerSettings(open_routes=["websocket"])
    assert ask(path=path, kind="websocket", settings=opened).reached
    assert not ask(path=path, kind="websocket", headers=(HOST, EVIL), settings=opened).reached


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:2024", "localhost:8123", "[::1]:2024", "127.1.2.3"])
def test_this_machine_is_served_under_each_of_its_names(ask: Ask, host: str) -> None:
    assert ask(headers=(("host", host),)).reached
    assert ask("POST", "/runs", (("host", host), ("origin", f"http://{host}"), JSON), RUN).received == RUN


def test_the_operator_lists_further_names_and_pages(ask: Ask) -> None:
    listed = ServerSettings(hosts=["Judges.example"], origins=["http://localhost:3000"])
    assert ask(headers=(("host", "judges.example:443"),), settings=listed).reached
    assert ask("POST", "/runs", (HOST, ("origin", "http://localhost:3000"), JSON), RUN, listed).reached
    assert not ask(
        "POST", "/runs", (HOST, ("origin", "https://smith.langchain.com"), JSON), RUN, listed
    ).reached


@pytest.mark.parametrize("wrong", ["*", "https://*.example", "https://a.example/", "a.example", "null"])
def test_an_origin_is_listed_whole(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        ServerSettings(origins=[wrong])


@pytest.mark.parametrize(
    ("route", "path"),
    [("store", "/store/items"), ("crons", "/runs/crons"), ("mcp", "/mcp"), ("a2a", "/a2a/x")],
)
def test_the_operator_opens_a_route(ask: Ask, route: Any, path: str) -> None:
    assert not ask("POST", path, (HOST, JSON), b"{}").reached
    assert ask("POST", path, (HOST, JSON), b"{}", ServerSettings(open_routes=[route])).reached


def test_studio_is_let_in_with_the_preflight_that_a_browser_sends_to_a_private_address(ask: Ask) -> None:
    studio = ("origin", "https://smith.langchain.com")
    preflight = ask(
        "OPTIONS",
        "/threads/search",
        (
            HOST,
            studio,
            CROSS,
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-auth-scheme"),
            ("access-control-request-private-network", "true"),
        ),
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == studio[1]
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert "x-auth-scheme" in preflight.headers["access-control-allow-headers"]
    answer = ask("POST", "/threads/search", (HOST, studio, CROSS, JSON), b"{}")
    assert answer.reached
    assert answer.headers["access-control-allow-origin"] == studio[1]


def test_a_person_may_follow_a_link_to_a_page(ask: Ask) -> None:
    link = (HOST, CROSS, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
    assert ask(path="/docs", headers=link).reached


def test_a_body_comes_in_parts_and_is_handed_on_whole(ask: Ask) -> None:
    parts = [RUN[:5], RUN[5:9], RUN[9:]]
    assert ask("POST", "/runs", (HOST, JSON), parts).received == RUN


def test_a_body_has_a_limit_whatever_it_says_of_its_length(ask: Ask) -> None:
    small = ServerSettings(max_body_bytes=1024)
    answer = ask("POST", "/runs", (HOST, JSON), [b'"' + b"x" * 600, b"x" * 600 + b'"'], small)
    assert (answer.status, answer.reached) == (413, False)


def test_a_call_without_a_body_needs_no_type(ask: Ask) -> None:
    assert ask("POST", "/threads/1/runs/2/cancel", (HOST, ("content-length", "0"))).reached


def test_a_misspelt_context_key_is_refused_with_the_right_one(ask: Ask) -> None:
    answer = ask("POST", "/threads/1/runs", (HOST, JSON), b'{"context": {"min_score_aceptable": 80}}')
    assert answer.status == 422
    assert answer.detail == "context: unknown key 'min_score_aceptable'; did you mean min_score_acceptable?"
    assert ask("POST", "/threads/1/runs", (HOST, JSON), b'{"context": {"min_score_acceptable": 80}}').reached


def test_requests_are_counted_but_not_the_supervisors(ask: Ask) -> None:
    import asyncio

    from rlhf.web.guard import Guard, Refusal

    guard = Guard(lambda *_: asyncio.sleep(0), ServerSettings)
    rules = ServerSettings(requests_per_minute=2)
    for _ in range(5):
        guard._refuse_haste(rules, {"path": "/ok"})
    for _ in range(2):
        guard._refuse_haste(rules, {"path": "/threads"})
    with pytest.raises(Refusal, match="2 requests in a minute"):
        guard._refuse_haste(rules, {"path": "/threads"})


def test_every_answer_carries_the_headers_that_keep_a_browser_in_bounds(ask: Ask) -> None:
    for answer in (ask(), ask(headers=(HOST, EVIL))):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "content-security-policy" not in ask(path="/docs").headers


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_depth_is_that_of_the_value_whatever_its_strings_hold(value: object) -> None:
    def depth(part: object) -> int:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    text, levels = json.dumps(value, ensure_ascii=False).encode(), depth(value)
    assert not is_deep(text, levels)
    if levels:
        assert is_deep(text, levels - 1)
    assert is_deep(b"[" * (MAX_DEPTH + 1), MAX_DEPTH)
