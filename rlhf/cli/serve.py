"""`rlhf serve`: both graphs on the LangGraph development server, for this machine or for those who have a token."""

import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlhf.cli.app import app, say
from rlhf.cli.common import RecipeOption, chosen_settings

if TYPE_CHECKING:
    from rlhf.state.settings import Settings

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
    "auth": {"path": "rlhf.web.auth:auth", "disable_studio_auth": True},
    "http": {"app": "rlhf.web.app:app", "cors": {"allow_origins": []}},
}


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 2024,
    jobs: Annotated[int, typer.Option(min=1, help="Runs the server works on at once.")] = 4,
    host: Annotated[
        str, typer.Option(help="Address to serve on; another than this machine's needs users.")
    ] = ("127.0.0.1"),
    certificate: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS certificate, PEM; with --key.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Key of the certificate, PEM.")
    ] = None,
    behind_proxy: Annotated[bool, typer.Option(help="A proxy in front of this server speaks TLS.")] = False,
    recipe: RecipeOption = None,
) -> None:
    """Serve the graphs `judge` and `pipeline` for Studio and the SDK."""
    settings = chosen_settings(recipe)  # refuse a bad recipe here, not in a traceback of the server
    home = settings.storage.checkpoint_path.parent.absolute()
    _check_open(settings, host, encrypted=behind_proxy or (certificate is not None and key is not None))
    _check_free(host, port)
    config, folder = _config(home), home / "server"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **_QUIET, "RLHF_FOLDER": str(Path.cwd())}
    environment.setdefault("RLHF_RUBRICS", str(Path("rubrics").absolute()))
    if not Path(environment["RLHF_RUBRICS"]).is_dir():
        del environment["RLHF_RUBRICS"]
    named = recipe or os.environ.get("RLHF_RECIPE")
    if named:
        environment["RLHF_RECIPE"] = str(Path(named).absolute()) if Path(named).exists() else named
    scheme = "https" if certificate else "http"
    say(f"Serving on {scheme}://{host}:{port}; runs are kept in {home}.")
    say(f"Prometheus finds metrics at {scheme}://{host}:{port}/metrics.")
    # -P and a folder of its own: nothing that lies where the operator stands is imported, and no pickle is loaded.
    command = [sys.executable, "-P", "-m", "langgraph_cli", "dev", "--config", str(config)]
    command += ["--host", host, "--port", str(port), "--no-browser", "--no-reload"]
    command += ["--n-jobs-per-worker", str(jobs)]
    if certificate and key:
        command += ["--ssl-certfile", str(certificate.absolute()), "--ssl-keyfile", str(key.absolute())]
    os.chdir(folder)
    os.execve(sys.executable, command, environment)


def _check_open(settings: "Settings", host: str, *, encrypted: bool) -> None:
    """Refuse to be reached from elsewhere without users, encryption and a name that clients call."""
    from rlhf.state.errors import SettingsError
    from rlhf.web.accounts import Accounts

    if host == "localhost" or (_is_address(host) and ip_address(host).is_loopback):
        return
    lacking = []
    if not Accounts(settings.storage.checkpoint_path.parent.absolute()).all():
        lacking.append("users (`rlhf users add NAME --role operator`)")
    if not encrypted:
        lacking.append("TLS (--certificate and --key, or --behind-proxy)")
    if not settings.server.hosts:
        lacking.append("the names clients call it by (server.hosts in the recipe)")
    if lacking:
        raise SettingsError(f"--host {host} opens this server to others; it needs {'; '.join(lacking)}.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _check_free(host: str, port: int) -> None:
    """Refuse a port in use: the server would take another one, and clients would find somebody else."""
    from rlhf.state.errors import InputError

    try:
        [family, kind, protocol, _, address] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be served on ({error.strerror or error}): end what uses it, or give another --port."
        ) from error


def _config(folder: Path) -> Path:
    """The langgraph.json here if it serves our graphs, else one of ours: an installed package has none."""
    here = Path("langgraph.json")
    if here.is_file() and "rlhf.graph.pipeline:graph" in here.read_text(encoding="utf-8"):
        return here.absolute()
    from rlhf.state.files.atomic import write_json

    path = folder / "langgraph.json"
    write_json(path, _CONFIG)
    return path
