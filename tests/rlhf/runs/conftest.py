"""A model folder that is enough where only tokens are counted, as for the nodes."""

from tests.nodes.conftest import model

__all__ = ["model"]
