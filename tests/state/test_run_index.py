"""A run is found by its name alone, whichever ledger holds it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rlhf.state.errors import InputError
from rlhf.state.ledger import Ledger
from rlhf.state.recipe import load_recipe
from rlhf.state.run_index import is_noted, known_ledgers, ledger_of_run, ledger_url_of, note_run
from tests.nodes.builders import new_run, prompt_rows

USUAL = "sqlite:///.rlhf/ledger.sqlite"
OWN = "sqlite:///my place/ledger.sqlite"

Register = Callable[[str, str], None]


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Registers a run in a ledger and notes it, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def registered(run_id: str, url: str) -> None:
        ledger = Ledger(url)
        new_run(ledger, prompt_rows(1), load_recipe("local"), run_id)
        ledger.close()
        note_run(run_id, url)

    return registered


def recipe(path: str, url: str) -> str:
    Path(path).write_text(
        f'[policy]\nmodel = "local"\n[judge]\nmodel = "local"\n[storage]\nledger_url = "{url}"\n'
    )
    return path


def test_a_run_in_a_ledger_of_its_own_is_found(register: Register) -> None:
    register("here", USUAL)
    register("there", OWN)
    assert ledger_url_of("here") == USUAL
    assert ledger_url_of("there") == OWN
    with ledger_of_run("there") as ledger:
        assert ledger.run("there").adapter_name == "plans"
    assert known_ledgers() == [USUAL, OWN]


def test_a_run_nobody_noted_is_looked_for_in_the_recipe_in_use(register: Register) -> None:
    register("there", OWN)
    with pytest.raises(InputError, match=r"There is no run 'nowhere'"), ledger_of_run("nowhere") as ledger:
        ledger.run("nowhere")
    assert not is_noted("nowhere")
    assert not is_noted("..")


def test_of_two_runs_of_one_name_the_recipe_says_which(register: Register) -> None:
    register("same", USUAL)
    register("same", OWN)
    note_run("same", OWN, "mine.toml")
    recipe("mine.toml", OWN)
    with pytest.raises(
        InputError, match=r"^2 ledgers hold a run same: say which with --recipe: mine\.toml\.$"
    ):
        ledger_url_of("same")
    assert ledger_url_of("same", "mine.toml") == OWN


def test_a_ledger_that_is_gone_is_passed_over_and_not_made_anew(register: Register) -> None:
    register("here", USUAL)
    register("here", OWN)
    Path("my place/ledger.sqlite").unlink()
    assert ledger_url_of("here") == USUAL
    assert known_ledgers() == [USUAL]
    assert not Path("my place/ledger.sqlite").exists()


def test_a_password_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    note_run("r", "postgresql+psycopg://me:hidden@db/ledger", recipe("shared.toml", OWN))
    notes = [path.read_text() for path in Path(".rlhf").rglob("*.json")]
    assert len(notes) == 1
    assert "hidden" not in notes[0]
    assert is_noted("r")
    assert known_ledgers() == []  # what the recipe names is not there yet
    Ledger(OWN).close()
    assert known_ledgers() == [OWN]


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"ledger_url": null, "recipe": "gone.toml"}'])
def test_a_note_that_cannot_be_read_is_no_note(text: str, register: Register) -> None:
    register("there", OWN)
    [note] = Path(".rlhf/index/there").iterdir()
    note.write_text(text)
    assert ledger_url_of("there") == USUAL


def test_a_folder_that_cannot_be_written_stops_no_run(register: Register) -> None:
    Path(".rlhf").write_text("a file")
    note_run("r", OWN)
    assert not is_noted("r")


def test_one_file_under_two_names_is_one_ledger(register: Register, tmp_path: Path) -> None:
    absolute = f"sqlite:///{tmp_path / '.rlhf' / 'ledger.sqlite'}"
    register("one", absolute)
    with ledger_of_run("one") as ledger:
        assert ledger.run("one").adapter_name == "plans"
    assert len(known_ledgers()) == 1
