"""Runs: started, followed, resumed, retried, reweighed."""
