"""Which ledger holds a run: noted in the working folder when it begins, so that every command finds it again.

    .rlhf/index/RUN/KEY.json   a ledger that holds a run of that name, and its recipe; KEY is the ledger's own

The usual ledger needs no note. An address with a password is not written down: its recipe is named instead.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhf.state.errors import InputError, RlhfError
from rlhf.state.files.atomic import write_json
from rlhf.state.keys import content_key
from rlhf.state.ledger import Ledger
from rlhf.state.ledger.database import holds_password, ledger_format
from rlhf.state.recipe import choose_recipe
from rlhf.state.settings import StorageSettings

_FOLDER = Path(".rlhf") / "index"
_USUAL = StorageSettings().ledger_url
_log = logging.getLogger("rlhf.ledger")


def note_run(run_id: str, ledger_url: str, recipe: str | None = None) -> None:
    """Note that this ledger holds the run; `recipe`: the file or name it comes from, where that is known."""
    if ledger_url == _USUAL:
        return
    note = {"ledger_url": None if holds_password(ledger_url) else ledger_url, "recipe": recipe}
    try:
        write_json(_FOLDER / run_id / f"{content_key(ledger_url)[:12]}.json", note)
    except OSError as error:  # the run does not depend on it
        _log.warning(
            "%s cannot be written (%s): name the recipe to go on with the run.", _FOLDER, error.strerror
        )


def is_noted(run_id: str) -> bool:
    """Whether a run of this name is noted here."""
    return bool(_noted(run_id))


def ledger_url_of(run_id: str, recipe: str | None = None) -> str:
    """The ledger that holds the run: the named recipe's, else one noted for it here, else that of the recipe in use.

    InputError if several ledgers hold a run of this name.
    """
    in_use = choose_recipe(recipe).settings.storage.ledger_url
    if recipe is not None:
        return in_use
    noted = _noted(run_id)
    # One file may be noted by its absolute path and be in use by its relative one.
    apart = {_file_of(url): url for url in reversed([*noted, in_use])}
    holding = [url for url in apart.values() if _holds(url, run_id)] if noted else []
    if len(holding) > 1:
        recipes = sorted({noted[url] or "" for url in holding if url in noted} - {""})
        named = f": {', '.join(recipes)}" if recipes else ""
        raise InputError(f"{len(holding)} ledgers hold a run {run_id}: say which with --recipe{named}.")
    return holding[0] if holding else in_use


def known_ledgers(recipe: str | None = None) -> list[str]:
    """The named recipe's ledger; without one that of the recipe in use and every other noted here. Existing ones."""
    in_use = choose_recipe(recipe).settings.storage.ledger_url
    found = [in_use] if ledger_format(in_use) is not None else []
    if recipe is not None:
        return found
    noted = {url for place in sorted(_FOLDER.glob("*")) for url in _noted(place.name)}
    others = {_file_of(url): url for url in sorted(noted) if _file_of(url) != _file_of(in_use)}
    return found + [url for url in others.values() if _is_there(url)]


@contextmanager
def ledger_of_run(run_id: str, recipe: str | None = None) -> Iterator[Ledger]:
    """The ledger that holds the run, open."""
    ledger = Ledger(ledger_url_of(run_id, recipe))
    try:
        yield ledger
    finally:
        ledger.close()


def _file_of(url: str) -> str:
    """The same for the same ledger, whichever way its file is named."""
    scheme, separator, path = url.partition(":///")
    return f"{scheme}{separator}{Path(path).resolve()}" if scheme.startswith("sqlite") and path else url


def _noted(run_id: str) -> dict[str, str | None]:
    """The ledgers noted for a run of this name, with their recipes."""
    found: dict[str, str | None] = {}
    # The name comes from outside: only a folder of exactly that name counts.
    places = [place for place in _FOLDER.glob("*") if place.name == run_id]
    for path in (path for place in places for path in sorted(place.glob("*.json"))):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            recipe = note.get("recipe")
            url = note.get("ledger_url") or choose_recipe(recipe).settings.storage.ledger_url
            found[str(url)] = recipe
        except (OSError, ValueError, AttributeError, RlhfError) as error:
            _log.warning("%s does not name a ledger: %s", path, error)
    return found


def _is_there(url: str) -> bool:
    try:
        return ledger_format(url) is not None
    except RlhfError as error:
        _log.warning("%s", error)
        return False


def _holds(url: str, run_id: str) -> bool:
    if not _is_there(url):
        return False
    ledger = Ledger(url)
    try:
        return ledger.has_run(run_id)
    finally:
        ledger.close()
