"""LangSmith: what is sent of a run, and what never leaves."""
