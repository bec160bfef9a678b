"""The words the checks know, as data: claims, steps, calls to action, retailers, currencies, labels of money.

Each file of prompts/words maps a section to its entries, one a line: what people write, and why it stands there.
A team adds its own in `rubrics/words/*.yaml` (or the folder named by RLHF_RUBRICS), in the same sections.

An entry is matched as whole words in any case. A space or hyphen stands for either; "(a|b)" for one of several,
"(a )?" and "s?" for what may be missing, "[ns]" for one of these letters, "~" for any ending, "_" for one word,
" ... " for up to four words, and "<name>" for an entry of the section `name`. There is no other syntax, so that no
entry can be slow.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from rlhf.prompts.rubric import rubric_folder
from rlhf.prompts.strict_yaml import RubricError, read_yaml

MAX_ENTRY: Final = 1_000
MAX_DEPTH: Final = 3
LOOK_AGAIN: Final = 1.0  # seconds after which the folder is looked at again
SECTIONS: Final = frozenset(
    [
        "forbidden_claims",
        "unproven_claims",
        "no_claims",
        "ills",
        "gains",
        "results",
        "experts",
        "denials",
        "critiques",
        "suggestions",
        "conditions",
        "faulty_headings",
        "made_headings",
        "backings",
        "judge_orders",
        "no_orders",
        "judges",
        "refusals",
        "no_refusals",
        "placeholders",
        "disclosures",
        "totals",
        "reserves",
        "fees",
        "other_lines",
        "evenly",
        "unspent_before",
        "unspent_after",
        "limits_before",
        "limits_after",
        "shares_of_else",
        "share_changes",
        "last_year",
        "prices",
        "parts",
        "name_columns",
        "amount_columns",
        "share_columns",
        "total_columns",
        "past_columns",
        "change_columns",
        "price_columns",
        "measure_columns",
        "text_columns",
        "period_columns",
        "periods",
        "magnitudes",
        "currencies",
        "no_codes",
        "retailers",
        "everyday_names",
        "no_names",
        "months",
        "date_words",
        "calls",
        "late_words",
    ]
)

_TOKEN: Final = re.compile(
    r"<[a-z_]+>|\[\w{1,12}\]| ?\.\.\. ?|[ -]|[~_'?()|]|[^<>~_'?()|\s\\\[\]{}^*+-]|[*+$]"
)
_JOINT: Final = r"(?:[\s\u2010\u2011-]{1,3})"
_GAP: Final = r"(?:[\s,]{1,2}[\w'’%&-]{1,25}){0,4}[\s,]{1,2}"


class Words:
    """All entries of all files: section → what is written → why."""

    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        self._entries = entries
        self._patterns: dict[tuple[str, ...], re.Pattern[str]] = {}
        self._meanings: dict[str, dict[str, str]] = {}

    def entries(self, section: str) -> Mapping[str, str]:
        """What is written → why, in the order of the files."""
        return self._entries.get(section, {})

    def terms(self, section: str) -> frozenset[str]:
        """The section's entries, for sections of plain words."""
        return self._terms.get(section, frozenset())

    def meanings(self, section: str) -> Mapping[str, str]:
        """What is written, in lower case → what it stands for: the reason up to its first comma."""
        if section not in self._meanings:
            found = self.entries(section).items()
            self._meanings[section] = {said.lower(): why.partition(",")[0].strip() for said, why in found}
        return self._meanings[section]

    @cached_property
    def _terms(self) -> dict[str, frozenset[str]]:
        return {
            section: frozenset(said.lower() for said in found) for section, found in self._entries.items()
        }

    def pattern(self, *sections: str) -> re.Pattern[str]:
        """One pattern for the sections, to be held against text in lower case (see `lowered`)."""
        if sections not in self._patterns:
            written = [said for section in sections for said in self.entries(section)]
            parts = [self._compiled(said) for said in sorted(written, key=len, reverse=True)]
            self._patterns[sections] = re.compile(rf"(?<!\w)(?:{'|'.join(parts) or '(?!)'})(?!\w)")
        return self._patterns[sections]

    def before(self, *sections: str) -> re.Pattern[str]:
        """The same where it ends at the end of the searched text, a few marks and filler words aside."""
        key = ("<", *sections)
        if key not in self._patterns:
            self._patterns[key] = re.compile(self.pattern(*sections).pattern + r"[\s:=(\"'“*_]{0,6}$")
        return self._patterns[key]

    def after(self, *sections: str) -> re.Pattern[str]:
        """The same where it starts at the start of the matched text, a few marks aside."""
        key = (">", *sections)
        if key not in self._patterns:
            self._patterns[key] = re.compile(r"[\s)*_\"'”]{0,4}" + self.pattern(*sections).pattern)
        return self._patterns[key]

    @cached_property
    def version(self) -> str:
        """16 hex digits that change with any entry."""
        text = repr([(section, list(found)) for section, found in sorted(self._entries.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _compiled(self, said: str, depth: int = 0) -> str:
        parts = []
        for token in _TOKEN.findall(said.lower()):
            if token[0] == "[":
                parts.append(token)
            elif token[0] == "<":
                inner = self.entries(token[1:-1]) if depth < MAX_DEPTH else {}
                parts.append(f"(?:{'|'.join(self._compiled(each, depth + 1) for each in inner) or '(?!)'})")
            elif "..." in token:
                parts.append(_GAP)
            elif token == " ":
                parts.append(_JOINT)
            elif token == "-":
                parts.append(r"[\s\u2010\u2011-]?")
            else:
                special = {"~": r"\w{0,12}", "_": r"[\w'’%&-]{1,25}", "'": "['’]", "(": "(?:"}
                parts.append(special.get(token) or (token if token in "?)|" else re.escape(token)))
        return "".join(parts)


@lru_cache(maxsize=64)
def lowered(text: str) -> str:
    """`text` in lower case, each character in its place."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def load_words(extra_folder: Path | None = None) -> Words:
    """The shipped words and the team's own; a changed file counts a second later.

    Raises `RubricError` with file, line and mistake.
    """
    where = (str(extra_folder or os.environ.get("RLHF_RUBRICS", "")), os.getcwd())
    known = _seen.get(where)
    if known is not None and time.monotonic() - known[0] < LOOK_AGAIN:
        return known[1]
    folder = rubric_folder(extra_folder)
    own = sorted((folder / "words").glob("*.yaml")) if folder else []
    found = _load(tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in own))
    _seen.clear()
    _seen[where] = time.monotonic(), found
    return found


_seen: dict[tuple[str, str], tuple[float, Words]] = {}


@lru_cache(maxsize=8)
def _load(own: tuple[tuple[str, int, int], ...]) -> Words:
    entries: dict[str, dict[str, str]] = {}
    for source, content in [*_shipped(), *((path, Path(path).read_bytes()) for path, _, _ in own)]:
        for section, found in parse_words(content, source).items():
            entries.setdefault(section, {}).update(found)
    return Words(entries)


def _shipped() -> Iterator[tuple[str, bytes]]:
    folder = files("rlhf.prompts") / "words"
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".yaml"):
            yield f"prompts/words/{entry.name}", entry.read_bytes()


def parse_words(content: bytes, source: str) -> dict[str, dict[str, str]]:
    """One file's sections. Raises `RubricError` with file, line and mistake."""
    data, lines = read_yaml(content, source)
    if not isinstance(data, dict):
        raise RubricError(f"{source}, line 1: must map sections to their entries")
    for section, found in data.items():
        line = lines.of((section,))
        if section not in SECTIONS:
            raise RubricError(
                f"{source}, line {line}: unknown section {section!r}; there are {', '.join(sorted(SECTIONS))}"
            )
        if not isinstance(found, dict):
            raise RubricError(f"{source}, line {line}: {section} must map what is written to why")
        for said, why in found.items():
            if mistake := _mistake(said, why):
                raise RubricError(f"{source}, line {lines.of((section, said))}: {section}: {mistake}")
    return data


def _mistake(said: Any, why: Any) -> str | None:
    if not isinstance(said, str) or not said.strip() or len(said) > MAX_ENTRY:
        return f"{str(said)[:40]!r} must be text of 1 to {MAX_ENTRY} characters; put it in quotes"
    if not isinstance(why, str) or not why.strip():
        return f"{said[:40]!r} needs a reason after its colon"
    if "".join(_TOKEN.findall(said)) != said:
        return f"{said[:40]!r} holds a sign that has no meaning here"
    if any(name not in SECTIONS for name in re.findall(r"<([a-z_]+)>", said)):
        return f"{said[:40]!r} names a section that does not exist"
    try:
        re.compile(re.sub(r"[*+$.]", "x", said))
    except re.error:
        return f"{said[:40]!r} has a bracket that is not closed, or a ? after nothing"
    return None
