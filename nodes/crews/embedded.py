"""The embedded judge: llama.cpp's server (xllamacpp) as a child process on a loopback port with a random key.

`python -m rlhf.nodes.crews.embedded MODEL` is the child. It writes `{"base_url"}` once it serves and ends when its
stdin does, so it never outlives its parent. Measured on 2 idle cores: five compact dimensions of a response,
545 tokens to read together, take 1.3 s. Waiting threads sleep rather than spin: spinning is 7 % faster on an
idle machine, and more than ten times slower as soon as any other process is busy.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from rlhf.nodes.concurrency import Closing
from rlhf.state.endpoints import Endpoint
from rlhf.state.errors import EndpointError

KEY_VARIABLE: Final = "EMBEDDED_JUDGE_KEY"
"""Holds the random key of this process's embedded servers, for its worker processes to inherit."""

_CONTEXT: Final = 8192
"""Tokens the model was trained to read; a longer request is refused by the server and fails as a verdict."""


class EmbeddedServer(Closing):
    """The child process. `start` and `close` block: call them in a thread when on an event loop."""

    def __init__(self, endpoint: Endpoint, log: Path) -> None:
        """`endpoint`: the settings' local endpoint, without an address. `log`: file for the server's words."""
        self._endpoint = endpoint
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._base_url = ""

    def start(self) -> Endpoint:
        """Start the server unless it runs; returns the endpoint with address and key variable (about 1.5 s).

        The first start on a machine converts the weights for 5 s. Raises EndpointError, GenerationError.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._base_url = self._launch()
            return self._endpoint.model_copy(update={"base_url": self._base_url, "api_key_env": KEY_VARIABLE})

    def close(self) -> None:
        """End the server."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    def _launch(self) -> str:
        from rlhf.training.judge_weights import judge_weights_path

        os.environ.setdefault(KEY_VARIABLE, secrets.token_urlsafe(32))
        weights = judge_weights_path()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as words:
            self._process = subprocess.Popen(
                # -P: nothing in the folder where the user happens to stand is imported
                [sys.executable, "-P", "-m", "rlhf.nodes.crews.embedded", str(weights)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env={**os.environ, "OMP_WAIT_POLICY": "passive"},
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise EndpointError(f"The embedded judge does not start; {self._log} says why.")
        return str(json.loads(line)["base_url"])


def _serve(model: str) -> None:
    import xllamacpp

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [os.environ[KEY_VARIABLE]]
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0
    params.n_ctx = _CONTEXT
    # One slot: its cache holds persona, prompt and response, and only a dimension's own lines are read anew.
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = 512
    params.cache_ram_mib = 0
    params.n_predict = 512
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(8, cores)
    server = xllamacpp.Server(params)
    print(json.dumps({"base_url": f"{server.listening_address}/v1"}), file=_parent, flush=True)
    sys.stdin.buffer.read()
    sys.stderr.flush()
    os._exit(0)  # a normal end waits for the server's threads


if __name__ == "__main__":
    _parent = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints goes to the log
    _serve(sys.argv[1])
