"""Responses to prompts: from an endpoint, a Python function, or weights on this machine."""
