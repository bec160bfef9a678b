"""The package as its users have it: the wheel, and an editable install, each in an environment of its own."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.graph.workplace import ROOT

ROOMS = ("graph", "nodes", "prompts", "rlhf", "state", "training")
"""The folders at the root that make the package."""

TRAPS = ("state.py", "graph.py", "training.py", "nodes/__init__.py", "prompts/__init__.py")
"""What a user may well have beside a script, and what our own folders are called."""
NEIGHBOURS = ("tests/__init__.py", "examples/__init__.py", "benchmarks/__init__.py", "utils.py")
OF_THE_DEPENDENCIES = ("datasets.py", "openai.py", "textstat.py", "requests.py")
"""Names of packages that we import. A script's own folder comes first for Python, a working folder does not."""


def copied_source(target: Path) -> Path:
    """A copy of what is built from, links kept as links, beside the folders that must not be installed."""
    for folder in (*ROOMS, "src", "examples"):
        shutil.copytree(
            ROOT / folder,
            target / folder,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
    (target / "tests").mkdir()
    (target / "tests" / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


def built_wheel(source: Path) -> Path:
    """The wheel of `source`."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [wheel] = (source / "dist").glob("rlhf_graph-*.whl")
    return wheel


def unpacked(wheel: Path, target: Path) -> Path:
    """`target` with the wheel's content."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@dataclass(frozen=True)
class Environment:
    """A virtual environment that sees the dependencies installed here, but for this package."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *what: str) -> "Environment":
        """Make it and install `what` (pip's arguments) into it, without asking any index."""
        venv.create(folder, symlinks=True)
        made = cls(folder)
        shared = [path for path in sys.path if path.endswith("-packages")]
        [packages] = folder.glob("lib/python*/site-packages")
        # Last in the alphabet, so that what is installed here comes first. Their .pth files are not followed.
        (packages / "zz_shared.pth").write_text("".join(f"{path}\n" for path in shared))
        command = [sys.executable, "-m", "pip", "--python", str(made.python), "install", "--quiet"]
        command += ["--no-deps", "--no-index", "--no-build-isolation", *what]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return made

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def rlhf(self) -> Path:
        """The command a user types."""
        return self.folder / "bin" / "rlhf"

    @property
    def variables(self) -> dict[str, str]:
        """Nobody's keys; on the path is nothing but what keeps tests off the network."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        return kept | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT / "tests" / "offline")}

    def run(self, *command: str | Path, cwd: Path) -> str:
        """Run a command to its end; returns its standard output. Fails unless it succeeds."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout


def set_traps(folder: Path, *names: str) -> None:
    """Write modules that note down, beside themselves, who imported them, and raise."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "import pathlib, sys\n"
            f"with pathlib.Path({str(folder / 'sprung.txt')!r}).open('a') as stream:\n"
            f"    stream.write({name!r} + ' in ' + ' '.join(sys.orig_argv) + '\\n')\n"
            f"raise RuntimeError('a user has {name} and somebody imported it')\n"
        )


def sprung(folder: Path) -> str:
    """What `set_traps` caught."""
    path = folder / "sprung.txt"
    return path.read_text() if path.exists() else ""
