"""The guard: what any page in the operator's browser could send is refused; the real clients are served."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.state.settings import ServerSettings
from rlhf.web.guard import MAX_DEPTH, is_deep
from tests.rlhf.web.conftest import Ask, Headers

HOST = ("host", "127.0.0.1:2024")
JSON = ("content-type", "application/json")
EVIL = ("origin", "https://evil.example")
CROSS = ("sec-fetch-site", "cross-site")
RUN = json.dumps({"assistant_id": "pipeline", "input": {}}).encode()

FORGED: dict[str, tuple[str, str, Headers, bytes]] = {
    # A simple request needs no preflight: any page may send one.
    **{
        f"{kind} with a foreign origin starts a run": (
            "POST",
            "/runs",
            (HOST, EVIL, ("content-type", kind)),
            RUN,
        )
        for kind in (
            "text/plain",
            "text/plain;charset=UTF-8",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json",
        )
    },
    **{
        f"{kind or 'no type'} without an origin starts a run": (
            "POST",
            "/runs",
            (HOST, *((("content-type", kind),) if kind else ())),
            RUN,
        )
        for kind in (
            "",
            "text/plain",
            "text/json",
            "application/json-patch+json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/csp-report",
            "application/jsonx",
            "text/plain; application/json",
            "*/*",
        )
    },
    **{
        f"origin {origin!r} answers a gate": (
            "POST",
            "/threads/1/runs",
            (HOST, ("origin", origin), JSON),
            b'{"command": {"resume": 1}}',
        )
        for origin in (
            "null",
            "",
            "https://evil.example",
            "http://evil.example:2024",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1:3000",
            "http://localhost:2024.evil.example",
            "https://smith.langchain.com.evil.example",
            "https://evil.example/https://smith.langchain.com",
            "http://smith.langchain.com",
            "https://smith.langchain.com:444",
            "HTTPS://SMITH.LANGCHAIN.COM ",
            "file://",
            "chrome-extension://abc",
            "http://127.0.0.1:2024@evil.example",
        )
    },
    **{
        f"host {host!r} reads everything": ("GET", "/threads", (("host", host),), b"")
        for host in (
            "evil.example",
            "evil.example:2024",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "evil.example#127.0.0.1",
            "localhost.evil.example",
            "0.0.0.0:2024",
            "10.0.0.1",
            "[::ffff:10.0.0.1]:2024",
            "169.254.169.254",
            "2130706433.evil",
            "127.0.0.1:99999999",
            "127.0.0.1\tevil",
            "",
        )
    },
    "no host": ("GET", "/threads", (), b""),
    "two hosts": ("GET", "/threads", (HOST, ("host", "evil.example")), b""),
    "two origins": ("POST", "/runs", (HOST, ("origin", "https://smith.langchain.com"), EVIL, JSON), RUN),
    "two content types": ("POST", "/runs", (HOST, ("content-type", "text/plain"), JSON), RUN),
    "an image of another site": (
        "GET",
        "/threads",
        (HOST, CROSS, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")),
        b"",
    ),
    "a frame of another site": (
        "GET",
        "/docs",
        (HOST, CROSS, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")),
        b"",
    ),
    "a form of another site": (
        "POST",
        "/runs",
        (HOST, CROSS, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), JSON),
        RUN,
    ),
    "a page of another port": ("GET", "/threads", (HOST, ("sec-fetch-site", "same-site")), b""),
    "a preflight of another site": (
        "OPTIONS",
        "/runs",
        (HOST, EVIL, ("access-control-request-method", "POST")),
        b"",
    ),
    **{
        f"{method} {path}": (method, path, (HOST, *((JSON,) if body else ())), body)
        for method, path, body in (
            ("POST", "/runs/crons", b"{}"),
            ("POST", "/threads/1/runs/crons", b"{}"),
            ("DELETE", "/runs/crons/1", b""),
            ("PUT", "/store/items", b"{}"),
            ("POST", "/store/items/search", b"{}"),
            ("POST", "/mcp", b"{}"),
            ("POST", "/mcp/", b"{}"),
            ("POST", "/a2a/pipeline", b"{}"),
            ("POST", "/internal/truncate", b"{}"),
            ("GET", "/ui/pipeline", b""),
            ("GET", "//store/items", b""),
            ("GET", "/x/../store/items", b""),
            ("GET", "/threads/../store/items", b""),
            ("GET", "/store%2fitems", b""),
            ("GET", "/profile", b""),
            ("GET", "/noauth/threads", b""),
            ("TRACE", "/threads", b""),
            ("PROPFIND", "/threads", b""),
            ("CONNECT", "/threads", b""),
        )
    },
    "a compressed body": ("POST", "/runs", (HOST, JSON, ("content-encoding", "gzip")), RUN),
    "a body that is no JSON": ("POST", "/runs", (HOST, JSON), b"assistant_id=pipeline"),
    "a body of endless depth": ("POST", "/runs", (HOST, JSON), b"[" * 100_000),
    "a body longer than said": ("POST", "/runs", (HOST, JSON, ("content-length", "9" * 30)), RUN),
    "a length that is no number": ("POST", "/runs", (HOST, JSON, ("content-length", "-1")), RUN),
    "a webhook": ("POST", "/runs", (HOST, JSON), b'{"webhook": "http://169.254.169.254/"}'),
    "a webhook in a batch": ("POST", "/runs/batch", (HOST, JSON), b'[{"webhook": "http://10.0.0.1/"}]'),
    "a webhook in a command": ("POST", "/threads/1/commands", (HOST, JSON), b'{"params": {"webhook": "x"}}'),
}


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
    assert levels == 0 or is_deep(text, levels - 1)
    assert is_deep(b"[" * (MAX_DEPTH + 1), MAX_DEPTH)
