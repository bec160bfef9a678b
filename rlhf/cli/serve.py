"""`rlhf serve`: both graphs on the LangGraph development server, on this machine only."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rlhf.cli.app import app, say
from rlhf.cli.common import RecipeOption, chosen_settings

_QUIET = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "1",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}

# The same as langgraph.json in the repository. rlhf.web.guard says who may call, and answers for the origins.
_CONFIG = {
    "dependencies": ["."],
    "graphs": {"judge": "rlhf.graph.judge:graph", "pipeline": "rlhf.graph.pipeline:graph"},
    "checkpointer": {"path": "rlhf.graph.checkpoints.make"},
    "http": {"app": "rlhf.web.app:app", "cors": {"allow_origins": []}},
}


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 2024,
    jobs: Annotated[int, typer.Option(min=1, help="Runs the server works on at once.")] = 4,
    recipe: RecipeOption = None,
) -> None:
    """Serve the graphs `judge` and `pipeline` for Studio and the SDK."""
    settings = chosen_settings(recipe)  # refuse a bad recipe here, not in a traceback of the server
    config = _config(settings.storage.checkpoint_path.parent)
    environment = {**os.environ, **_QUIET}
    if recipe:
        environment["RLHF_RECIPE"] = str(Path(recipe).absolute()) if Path(recipe).exists() else recipe
    say(f"Serving on http://127.0.0.1:{port}; runs are kept in {settings.storage.checkpoint_path.parent}.")
    say(f"Prometheus finds metrics at http://127.0.0.1:{port}/metrics.")
    # -P: what lies in this folder is imported neither for the server's own packages nor for ours.
    command = [sys.executable, "-P", "-m", "langgraph_cli", "dev", "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-browser", "--no-reload"]
    command += ["--n-jobs-per-worker", str(jobs)]
    os.execve(sys.executable, command, environment)


def _config(folder: Path) -> Path:
    """The langgraph.json here if it serves our graphs, else one of ours: an installed package has none."""
    here = Path("langgraph.json")
    if here.is_file() and "rlhf.graph.pipeline:graph" in here.read_text(encoding="utf-8"):
        return here
    from rlhf.state.files.atomic import write_json

    path = folder / "langgraph.json"
    write_json(path, _CONFIG)
    return path
