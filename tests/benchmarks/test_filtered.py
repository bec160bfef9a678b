"""One input's fault is not the endpoint's: filtered rows fail alone, however many they are."""

from pathlib import Path

from benchmarks.filtered import outcomes


def test_filtered_rows_are_refused_and_all_others_scored(tmp_path: Path) -> None:
    assert outcomes(120, 4, 0.1, tmp_path) == {"scored": 90, "refused": 30}
