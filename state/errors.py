"""The errors people see: one class per phase, each a plain line that names the way out."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST_KEY: Final = 80
"""Characters of a key's name that an error shows."""


class RlhfError(RuntimeError):
    """Base of every expected error; its text is meant for people and holds no secret.

    A RuntimeError, because the server shows clients the words of the standard kinds alone.
    """

    exit_status = 4


class SettingsError(RlhfError):
    """A recipe or an option is wrong; raised before anything runs."""

    exit_status = 2


class InputError(RlhfError):
    """Prompts, names or files from outside cannot be used as given."""

    exit_status = 2


class LedgerError(RlhfError):
    """The ledger cannot be opened, read or written."""


class EndpointError(RlhfError):
    """A model endpoint cannot be reached or refuses to serve."""


class GenerationError(RlhfError):
    """No responses could be generated."""


class JudgingError(RlhfError):
    """The judges cannot work at all (a single failed verdict is data, not this)."""


class DatasetError(RlhfError):
    """No usable preference dataset could be built."""


class TrainingError(RlhfError):
    """Training did not finish."""


class EvaluationError(RlhfError):
    """The adapter could not be compared with its baseline."""


class DeploymentError(RlhfError):
    """An adapter could not be stored, promoted or rolled back."""


def first_mistake(error: "ValidationError", whole: str = "") -> str:
    """The first thing wrong with data from outside, as "key: what"; `whole` names data that is wrong as a whole.

    Tells no value: what was given may be a secret.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(shown_key(str(part)) for part in first["loc"]) or whole
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{key}: {what}" if key else what


def shown_key(name: str) -> str:
    """The name of a key as a line can hold it: somebody else wrote it."""
    name = name if len(name) <= _LONGEST_KEY else f"{name[:_LONGEST_KEY]}…"
    return name if name.isprintable() else repr(name)
