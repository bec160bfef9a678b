"""The command line. Commands import what they need when they run, so that `rlhf --help` is instant."""

from rlhf.cli import (  # noqa: F401, I001 - in the help's order
    run,
    retry,
    review,
    people,
    show,
    reweigh,
    judge,
    agreement,
    canaries,
    compare,
    monitor,
    datasets,
    adapters,
    serve,
    doctor,
    recipe,
)
from rlhf.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the console script `rlhf`."""
    app()
