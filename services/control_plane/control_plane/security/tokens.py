"""Tokens and API keys: 32 random bytes, shown once, kept as SHA-256 with a short visible prefix."""

import hashlib
import secrets
from dataclasses import dataclass, field

PREFIX_LENGTH = 10
ACCESS_PREFIX = "cfa_"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token at the one moment when it is known."""

    text: str = field(repr=False)

    @property
    def prefix(self) -> str:
        """What may be shown for ever."""
        return self.text[:PREFIX_LENGTH]

    @property
    def sha256(self) -> bytes:
        """What is stored."""
        return token_sha256(self.text)


def new_client_token() -> NewToken:
    """A recorder's token."""
    return NewToken(f"cfr_{secrets.token_urlsafe(32)}")


def new_api_key() -> NewToken:
    """A script's key."""
    return NewToken(f"cfk_{secrets.token_urlsafe(32)}")


def new_access_token() -> NewToken:
    """What an operator who logged in over the API calls with."""
    return NewToken(f"{ACCESS_PREFIX}{secrets.token_urlsafe(32)}")


def new_refresh_token() -> NewToken:
    """What that operator gets the next access token for."""
    return NewToken(f"cff_{secrets.token_urlsafe(32)}")


def token_sha256(text: str) -> bytes:
    """How a token is looked up. A plain hash is enough: 256 random bits can't be guessed from it."""
    return hashlib.sha256(text.encode()).digest()
