"""The operations page knows every environment variable, exit status and command that the code knows."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from rlhf.cli import app
from rlhf.state.providers import PROVIDERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
HALLS = ("prompts", "state", "nodes", "graph", "training", "rlhf")

_NAMED = (
    r"environ(?:\.get\(|\[|\.setdefault\()\s*[\"']([A-Z_]+)[\"']",  # read
    r"[\"']((?:RLHF|OPENAI|OLLAMA|VLLM|CREWAI|LANGGRAPH|HF|TOKENIZERS|OMP|GOMP)_[A-Z_]+|PYTHONSAFEPATH)[\"']",
    r"^KEY_VARIABLE\b.*\"([A-Z_]+)\"",
    r"api_key_env = \"([A-Z_]+)\"",
)
OF_OTHER_PACKAGES = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}


def sources() -> dict[Path, str]:
    return {
        path: path.read_text(encoding="utf-8")
        for hall in HALLS
        for kind in ("*.py", "*.toml")
        for path in (ROOT / hall).rglob(kind)
    }


def test_the_table_of_environment_variables_is_that_of_the_code() -> None:
    in_code = {provider.key_env for provider in PROVIDERS.values() if provider.key_env}
    for path, text in sources().items():
        if path.suffix == ".toml":
            in_code.update(re.findall(r"\$\{([A-Z_]+)", text))
        in_code.update(name for pattern in _NAMED for name in re.findall(pattern, text, re.MULTILINE))
        in_code.update(f"LANGSMITH_{name}" for name in re.findall(r"\bvariable\(\"([A-Z_0-9]+)\"\)", text))
    [section] = re.findall(r"^## Environment variables\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    in_page = {name for cell in cells for name in re.findall(r"`([A-Z_0-9]+)`", cell)}
    assert in_page - OF_OTHER_PACKAGES == in_code


def test_no_variable_is_read_in_a_way_the_table_would_miss() -> None:
    """`os.environ` with anything but a name in place; the few that do are known, and their names are listed."""
    indirect = {
        str(path.relative_to(ROOT))
        for path, text in sources().items()
        if re.search(r"environ(?:\.get\(|\[)\s*[a-z_.]", text) or "os.getenv" in text
    }
    assert {path.removeprefix("rlhf/") for path in indirect} == {
        "nodes/crews/staff.py",  # a key's variable, as the recipe names it
        "nodes/tracing/client.py",  # LANGSMITH_… and LANGCHAIN_…
        "state/endpoints.py",  # a key's variable, as the recipe names it
        "state/recipe.py",  # ${NAME} in a recipe
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_a_page_shows_are_there(page: Path) -> None:
    known: dict[str, object] = get_command(app).commands  # type: ignore[attr-defined]
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    shown = {name for block in blocks for name in re.findall(r"^rlhf ([a-z-]+)", block, re.MULTILINE)}
    assert shown - set(known) - {"--help"} == set()


def test_options_in_a_page_are_those_of_the_command() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    wrong = []
    for page in PAGES:
        for line in re.findall(r"^rlhf .*$", page.read_text(encoding="utf-8"), re.MULTILINE):
            name, *words = line.split("#")[0].split()[1:]
            command = commands.get(name)
            if words and (sub := getattr(command, "commands", {}).get(words[0])):
                command = sub
            known = {flag for p in getattr(command, "params", ()) for flag in p.opts}
            given = [word for word in words if word.startswith("--")]
            wrong += [f"{page.name}: {line}" for word in given if word not in known | {"--help"}]
    assert wrong == []


def test_the_exit_statuses_of_the_page_are_those_of_the_code() -> None:
    from rlhf.cli.app import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_QA_FAILED, EXIT_WAITING
    from rlhf.state.errors import InputError, RlhfError, SettingsError

    [section] = re.findall(r"^## Exit statuses\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    told = {int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    errors = {InputError.exit_status, SettingsError.exit_status, RlhfError.exit_status}
    assert told == {0, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_QA_FAILED, EXIT_WAITING} | errors
