"""Results of judging a file, one per row: whether each passes a gate and why not, and the file that keeps them."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhf.state.errors import InputError
from rlhf.state.files.feedback import without_the_result
from rlhf.state.records import Feedback


@dataclass(frozen=True)
class Gate:
    """What a response must reach to pass."""

    threshold: float
    """Least overall score, 0–100."""
    min_coverage: float = 1.0
    """Least weight of the dimensions that were judged, 0–1: a score of a part is no score of the whole."""

    def why_not(self, feedback: Feedback) -> str:
        """Why the response does not pass, one line; empty if it does."""
        if feedback.overall_score is None:
            return f"not judged: {first_error(feedback)}"
        if feedback.coverage < self.min_coverage - 1e-9:
            share = f"judged on {percent(feedback.coverage)} of its weight only"
            return f"{share}: {first_error(feedback)}"
        if feedback.overall_score < self.threshold:
            return f"score {feedback.overall_score:.1f} is below {self.threshold:g}"
        return ""


@dataclass(frozen=True)
class JudgeId:
    """Who judged and what was asked; a result of another judge or version is another result."""

    judge: str
    """Identity of the judge (`JudgeSettings.known_as`)."""
    rubric_version: str
    """Version of the rubric pack."""
    template_version: str
    """Version of all that is asked besides."""


@dataclass(frozen=True)
class Result:
    """One row's feedback, and who gave it."""

    id: str
    """The row's own id, or its number."""
    judge: JudgeId
    feedback: Feedback

    def as_json(self, gate: Gate) -> dict[str, Any]:
        """The result as `rlhf judge --json` prints it: feedback, and what it was held against."""
        why = gate.why_not(self.feedback)
        return {
            "id": self.id,
            "judge": self.judge.judge,
            "rubric_version": self.judge.rubric_version,
            "template_version": self.judge.template_version,
            "threshold": gate.threshold,
            "min_coverage": gate.min_coverage,
            "passed": not why,
            "why": why,
            **self.feedback.model_dump(mode="json"),
        }


def percent(share: float) -> str:
    """A share for people, never rounded up: 100 % is all of it."""
    return f"{math.floor(share * 100 + 1e-9)} %"


def first_error(feedback: Feedback) -> str:
    """The reason of the first dimension that could not be judged; whether there are others."""
    failed = {name: part for name, part in feedback.dimensions.items() if part.score is None}
    if not failed:
        return "no dimension was judged"
    reasons = {part.error or part.rationale or "no reason is known" for part in failed.values()}
    names = ", ".join(failed) if len(failed) < len(feedback.dimensions) else "every dimension"
    return f"{names}: {sorted(reasons)[0]}"


class ResultsFile:
    """A file of results, one JSON object a line, that grows as they come and goes on where it was left."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a last line that was cut off is dropped. InputError if it is no file of results."""
        self._path = path
        self._known: dict[tuple[str, str, JudgeId], dict[str, Any]] = {}
        self._torn = False
        for line in self._lines():
            self._known[_key(line)] = line
        self._open()

    def known(self, id: str, response_id: str, judge: JudgeId) -> Feedback | None:
        """The feedback this judge has given on the row, if it was judged whole; None if it must be asked for."""
        line = self._known.get((id, response_id, judge))
        if line is None:
            return None
        feedback = Feedback.model_validate(without_the_result(line))
        return feedback if feedback.coverage >= 1.0 else None

    def add(self, result: Result, gate: Gate) -> None:
        """Append a result; it is on the disk before the next one is waited for."""
        line = result.as_json(gate)
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()
        self._known[_key(line)] = line

    def close(self) -> None:
        """Close the file, with one line for each row: the newest, where a row was asked for twice."""
        self._stream.close()
        from rlhf.state.files.atomic import write_atomic

        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._known.values())
        write_atomic(self._path, lines.encode())

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("a", encoding="utf-8", newline="\n")
            if self._torn:
                self._stream.write("\n")
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror}).") from error

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self._path}: cannot be read as results ({error}).") from error
        self._torn = bool(text) and not text.endswith("\n")
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                _key(value)
                yield value
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):
                    return  # cut off while it was written
                raise InputError(
                    f"{self._path}, line {number}: not a result of `rlhf judge --out`; name another file."
                ) from error


def _key(line: Mapping[str, Any]) -> tuple[str, str, JudgeId]:
    judge = JudgeId(line["judge"], line["rubric_version"], line["template_version"])
    return line["id"], line["response_id"], judge


def summary_of(results: Iterable[Result], gate: Gate) -> tuple[int, int, int]:
    """How many results there are, how many do not pass, and how many of those were not judged (whole)."""
    total = failing = unjudged = 0
    for result in results:
        total += 1
        why = gate.why_not(result.feedback)
        failing += bool(why)
        unjudged += (
            result.feedback.overall_score is None or result.feedback.coverage < gate.min_coverage - 1e-9
        )
    return total, failing, unjudged
