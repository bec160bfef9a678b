"""A LangSmith on loopback: speaks the real ingest protocol and keeps what arrives, for tests to read.

    with LangSmithReceiver() as langsmith:            # or the fixture `langsmith`
        ... LANGSMITH_ENDPOINT=langsmith.url ...
        [root] = langsmith.finished()

`mode` makes it fail: "refuse" (HTTP 401 or 403), "silent" (accepts connections and never answers), "broken" (500).
"""

import email
import gzip
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

import zstandard

Mode = Literal["well", "refuse", "silent", "broken"]


@dataclass
class Received:
    """One run, as its post and its patches add up."""

    id: str
    fields: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError as error:
            raise AttributeError(name) from error

    @property
    def parent(self) -> str | None:
        return self.fields.get("parent_run_id")

    @property
    def metadata(self) -> dict[str, Any]:
        return dict((self.fields.get("extra") or {}).get("metadata") or {})


class LangSmithReceiver:
    """Serves from `__enter__` to `__exit__`."""

    def __init__(self, mode: Mode = "well", status: int = 401, version: str = "0.16.20") -> None:
        self.mode: Mode = mode
        self.status = status
        self.version = version
        self.lock = threading.RLock()
        self.runs: dict[str, Received] = {}
        self.feedback: list[dict[str, Any]] = []
        self.projects: dict[str, dict[str, Any]] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.examples: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path, headers (names in lower case) and the decoded body of each request."""
        self.closing = threading.Event()
        receiver = self

        class Handler(_Handler):
            langsmith = receiver

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """What LANGSMITH_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget(self) -> None:
        """Empty it of runs, feedback and requests."""
        with self.lock:
            self.runs.clear()
            self.feedback.clear()
            self.requests.clear()

    def roots(self, project: str | None = None) -> list[Received]:
        """Runs without a parent, oldest first."""
        with self.lock:
            found = [run for run in self.runs.values() if run.parent is None]
        found = [run for run in found if project is None or run.session_name == project]
        return sorted(found, key=lambda run: str(run.start_time))

    def children(self, run: Received, name: str | None = None) -> list[Received]:
        """The runs directly under a run, oldest first."""
        with self.lock:
            found = [child for child in self.runs.values() if child.parent == run.id]
        found = [child for child in found if name is None or child.name == name]
        return sorted(found, key=lambda child: str(child.dotted_order))

    def named(self, name: str) -> list[Received]:
        """All runs of a name, oldest first."""
        with self.lock:
            return sorted(
                (run for run in self.runs.values() if run.fields.get("name") == name),
                key=lambda run: str(run.start_time),
            )

    def everything(self) -> str:
        """All that ever arrived, as text: for looking whether a secret is in it."""
        with self.lock:
            bodies = [body.decode("utf-8", "replace") for _, _, _, body in self.requests]
        return "\n".join(bodies)

    def until(self, happened: Callable[["LangSmithReceiver"], Any]) -> Any:
        """Wait for something to arrive; fails after half a minute."""
        deadline = time.monotonic() + 30
        while not (result := happened(self)):
            assert time.monotonic() < deadline, "it never arrived"
            time.sleep(0.02)
        return result

    def finished(self, traces: int = 1) -> list[Received]:
        """The roots, as soon as that many have arrived and every run has ended."""

        def all_ended(here: "LangSmithReceiver") -> bool:
            with here.lock:
                ended = all(run.fields.get("end_time") for run in here.runs.values())
            return len(here.roots()) == traces and ended

        self.until(all_ended)
        return self.roots()


def forget_langsmith() -> None:
    """Forget what this process remembers of a LangSmith."""
    from langsmith.utils import get_env_var, get_tracer_project

    from rlhf.nodes.tracing import client, scores

    get_env_var.cache_clear()  # type: ignore[attr-defined]  # overloads hide its cache
    get_tracer_project.cache_clear()
    scores._judged.clear()
    scores._project_id.cache_clear()
    client.tracing_client.cache_clear()


class _Handler(BaseHTTPRequestHandler):
    langsmith: LangSmithReceiver
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def _serve(self) -> None:
        here = self.langsmith
        body = _decoded(
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            self.headers.get("Content-Encoding", ""),
        )
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with here.lock:
            here.requests.append((self.command, parts.path, headers, body))
        if here.mode == "silent":
            here.closing.wait(120)
            self.close_connection = True
            return
        if here.mode != "well":
            self._answer({"detail": "no"}, here.status if here.mode == "refuse" else 500)
            return
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with here.lock:
            self._answer(*_route(here, self.command, parts.path, query, headers, body))

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body) if encoding == "gzip" else body


def _route(
    here: LangSmithReceiver,
    method: str,
    path: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> tuple[Any, int]:
    example_path = re.fullmatch(r"/v1/platform/datasets/([0-9a-f-]+)/examples", path)
    match method, path:
        case "GET", "/info":
            return _info(here), 200
        case "POST", "/runs/multipart":
            for name, value in _parts(headers["content-type"], body):
                _ingest(here, name, value)
            return {}, 202
        case "POST", "/runs/batch":
            batch = json.loads(body)
            for kind in ("post", "patch"):
                for run in batch.get(kind) or []:
                    _run(here, run["id"]).fields.update({k: v for k, v in run.items() if v is not None})
            return {}, 202
        case "POST", "/feedback":
            here.feedback.append(json.loads(body))
            return here.feedback[-1], 200
        case "GET", "/sessions":
            known = [p for p in here.projects.values() if query.get("name") in (None, p["name"])]
            return [
                _project(here, p, stats=query.get("include_stats", "").lower() == "true") for p in known
            ], 200
        case "POST", "/sessions":
            name = json.loads(body)["name"]
            if name in here.projects:
                return {"detail": "exists"}, 409
            return _project(here, _new_project(here, name), stats=False), 200
        case "GET", "/datasets":
            return [d for d in here.datasets.values() if query.get("name") in (None, d["name"])], 200
        case "POST", "/datasets":
            asked = json.loads(body)
            if any(d["name"] == asked["name"] for d in here.datasets.values()):
                return {"detail": "exists"}, 409
            dataset = {"id": str(uuid.uuid4()), "created_at": _now(), "modified_at": _now(), **asked}
            here.datasets[dataset["id"]] = dataset
            return dataset, 200
        case "GET", "/examples":
            wanted = [e for e in here.examples.values() if e["dataset_id"] == query.get("dataset")]
            start = int(query.get("offset", 0))
            return wanted[start : start + int(query.get("limit", 100))], 200
        case "GET", "/settings":
            return {"id": str(uuid.uuid4()), "display_name": "Tests", "created_at": _now()}, 200
        case "POST", _ if example_path:
            ids = []
            for name, value in _parts(headers["content-type"], body):
                example_id, _, key = name.partition(".")
                if example_id not in here.examples:
                    ids.append(example_id)
                    example = {"id": example_id, "dataset_id": example_path[1], "created_at": _now()}
                    here.examples[example_id] = {**example, "inputs": {}, "outputs": {}}
                here.examples[example_id].update({key: value} if key else value)
            return {"example_ids": ids, "count": len(ids)}, 201
    return {"detail": f"no such path: {method} {path}"}, 404


def _info(here: LangSmithReceiver) -> dict[str, Any]:
    return {
        "version": here.version,
        "instance_flags": {"zstd_compression_enabled": True, "dataset_examples_multipart_enabled": True},
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
        },
    }


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, Any]]:
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        yield str(name), json.loads(part.get_payload(decode=True))  # type: ignore[union-attr, arg-type]


def _ingest(here: LangSmithReceiver, name: str, value: Any) -> None:
    kind, run_id, *key = name.split(".")
    if kind == "feedback":
        here.feedback.append(value)
    elif kind in ("post", "patch"):
        run = _run(here, run_id)
        run.fields.update({key[0]: value} if key else {k: v for k, v in value.items() if v is not None})
        _new_project(here, run.fields.get("session_name") or "default")


def _run(here: LangSmithReceiver, run_id: str) -> Received:
    return here.runs.setdefault(run_id, Received(run_id))


def _new_project(here: LangSmithReceiver, name: str) -> dict[str, Any]:
    return here.projects.setdefault(name, {"id": str(uuid.uuid4()), "name": name})


def _project(here: LangSmithReceiver, project: dict[str, Any], *, stats: bool) -> dict[str, Any]:
    """The project with the figures LangSmith computes from its root runs."""
    told = {"reference_dataset_id": None, "tenant_id": str(uuid.UUID(int=1)), "start_time": _now(), **project}
    if not stats:
        return told
    roots = here.roots(project["name"])
    ended = [run for run in roots if run.fields.get("end_time")]
    seconds = sorted(
        (_time(run.end_time) - _time(run.start_time)).total_seconds() for run in ended if run.end_time
    )
    usages = [
        run.metadata["usage_metadata"]["total_tokens"]
        for run in here.runs.values()
        if run.fields.get("session_name") == project["name"] and "usage_metadata" in run.metadata
    ]
    scores: dict[str, list[float]] = {}
    for each in here.feedback:
        if each.get("session_id") == project["id"] and each.get("score") is not None:
            scores.setdefault(each["key"], []).append(each["score"])
    return told | {
        "run_count": len(roots),
        "error_rate": sum(bool(run.fields.get("error")) for run in roots) / len(roots) if roots else None,
        "latency_p50": seconds[len(seconds) // 2] if seconds else None,
        "total_tokens": sum(usages),
        "feedback_stats": {
            key: {"n": len(found), "avg": sum(found) / len(found)} for key, found in scores.items()
        },
    }


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat()
