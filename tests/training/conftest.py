"""A dataset to train on."""

from pathlib import Path

import pytest

from tests.training.builders import write_pairs


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Twelve pairs in TRL's conversational preference format."""
    return write_pairs(tmp_path / "pairs.jsonl")
