"""Reads feedback files: what `rlhf judge --json` printed."""

from pathlib import Path

from pydantic import ValidationError

from rlhf.state.errors import InputError, first_mistake
from rlhf.state.records import Feedback


def read_feedback(path: Path) -> list[Feedback]:
    """Feedback as `rlhf judge --json` prints it, one object per line; InputError names the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as text ({getattr(error, 'strerror', None) or error})."
        ) from error
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(Feedback.model_validate_json(line))
            except ValidationError as error:
                raise InputError(
                    f"{path}, line {number}: not feedback as `rlhf judge --json` prints it "
                    f"({first_mistake(error)})."
                ) from error
    if not found:
        raise InputError(f"{path}: holds no feedback.")
    return found
