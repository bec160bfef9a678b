"""The judges: CrewAI crews in worker processes, reached through one pool that owns order, retries and limits."""
