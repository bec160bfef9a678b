"""Who works on a run: one process at a time, and its death frees the run."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rlhf.state.errors import InputError, RlhfError
from rlhf.state.locks import Held, file_lock

if TYPE_CHECKING:
    from rlhf.nodes.services import Services
    from rlhf.state.ledger import RunRow


def is_in_use(run: "RunRow") -> bool:
    """Whether some process works on the run right now."""
    try:
        with _locked(_lock_file(run), run.run_id):
            return False
    except InputError:
        return True


@contextmanager
def run_lock(services: "Services", run_id: str) -> Iterator[None]:
    """Hold the run for this process; InputError if another one does. Its death frees the run."""
    services.run_folder(run_id)
    with _locked(_lock_file(services.run(run_id)), run_id):
        yield


def _lock_file(run: "RunRow") -> Path:
    return run.settings.storage.checkpoint_path.parent / "runs" / run.run_id / "lock"


@contextmanager
def _locked(path: Path, run_id: str) -> Iterator[None]:
    if not path.parent.is_dir():
        yield
        return
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(path, wait=0.0))
        except Held as error:
            raise InputError(f"Run {run_id} is in use by another process.") from error
        except OSError as error:
            raise RlhfError(f"{path} cannot be locked: {error.strerror}.") from error
        yield
