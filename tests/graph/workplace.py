"""A folder to run in: recipe, prompts, ledger and checkpoints; the command line and the server as processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import sqlalchemy as sa

from rlhf.nodes.report import run_report
from rlhf.state.ledger import Ledger
from rlhf.state.ledger import tables as t
from rlhf.state.run_report import RunReport
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint, default_script

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
"""Seconds after which something that should happen counts as not happening."""

STREAM_MODES = (
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "events",
    "debug",
    "tasks",
    "checkpoints",
    "custom",
)
"""Every stream mode that the server has."""

RETAILERS = ("Amazon", "Walmart", "Target", "CVS", "Kroger", "Costco", "Instacart")


def until(happened: Callable[[], Any], what: str, watched: subprocess.Popen[str] | None = None) -> Any:
    """Wait for an observable event and return what it gives; fails if it never comes."""
    deadline = time.monotonic() + PATIENCE
    while not (result := happened()):
        if watched is not None and watched.poll() is not None and not (result := happened()):
            raise AssertionError(f"the process ended with {watched.returncode} before {what}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)
    return result


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to this process alone, then wait until its children have noticed."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive, f"{alive} outlived the process that started them ({gone} did not)"


class Trap:
    """A script that answers by the default one and holds back the call it is set for, until let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: Callable[[dict[str, Any]], bool] = lambda body: False
        self._left = 0
        self.sprung = threading.Event()
        self._free = threading.Event()

    def set(self, wanted: Callable[[dict[str, Any]], bool], number: int) -> None:
        """Hold the `number`th call from now (from 1) whose body is `wanted`, and all that follow it."""
        with self._lock:
            self._wanted, self._left = wanted, number
            self.sprung, self._free = threading.Event(), threading.Event()

    def let_go(self) -> None:
        """Answer what is held, and everything from now on."""
        with self._lock:
            self._left = 0
            self._free.set()

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            held = False
            if self._left and self._wanted(request.body):
                held = self._left == 1
                self._left = max(1, self._left - 1)
            sprung, free = self.sprung, self._free
        if held:
            sprung.set()
            free.wait(PATIENCE)
        return default_script(request)


@dataclass
class Workplace:
    """One operator's folder. Everything a run writes is in it."""

    folder: Path
    endpoint: ScriptedEndpoint
    base_model: Path

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.toml"

    @property
    def prompts(self) -> Path:
        return self.folder / "prompts.jsonl"

    def rows(self, count: int = 8) -> list[dict[str, Any]]:
        """Prompts as a client sends them."""
        return [
            {
                "id": f"p{number}",
                "prompt": f"Split a ${2 + number}M budget between {RETAILERS[number % 7]} and "
                f"{RETAILERS[(number + 3) % 7]} and explain.",
            }
            for number in range(count)
        ]

    def prepare(self, count: int = 8, gates: Literal["ask", "auto"] = "ask", **keys: Any) -> "Workplace":
        """Write recipe and prompts; `keys` are section__key = value."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row) for row in self.rows(count)]
        self.prompts.write_text("\n".join(lines) + "\n", encoding="utf-8")
        base_url = {"model": "vllm/scripted", "base_url": self.endpoint.base_url, "concurrency": 4}
        sections: dict[str, dict[str, Any]] = {
            "policy": {**base_url, "max_tokens": 16},
            "judge": {**base_url, "workers": 1, "canaries": 0},
            "pipeline": {
                "num_variations_per_prompt": 3,
                "num_held_out_variations": 1,
                "held_out_fraction": 0.25,
                "output_dir": str(self.folder / "adapters"),
                "dataset_dir": str(self.folder / "data"),
            },
            "review": {"mode": "off"},
            "dataset": {"selection": "margin", "min_margin": 5.0},
            "training": {"base_model": str(self.base_model), "batch_size": 64, "rank": 2},
            "gates": {"training": gates, "deployment": gates},
            "storage": {
                "ledger_url": f"sqlite:///{self.folder / '.rlhf' / 'ledger.sqlite'}",
                "checkpoint_url": f"sqlite:///{self.folder / '.rlhf' / 'checkpoints.sqlite'}",
            },
        }
        for name, value in keys.items():
            section, _, key = name.partition("__")
            sections[section][key] = value
        text = 'task_type = "budgeting"\n'
        for section, values in sections.items():
            text += f"[{section}]\n" + "".join(f"{key} = {json.dumps(v)}\n" for key, v in values.items())
        self.recipe.write_text(text, encoding="utf-8")
        return self

    # --- processes ------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """No keys of anybody's, two threads for torch, nothing that phones home."""
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "TMPDIR", "LANG", "COVERAGE_PROCESS_CONFIG")
            if name in os.environ
        }
        return kept | {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "offline"))),
            "RLHF_RECIPE": str(self.recipe),
            "OMP_NUM_THREADS": "2",
            "LANGGRAPH_CLI_NO_ANALYTICS": "1",
            "LANGGRAPH_NO_VERSION_CHECK": "1",
            "CREWAI_DISABLE_TELEMETRY": "true",
            "CREWAI_TRACING_ENABLED": "false",
            "CREWAI_DISABLE_VERSION_CHECK": "true",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`rlhf …` in this folder; what it says goes to rlhf.log."""
        with (self.folder / "rlhf.log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "rlhf", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    def rlhf(self, *arguments: str, status: int = 0) -> str:
        """`rlhf …` to its end; returns its standard output. Fails unless it ends with `status`."""
        done = subprocess.run(
            [sys.executable, "-m", "rlhf", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == status, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def report(self, run_id: str) -> RunReport:
        """The run as the ledger has it now."""
        ledger = Ledger(f"sqlite:///{self.folder / '.rlhf' / 'ledger.sqlite'}")
        try:
            return run_report(ledger, run_id)
        finally:
            ledger.close()

    @contextmanager
    def server(self) -> Iterator["Server"]:
        """`langgraph dev` on this folder, ready; killed with its group at the end."""
        server = Server.start(self)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                kill(server.process)

    # --- the ledger as it lies on disk ----------------------------------------------------------------

    def table(self, name: str) -> list[dict[str, Any]]:
        """All rows of a ledger's table; none before the ledger is there."""
        path = self.folder / ".rlhf" / "ledger.sqlite"
        if not path.exists():
            return []
        engine = sa.create_engine(f"sqlite:///{path}")
        try:
            with engine.connect() as connection:
                query = sa.select(t.metadata.tables[name])
                return [dict(row) for row in connection.execute(query).mappings()]
        finally:
            engine.dispose()

    def scored(self) -> set[str]:
        """Keys of the verdicts that are finished."""
        return {str(row["key"]) for row in self.table("verdicts") if row["status"] == "scored"}


@dataclass
class Server:
    """A running `langgraph dev`."""

    workplace: Workplace
    process: subprocess.Popen[str]
    url: str

    @classmethod
    def start(cls, workplace: Workplace) -> "Server":
        """Start it and wait until it answers."""
        config = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
        (workplace.folder / "langgraph.json").write_text(json.dumps(config), encoding="utf-8")
        port = free_port()
        command = [sys.executable, "-m", "langgraph_cli", "dev", "--config", "langgraph.json"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--no-browser", "--no-reload"]
        with (workplace.folder / "server.log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                cwd=workplace.folder,
                env=workplace.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        server = cls(workplace, process, f"http://127.0.0.1:{port}")
        try:
            until(server._answers, "the server to answer", process)
        except BaseException:
            if process.poll() is None:
                kill(process)
            raise
        return server

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ok", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def remembers(self, run_id: str) -> bool:
        """Whether the server has written a run of its own to disk: it does so every ten seconds."""
        path = self.workplace.folder / ".langgraph_api" / ".langgraph_ops.pckl"
        pickled = uuid.UUID(run_id).int.to_bytes(16, "little")
        return path.exists() and pickled in path.read_bytes()

    @property
    def log(self) -> str:
        """What the server said."""
        return (self.workplace.folder / "server.log").read_text(encoding="utf-8")


def free_port() -> int:
    """A port that nobody uses at this moment."""
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
