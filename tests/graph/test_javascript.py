"""The JavaScript SDK from the npm registry, under node, against the real server: each stream mode, to a run's end."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.graph.workplace import STREAM_MODES, Server

pytestmark = pytest.mark.timeout(600)

HERE = Path(__file__).parent / "js"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside its packages, installed as the lock file says."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("node and npm are needed in CI")
        pytest.skip("the JavaScript SDK is tried where node and npm are installed")
    folder = tmp_path_factory.mktemp("js")
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip("the JavaScript SDK cannot be installed: npm reaches no registry")
    assert done.returncode == 0, done.stderr
    return folder / "run.mjs"


@pytest.mark.parametrize("mode", STREAM_MODES)
def test_a_javascript_client_follows_and_answers_a_run(program: Path, server: Server, mode: str) -> None:
    command = ["node", str(program), server.url, mode, json.dumps(server.workplace.rows(4))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["waited"], told["asked"]) == ("interrupted", "approve_training")
    assert (told["note"], told["next"]) == ("Training was rejected. from JavaScript", [])
    assert "error" not in told["events"]
    assert server.workplace.report(told["thread"]).status == "finished"
