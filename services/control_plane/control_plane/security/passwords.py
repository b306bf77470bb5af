"""Operators' passwords: argon2id."""

import asyncio

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

MINIMUM_LENGTH = 10

_hasher = PasswordHash.recommended()
# Checked when there is no such operator, so that the answer's time does not tell who exists.
_DUMMY = _hasher.hash("nobody's password")


async def hash_password(password: str) -> str:
    """Hash in a thread: argon2id takes tens of milliseconds on purpose."""
    return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Whether `password` matches; takes as long when there is no hash to match."""
    try:
        matches = await asyncio.to_thread(_hasher.verify, password, password_hash or _DUMMY)
    except UnknownHashError:
        return False
    return matches and password_hash is not None
