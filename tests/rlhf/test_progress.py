"""Progress lines and durations as people read them."""

import pytest

from rlhf.progress import PlainLines, Progress, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (75, "1 min 15 s"), (3600, "1 h 00 min"), (7380, "2 h 03 min")],
)
def test_a_duration_reads_like_speech(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_stage_is_said_at_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    follow = PlainLines()
    for done in range(101):
        follow(Progress("generation", done, 100))
    follow(Progress("feedback", 0, 10, "average score 61.0"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "generation  0/100"
    assert lines[1].startswith("generation  100/100")
    assert "left" not in lines[1]
    assert lines[2] == "feedback    0/10  average score 61.0"
    assert len(lines) == 3


def test_a_new_round_begins_at_nothing_again(capsys: pytest.CaptureFixture[str]) -> None:
    follow = PlainLines()
    for done in (0, 10, 0, 10):
        follow(Progress("generation", done, 10))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["0/10", "10/10", "10/10"]
