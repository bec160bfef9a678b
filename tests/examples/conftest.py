"""A place to run the examples in."""

from tests.rlhf.conftest import endpoint, recipe, tiny_model, workplace

__all__ = ["endpoint", "recipe", "tiny_model", "workplace"]
