"""The page of dependencies names each direct one with the licence it has; the audit says what it does not know."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

from docs.audit import told

ROOT = Path(__file__).parents[2]
ROWS = dict(
    re.findall(
        r"^\| `([\w.-]+)` \| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE
    )
)
DIRECT = [
    re.split(r"[\[<>=]", line)[0]
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
]
STATES_NOTHING = {"crewai"}
"""Its repository holds the licence; what is installed says none."""


def test_every_direct_dependency_has_a_row_and_no_other_has() -> None:
    assert sorted(ROWS) == sorted(DIRECT)


@pytest.mark.parametrize("name", DIRECT)
def test_the_licence_is_the_one_that_the_package_states(name: str) -> None:
    stated = metadata(name)
    text = " ".join(
        [
            *(stated.get_all("License-Expression") or []),
            *(stated.get_all("License") or []),
            *(entry for entry in stated.get_all("Classifier") or [] if entry.startswith("License")),
        ]
    )
    first = ROWS[name].split()[0]
    stated_as = {"BSD-3-Clause": "BSD", "Apache-2.0": "Apache"}.get(first, first)
    if name in STATES_NOTHING:
        assert text.strip() == ""
    else:
        assert stated_as.lower() in text.lower()


def test_an_audit_says_what_was_found_and_what_nobody_answered_for() -> None:
    bad = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    good = {"name": "b", "version": "1", "vulns": []}
    skipped = {"name": "c", "skip_reason": "not found"}
    assert told({"dependencies": [bad, good, skipped]}) == (
        [
            "a 1: CVE-1, mended in 2",
            "Not looked up, the service does not answer for them: c.",
            "1 known vulnerabilities in 2 of 3 packages.",
        ],
        1,
    )
    assert told({"dependencies": [good]})[1] == 0
    assert told({"dependencies": [skipped]})[1] == 2
    assert told({})[1] == 2
