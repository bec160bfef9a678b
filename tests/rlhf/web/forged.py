"""Requests as a page in the operator's browser, or a program beside it, could forge them."""

import json

from tests.rlhf.web.conftest import Headers

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
