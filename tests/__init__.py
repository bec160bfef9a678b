"""The tests; a package, so that they can share the scripted endpoint and be started as `python -m tests.…`."""
