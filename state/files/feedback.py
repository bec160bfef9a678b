"""Reads feedback files: what `rlhf judge --json` printed."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from rlhf.state.errors import InputError, first_mistake
from rlhf.state.files.encodings import decoded
from rlhf.state.records import Feedback

OF_THE_RESULT: Final = frozenset(
    {"id", "judge", "rubric_version", "template_version", "threshold", "min_coverage", "passed", "why"}
)
"""Keys of a printed result that are not feedback's: which row it is, who judged, what it was held against."""


def read_feedback(path: Path) -> list[Feedback]:
    """Feedback as `rlhf judge --json` prints it, one object per line; InputError names the line that is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read as text ({error.strerror or error}).") from error
    lines = decoded(path, data).split("\n")  # PowerShell writes what is printed as UTF-16
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(Feedback.model_validate(without_the_result(json.loads(line))))
            except (ValidationError, ValueError) as error:
                told = first_mistake(error) if isinstance(error, ValidationError) else "not JSON"
                raise InputError(
                    f"{path}, line {number}: not feedback as `rlhf judge --json` prints it ({told})."
                ) from error
    if not found:
        raise InputError(f"{path}: holds no feedback.")
    return found


def without_the_result(line: Any) -> Any:
    """A printed result without what is not feedback's."""
    if not isinstance(line, dict):
        return line
    return {name: value for name, value in line.items() if name not in OF_THE_RESULT}
