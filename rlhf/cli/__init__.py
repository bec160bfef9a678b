"""The command line. Commands import what they need when they run, so that `rlhf --help` is instant."""

# In the order of the help, and imported to be registered.
# ruff: noqa: F401, I001

from rlhf.cli import (
    run,
    retry,
    review,
    people,
    show,
    reweigh,
    lineage,
    judge,
    evidence,
    agreement,
    calibrate,
    canaries,
    compare,
    monitor,
    datasets,
    push,
    adapters,
    serve,
    users,
    doctor,
    backup,
    recipe,
)
from rlhf.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the console script `rlhf`."""
    app()
