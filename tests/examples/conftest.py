"""A place to run the examples in."""

from tests.rlhf.conftest import endpoint, recipe, workplace

__all__ = ["endpoint", "recipe", "workplace"]
