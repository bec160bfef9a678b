"""A parent killed with -9 leaves nobody behind: neither workers nor the embedded server."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.nodes.conftest import Ask

PARENT = """
import asyncio, sys
from pathlib import Path
from rlhf.nodes.crews.embedded import EmbeddedServer
from rlhf.nodes.crews.pool import CrewPool
from rlhf.nodes.crews.requests import JudgeRequest
from rlhf.state.endpoints import Endpoint

folder = Path(sys.argv[1])
server = EmbeddedServer(Endpoint(provider="local", model="SmolLM2-135M-Instruct"), folder / "server.log")
server.start()
reply = asyncio.run(CrewPool(1, folder).judge(JudgeRequest.model_validate_json(sys.argv[2])))
print(reply.status, flush=True)
sys.stdin.read()
"""


def test_no_child_outlives_a_killed_parent(tmp_path: Path, ask: Ask) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), ask().model_dump_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"scored\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) == 2
        parent.kill()
        gone, alive = psutil.wait_procs(children, timeout=60)
    assert (len(gone), alive) == (2, [])
