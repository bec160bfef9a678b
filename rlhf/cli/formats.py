"""Results of judging in the forms that other programs show: JUnit XML, SARIF and Markdown."""

import json
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from rlhf.runs.gate import Gate, Result, percent

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_RULES: Final = {
    "below-threshold": "The overall score is below the threshold.",
    "not-judged": "No dimension, or too few of them, could be judged.",
}


def junit(results: Sequence[Result], gate: Gate, seconds: float) -> str:
    """A JUnit report: a test case per row, a failure below the threshold, an error where it was not judged."""
    failures = [result for result in results if _rule(result, gate) == "below-threshold"]
    errors = [result for result in results if _rule(result, gate) == "not-judged"]
    counts = {
        "tests": str(len(results)),
        "failures": str(len(failures)),
        "errors": str(len(errors)),
        "time": f"{seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "rlhf judge", **counts})
    for result in results:
        feedback = result.feedback
        about = {"classname": _xml(feedback.task_type), "name": _xml(result.id), "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", about)
        if rule := _rule(result, gate):
            kind = "failure" if rule == "below-threshold" else "error"
            why = _xml(gate.why_not(feedback))
            found = ElementTree.SubElement(case, kind, {"message": why, "type": rule})
            found.text = _xml("\n".join([why, *feedback.weaknesses]))
        shown = ElementTree.SubElement(case, "system-out")
        shown.text = _xml(feedback.response)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def sarif(results: Sequence[Result], gate: Gate, file: Path | None) -> str:
    """A SARIF 2.1.0 log: a result per row that does not pass, on the file of the rows."""
    found = []
    for result in results:
        if rule := _rule(result, gate):
            why = gate.why_not(result.feedback)
            entry: dict[str, Any] = {
                "ruleId": rule,
                "level": "error" if rule == "below-threshold" else "warning",
                "message": {"text": "\n".join([f"{result.id}: {why}", *result.feedback.weaknesses[:3]])},
                "properties": {"id": result.id, "judge": result.judge.judge, "threshold": gate.threshold},
            }
            if file is not None:
                place = {"artifactLocation": {"uri": file.as_posix()}}
                entry["locations"] = [{"physicalLocation": place}]
            found.append(entry)
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in _RULES.items()]
    driver = {"name": "rlhf-graph", "version": metadata.version("rlhf-graph"), "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": found}],
    }
    return json.dumps(log, ensure_ascii=False, indent=2)


def markdown(results: Sequence[Result], gate: Gate) -> str:
    """A table for a pull request: a line per row."""
    lines = ["| row | score | judged | passes | why |", "|---|---:|---:|---|---|"]
    for result in results:
        feedback = result.feedback
        score = "–" if feedback.overall_score is None else f"{feedback.overall_score:.1f}"
        why = gate.why_not(feedback)
        told = why or "; ".join(feedback.strengths[:1])
        passes = "no" if why else "yes"
        cells = (_cell(result.id), score, percent(feedback.coverage), passes, _cell(told))
        lines.append(f"| {' | '.join(cells)} |")
    passing = sum(not gate.why_not(result.feedback) for result in results)
    lines.append("")
    lines.append(f"{passing} of {len(results)} pass {gate.threshold:g}.")
    return "\n".join(lines)


def _rule(result: Result, gate: Gate) -> str:
    """Which rule a result breaks; empty if it passes."""
    if not gate.why_not(result.feedback):
        return ""
    whole = result.feedback.overall_score is not None and result.feedback.coverage >= gate.min_coverage - 1e-9
    return "below-threshold" if whole else "not-judged"


def _xml(text: str) -> str:
    """`text` without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def _cell(text: str) -> str:
    """`text` in one cell of a Markdown table, as text: no markup, no line ends."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>|#!~&])", r"\\\1", flat)
