"""Responses whose quality is written in them, judges that see it, and files of labels."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.scripted_endpoint import Reply, Request, verdict_reply

LINES = (
    "Call the buyer on Monday and ask for the shelf plan.",
    "Put $10,000 into search ads until 4 May.",
    "Ana writes the brief for the spring leaflet by Friday.",
    "Compare sales of both weeks and keep what sold better.",
    "Report the result to the whole team in June.",
)
"""Lines no check objects to: what differs is what the judge says."""


def telling(level: Callable[[int], int]) -> Callable[[Request], Reply]:
    """A judge that says `level` of the quality it sees."""

    def script(request: Request) -> Reply:
        match = re.search(r"This plan has quality (\d)", request.text)
        assert match, "every response says it"
        return verdict_reply(request, level(int(match.group(1))))

    return script


honest = telling(lambda quality: quality)
"""A judge that sees how good a response is."""


def written(rows: Sequence[Mapping[str, Any]], name: str = "labels.jsonl") -> Path:
    """A file of these rows in the current folder."""
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Path(name)
