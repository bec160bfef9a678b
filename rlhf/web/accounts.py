"""Accounts of the served app: names, roles and tokens. A token is shown once; what is kept cannot be turned back."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rlhf.state.errors import InputError, first_mistake
from rlhf.state.files.atomic import checked_name, folder_lock, write_atomic
from rlhf.state.records import Moment

Role = Literal["reviewer", "operator"]
"""reviewer: sees runs and answers reviews; operator: also starts runs, approves, deploys, deletes."""

_PREFIX: Final = "rlhf"
_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
"""Cost of one check: about 50 ms and 16 MiB (RFC 7914)."""


class User(BaseModel):
    """One person or program that may call the server."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    """Who it is, in runs, answers and the access log."""
    role: Role
    """What they may do."""
    token_id: str
    """First part of the token: which user it claims to be of."""
    salt: str
    """Hex digits that the hash begins with."""
    hash: str
    """Scrypt of the token's secret part, in hex digits."""
    created_at: Moment
    """When the token was made."""
    expires_at: Moment | None = None
    """When it ends; None: never."""
    revoked_at: Moment | None = None
    """When it was taken back; None: it was not."""

    def is_valid(self, now: datetime) -> bool:
        """Whether the token still counts."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class _Users(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: int = 1
    users: list[User] = []


class Accounts:
    """The users of one folder of runs, in its file users.json, which its owner alone can read. Methods block."""

    def __init__(self, home: Path) -> None:
        self.path = home / "users.json"

    def all(self) -> Sequence[User]:
        """Every user, also those whose token does not count any more; InputError if the file cannot be read."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}).") from error
        return _parsed(text, self.path)

    def add(self, name: str, role: Role, days: int | None) -> str:
        """Make a user and return the token, which is kept nowhere; a name that is taken gets a new token."""
        checked_name(name, "User")
        now = datetime.now(UTC)
        token_id, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_bytes(16)
        user = User(
            name=name,
            role=role,
            token_id=token_id,
            salt=salt.hex(),
            hash=_hash(secret, salt.hex()),
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
        with folder_lock(self.path.parent):
            others = [known for known in self.all() if known.name != name]
            self._write([*others, user])
        return f"{_PREFIX}_{token_id}_{secret}"

    def revoke(self, name: str) -> None:
        """End a user's token at once; InputError if there is no such user."""
        with folder_lock(self.path.parent):
            users = list(self.all())
            if name not in {user.name for user in users}:
                raise InputError(f"There is no user {name!r}; `rlhf users` lists them.")
            now = datetime.now(UTC)
            self._write(
                [user.model_copy(update={"revoked_at": now}) if user.name == name else user for user in users]
            )

    def verified(self, token: str) -> User | None:
        """The user whose token it is and still counts; None for any other."""
        prefix, _, rest = token.partition("_")
        token_id, _, secret = rest.partition("_")
        user = next((user for user in self.all() if user.token_id == token_id), None)
        # An unknown name costs the same time as a wrong secret.
        expected = _hash(secret, user.salt if user else "00")
        right = user is not None and hmac.compare_digest(expected, user.hash) and prefix == _PREFIX
        return user if user is not None and right and user.is_valid(datetime.now(UTC)) else None

    def _write(self, users: Sequence[User]) -> None:
        text = json.dumps(_Users(users=list(users)).model_dump(mode="json"), indent=2) + "\n"
        try:
            write_atomic(self.path, text.encode(), mode=0o600)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}).") from error


@lru_cache(maxsize=8)
def _parsed(text: bytes, path: Path) -> tuple[User, ...]:
    try:
        return tuple(_Users.model_validate_json(text).users)
    except ValidationError as error:
        raise InputError(f"{path}: {first_mistake(error, 'the file')}. Mend it, or move it away.") from error


@lru_cache(maxsize=256)
def _hash(secret: str, salt: str) -> str:
    """Remembered for the tokens in use, so that a page does not wait for it; the process holds them anyway."""
    found = hashlib.scrypt(
        secret.encode(),
        salt=bytes.fromhex(salt),
        n=_SCRYPT["n"],
        r=_SCRYPT["r"],
        p=_SCRYPT["p"],
        dklen=_SCRYPT["dklen"],
    )
    return found.hex()
