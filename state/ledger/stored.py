"""JSON bodies read back, whoever wrote them: an older version, a newer one, or a hand that broke one.

A key that this version does not know is ignored, one that it misses has its default, and a word that only a newer
version knows is unknown here. What cannot be read even so is named, and nothing else suffers from it.
"""

import contextlib
import copy
import json
import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from rlhf.state.errors import LedgerError, first_mistake
from rlhf.state.records import Record, Verdict
from rlhf.state.settings import Settings

_log = logging.getLogger("rlhf.ledger")
_NEW_WORDS = ("enum", "literal_error")

R = TypeVar("R", bound=Record)


class Broken:
    """Stands for what is no JSON at all."""

    def __init__(self, text: str) -> None:
        self.text = text


def loads(text: str | bytes) -> Any:
    """A JSON column's value; a body cut short must not take the other rows of a query with it."""
    try:
        return json.loads(text)
    except ValueError:
        return Broken(str(text))


def stored(kind: type[R], body: Any, where: str, columns: Mapping[str, Any] | None = None) -> R:
    """The body as `kind`; what it misses comes from `columns`, then from the defaults.

    Raises LedgerError naming `where` and the first thing that is wrong.
    """
    if not isinstance(body, Mapping):
        raise _unreadable(where, "no JSON object")
    values = {**(columns or {}), **body}
    try:
        return kind.model_validate(values, extra="ignore")
    except ValidationError as error:
        first = error
    try:
        return kind.model_validate(_without_new_words(values, first), extra="ignore")
    except ValidationError as error:
        raise _unreadable(where, first_mistake(error)) from error


def stored_text(kind: type[R], text: str, where: str, columns: Mapping[str, Any] | None = None) -> R:
    """`stored` for JSON as text, in half the time."""
    try:
        return kind.model_validate_json(text, extra="ignore")
    except ValidationError:
        return stored(kind, loads(text), where, columns)


def stored_or_none(
    kind: type[R], body: Any, where: str, columns: Mapping[str, Any] | None = None
) -> R | None:
    """The body as `kind`; None, and a line in the log, where it cannot be read."""
    try:
        return stored(kind, body, where, columns)
    except LedgerError as error:
        _log.warning("%s It is left out.", error)
        return None


def read_verdict(row: Any) -> Verdict | None:
    """A row of the verdicts; None, and a line in the log, where it cannot be read: it is asked for again."""
    columns = {
        "key": row.key,
        "response_key": row.response_key,
        "dimension": row.dimension,
        "status": row.status,
        "score": row.score,
    }
    unknown = dict.fromkeys(("model", "rubric_version", "template_version"), "unknown")
    return stored_or_none(Verdict, row.body, f"verdict {row.key}", columns | unknown)


def stored_settings(body: Any, where: str) -> tuple[Settings, tuple[str, ...]]:
    """A run's settings, and the keys among them that this version does not know.

    What a run does must not be guessed: a value that is unknown here raises LedgerError naming its key.
    """
    if not isinstance(body, Mapping):
        raise _unreadable(where, "no JSON object")
    try:
        return Settings.model_validate(body), ()
    except ValidationError as error:
        new = [entry["loc"] for entry in error.errors() if entry["type"] == "extra_forbidden"]
    try:
        settings = Settings.model_validate(body, extra="ignore")
    except ValidationError as error:
        raise _unreadable(where, first_mistake(error)) from error
    return settings, tuple(".".join(map(str, place)) for place in new)


def _unreadable(where: str, why: str) -> LedgerError:
    return LedgerError(f"{where[0].upper()}{where[1:]} cannot be read: {why}. Was another version at work?")


def _without_new_words(values: Mapping[str, Any], error: ValidationError) -> Mapping[str, Any]:
    left = copy.deepcopy(dict(values))
    for mistake in reversed(error.errors(include_url=False, include_input=False)):
        *path, last = mistake["loc"]
        if mistake["type"] in _NEW_WORDS:
            holder: Any = left
            with contextlib.suppress(LookupError, TypeError):  # not a place in the data, but in the schema
                for step in path:
                    holder = holder[step]
                del holder[last]
    return left
