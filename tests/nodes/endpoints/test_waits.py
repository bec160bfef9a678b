"""How long a server asks to be left alone, in all the ways in which servers say so."""

import email.utils
import time

import pytest

from rlhf.nodes.endpoints.waits import wait_in_body, wait_in_headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-4"}, None),
        ({}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "17ms"}, 0.017),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
            },
            360.0,
        ),
        ({"x-ratelimit-reset-requests": "8h0m0s", "x-ratelimit-reset-tokens": "2s"}, 2.0),
        ({"X-RateLimit-Reset": "7"}, 7.0),
    ],
)
def test_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_in_headers(headers) == seconds


def test_points_in_time_to_come() -> None:
    then = time.time() + 3600
    for name, value in (
        ("retry-after", email.utils.formatdate(then, usegmt=True)),
        ("x-ratelimit-reset", str(int(then * 1000))),
        ("x-ratelimit-reset", str(int(then))),
        ("anthropic-ratelimit-tokens-reset", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))),
    ):
        wait = wait_in_headers({name: value})
        assert wait is not None, value
        assert 3000 < wait <= 3600


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("Please retry in 38.2s.", 38.2),
        ("Please try again in 1m3.5s. Visit the console", 63.5),
        ("Try again in 6ms.", 0.006),
        ("Rate limit exceeded, please wait 12 seconds before the next request", 12.0),
        ("Please retry after 5 minutes", 300.0),
        ("Please retry shortly", None),
        ("Limit 7000, Used 0, Requested 12903", None),
    ],
)
def test_sentences(sentence: str, seconds: float | None) -> None:
    assert wait_in_body(None, sentence) == seconds


def test_googles_retry_delay() -> None:
    body = [
        {"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}]}}
    ]
    assert wait_in_body(body, "") == 38.0
