"""What the documentation repeats of the code is what the code says."""

import re
from pathlib import Path

from docs.generate import default_of, pages, values_of
from rlhf.state.ledger.tables import metadata
from rlhf.state.settings import JudgeSettings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_generated_pages_are_as_make_docs_writes_them() -> None:
    stale = [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs` and commit what it writes"


def test_a_setting_is_shown_with_its_range_and_default() -> None:
    field = JudgeSettings.model_fields["evidence_weight"]
    assert (values_of(float, field), default_of(field)) == ("number ≥ 0, ≤ 1", "`0.0`")
    assert default_of(JudgeSettings.model_fields["model"]) == "required"


def test_the_ledgers_page_names_every_table_and_column_and_no_other() -> None:
    page = (DOCS / "ledger.md").read_text(encoding="utf-8")
    told = {}
    for name, text in re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", page, re.DOTALL | re.MULTILINE):
        rows = re.findall(r"^\| (\**)`(\w+)`\** \|", text, re.MULTILINE)
        told[name] = [(column, bool(bold)) for bold, column in rows]
    assert told == {
        table.name: [(column.name, column.primary_key) for column in table.columns]
        for table in metadata.tables.values()
    }
