"""Accounts: a token is shown once, counts until it ends or is taken back, and cannot be read from what is kept."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlhf.cli import app
from rlhf.state.errors import InputError
from rlhf.web import accounts
from rlhf.web.accounts import Accounts


@pytest.fixture
def home(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / ".rlhf")


def test_a_token_is_its_users_and_nothing_kept_gives_it_away(home: Accounts) -> None:
    token = home.add("ann", "reviewer", 90)
    found = home.verified(token)
    assert found is not None
    assert (found.name, found.role) == ("ann", "reviewer")
    kept = home.path.read_text()
    assert token not in kept
    assert token.rpartition("_")[2] not in kept
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.replace("rlhf_", "other_", 1),
        lambda token: "rlhf__" + token.rpartition("_")[2],
        lambda token: "",
        lambda token: "\x00",
        lambda token: "rlhf_" + "9" * 5000,
    ],
)
def test_no_other_token_counts(home: Accounts, change: object) -> None:
    token = home.add("ann", "operator", None)
    assert callable(change)
    assert home.verified(change(token)) is None


def test_a_new_token_ends_the_old_one_and_revoking_ends_it_at_once(home: Accounts) -> None:
    old, other = home.add("ann", "reviewer", 90), home.add("ben", "operator", 90)
    new = home.add("ann", "operator", 90)
    assert home.verified(old) is None
    assert home.verified(new) is not None
    home.revoke("ann")
    assert home.verified(new) is None
    assert home.verified(other) is not None
    with pytest.raises(InputError, match="There is no user 'eve'; `rlhf users` lists them"):
        home.revoke("eve")


def test_a_token_ends_when_it_was_said(home: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    token = home.add("ann", "reviewer", 1)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            return cls.fromtimestamp((datetime.now(UTC) + timedelta(days=2)).timestamp(), UTC)

    assert home.verified(token) is not None
    monkeypatch.setattr(accounts, "datetime", Later)
    assert home.verified(token) is None


def test_a_users_file_that_is_none_lets_nobody_in_and_says_what_to_do(home: Accounts) -> None:
    home.add("ann", "operator", None)
    home.path.write_text('{"users": [{"name": "ann"}]}')
    with pytest.raises(
        InputError, match=r"users.json: users.0.role: Field required. Mend it, or move it away"
    ):
        home.all()


def test_users_are_made_listed_and_revoked_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def rlhf(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, ["users", *arguments])
        assert done.exit_code == status, done.output
        return done.stdout

    assert rlhf().startswith("No users yet")
    token = rlhf("add", "ann", "--role", "operator").strip()
    assert Accounts(tmp_path / ".rlhf").verified(token) is not None
    rlhf("add", "ben", "--days", "0")
    assert [line.split()[:2] for line in rlhf().splitlines()] == [["ann", "operator"], ["ben", "reviewer"]]
    rlhf("revoke", "ann")
    assert "revoked" in rlhf().splitlines()[0]
    rlhf("add", "eve", "--role", "queen", status=2)
    rlhf("add", "../eve", status=2)
