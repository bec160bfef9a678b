"""The way to LangSmith: one warning when it fails, never a delay for the run, two seconds at most at the end.

LangSmith's client speaks through a `requests.Session`. Ours makes each request on a thread that nobody has to
wait for. When the endpoint cannot be reached, refuses the key or does not answer, it says so once and takes
traces silently away for a while, so that the client neither retries nor logs.
"""

import functools
import io
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests

from rlhf.nodes.tracing.langsmith_internals import Anonymizer
from rlhf.nodes.tracing.redaction import error_without_texts, redacted
from rlhf.nodes.tracing.threading_internals import at_the_end
from rlhf.state.endpoints import on_this_machine

if TYPE_CHECKING:
    from langsmith import Client

_log = logging.getLogger("rlhf.tracer")

_AT_THE_END: Final = 1.2
"""Seconds from the end of the main program during which requests may still go out."""
_PATIENCE: Final = 20.0
"""Seconds a request may take altogether, with its retries."""
_PAUSE: Final = 30.0
"""Seconds after a failure during which traces are dropped before LangSmith is tried again."""

# A LangSmith that cannot be asked is assumed to be like the hosted one.
_ASSUMED: Final = b'{"version": "", "instance_flags": {"zstd_compression_enabled": true}}'


class Place(NamedTuple):
    """A LangSmith endpoint, the key to it, and what is kept back from it."""

    url: str
    key: str | None
    hide_inputs: bool
    hide_outputs: bool

    @property
    def usable(self) -> bool:
        """Whether there is a key, or none is needed because the endpoint is on this machine."""
        return bool(self.key) or on_this_machine(self.url)


def variable(name: str) -> str | None:
    """The value of LANGSMITH_name, else of LANGCHAIN_name; read anew, which LangSmith's own look-up is not."""
    for prefix in ("LANGSMITH_", "LANGCHAIN_"):
        if value := os.environ.get(prefix + name, "").strip().strip("\"'"):
            return value
    return None


def place(url: str | None = None, key: str | None = None, *, hide_texts: bool = False) -> Place:
    """The endpoint the environment names, or another; LANGSMITH_HIDE_INPUTS and _OUTPUTS are always honoured."""
    return Place(
        (url or variable("ENDPOINT") or "https://api.smith.langchain.com").rstrip("/"),
        key or variable("API_KEY"),
        hide_texts or (variable("HIDE_INPUTS") or "").lower() == "true",
        hide_texts or (variable("HIDE_OUTPUTS") or "").lower() == "true",
    )


@functools.lru_cache(maxsize=16)
def tracing_client(place: Place, also: Anonymizer | None = None) -> "Client":
    """The client that traces to a place, one per process; what leaves goes through `also` too.

    Starts a thread; reads files at first use.
    """
    return new_client(place, also)


def new_client(place: Place, also: Anonymizer | None = None, *, tracing: bool = True) -> "Client":
    """A client through which no secret leaves; without `tracing` it starts no thread and warns of nothing."""
    from langsmith import Client
    from langsmith.utils import LangSmithRetry

    ours = error_without_texts if place.hide_inputs and place.hide_outputs else redacted
    retries = LangSmithRetry(  # of this name, so that the client keeps urllib3 from logging each try
        total=2,
        connect=1,
        read=1,
        status_forcelist=[408, 425, 429, 500, 502, 503, 504],
        backoff_factor=0.3,
        allowed_methods=None,
        raise_on_status=False,
        raise_on_redirect=False,
    )
    return Client(
        place.url,
        api_key=place.key,
        session=Session(place.url, warns=tracing),
        retry_config=retries,
        anonymizer=ours if also is None else lambda value: ours(also(value)),
        hide_inputs=place.hide_inputs or None,
        hide_outputs=place.hide_outputs or None,
        auto_batch_tracing=tracing,
        disable_prompt_cache=True,
    )


class Session(requests.Session):
    """Requests to one LangSmith endpoint, none of which holds anybody up."""

    def __init__(self, url: str, *, warns: bool) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._shown = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self.trust_env = not on_this_machine(url)  # loopback never goes through a proxy
        _watch_for_the_end()
        self._lock = threading.Lock()
        self._warned = not warns
        self._shut_until = 0.0

    @property
    def failed(self) -> bool:
        """Whether traces were lost."""
        return self._warned

    @property
    def shut(self) -> bool:
        """Whether LangSmith failed a moment ago and is left alone for a while."""
        return time.monotonic() < self._shut_until

    def request(  # type: ignore[override]  # what is not looked at here is handed on as it came
        self, method: str, url: str, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """As `requests` does; but traces that cannot be delivered count as accepted, after one warning."""
        path = urlsplit(url).path
        traces = method == "POST" and path.endswith(("/runs/multipart", "/runs/batch"))
        if not traces and not path.endswith("/info"):
            return self._made(lambda: super(Session, self).request(method, url, *args, **kwargs))
        if self.shut:
            return _silent(traces)
        kwargs["timeout"] = (3, 10)
        try:
            answer = self._made(lambda: super(Session, self).request(method, url, *args, **kwargs))
        except requests.exceptions.ConnectionError as error:
            reason = "does not answer" if "Read timed out" in str(error) else "cannot be reached"
        except (requests.exceptions.Timeout, TimeoutError):
            reason = "does not answer"
        except requests.exceptions.RequestException as error:
            reason = f"cannot be called ({type(error).__name__})"
        else:
            if answer.status_code < 400 or answer.status_code in (404, 409):
                return answer  # 404: the client falls back to the older way; 409: it is there already
            reason = f"answers HTTP {answer.status_code}"
            if answer.status_code in (401, 403):
                reason = f"refuses the key (HTTP {answer.status_code}): check LANGSMITH_API_KEY"
        self._give_up(reason)
        return _silent(traces)

    def _made(self, send: Callable[[], requests.Response]) -> requests.Response:
        """The answer; TimeoutError if there is none in time, or shortly after the main program has ended."""
        brought: list[requests.Response] = []
        raised: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                brought.append(send())
            except BaseException as error:
                raised.append(error)
            done.set()

        deadline = time.monotonic() + _PATIENCE
        if _left() <= 0:
            raise TimeoutError("The program has ended.")
        threading.Thread(target=work, name="langsmith", daemon=True).start()
        while not done.wait(0.05):
            if time.monotonic() > deadline or _left() <= 0:
                raise TimeoutError(f"{self._shown} did not answer in time.")
        if raised:
            raise raised[0]
        return brought[0]

    def _give_up(self, reason: str) -> None:
        with self._lock:
            self._shut_until = time.monotonic() + _PAUSE
            first, self._warned = not self._warned, True
        if first:
            _log.warning("LangSmith at %s %s. Traces are lost; the run goes on.", self._shown, reason)


_ended: list[float] = []
"""When the main program ended."""


@functools.cache
def _watch_for_the_end() -> None:
    # Before threads are waited for: they may be the ones that wait for LangSmith.
    at_the_end(lambda: _ended.append(time.monotonic()))


def _left() -> float:
    """Seconds in which requests may still go out."""
    return _ended[0] + _AT_THE_END - time.monotonic() if _ended else _AT_THE_END


def _silent(traces: bool) -> requests.Response:
    """What the client takes for success."""
    answer = requests.Response()
    answer.status_code = 202 if traces else 200
    answer.raw = io.BytesIO(b"{}" if traces else _ASSUMED)
    return answer
