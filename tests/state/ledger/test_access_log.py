"""The access log: entries stay in order, long ones are cut, and nothing changes one."""

from pathlib import Path

from rlhf.state.ledger import Ledger
from rlhf.state.ledger.access_log import Access


def test_entries_come_back_the_newest_first_with_their_time(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    for number in range(5):
        ledger.access_log.add(Access(who="ann", role="reviewer", action="threads.read", target=str(number)))
    ledger.access_log.add(Access(who="?", role="", action="login", refused="x" * 5000))
    newest, *others = ledger.access_log.newest(3)
    assert len(newest.refused) == 200
    assert newest.at is not None
    assert newest.at.tzinfo is not None
    assert [entry.target for entry in others] == ["4", "3"]
    ledger.close()
