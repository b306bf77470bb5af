"""What a key may be used for, within what its role may: scopes as in `cameras:read`, `recordings:write`, `*:read`.

The name is the tag of an operation in the OpenAPI document; reading is what GET does, and whoever may write may read.
"""

from collections.abc import Collection, Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

FEATURES = (
    "sites",
    "clients",
    "cameras",
    "schedules",
    "recordings",
    "fetches",
    "drills",
    "commands",
    "coverage",
    "events",
    "gaps",
    "api-keys",
)
"""Every tag of an operation that a key may be kept from."""
_ALL = "*"
_READ, _WRITE = "read", "write"
SCOPES = frozenset(f"{feature}:{access}" for feature in (_ALL, *FEATURES) for access in (_READ, _WRITE))


def _known(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"must be *:read, *:write, or one of {', '.join(FEATURES)} with :read or :write")
    return scope


Scope = Annotated[str, Field(max_length=64, examples=["recordings:read"]), AfterValidator(_known)]


OWN = "login"
"""What belongs to the caller alone, as to ask who one is: no scope is needed."""


def allows(scopes: Collection[str] | None, feature: str, *, writing: bool) -> bool:
    """Whether a key with these scopes may be used for that; without any it may."""
    if scopes is None or feature == OWN:
        return True
    accesses = (_WRITE,) if writing else (_READ, _WRITE)
    return any(f"{name}:{access}" in scopes for name in (feature, _ALL) for access in accesses)


def wanted(feature: str, *, writing: bool) -> str:
    """The scope to ask an admin for."""
    return f"{feature}:{_WRITE if writing else _READ}"


def in_order(scopes: Iterable[str]) -> list[str]:
    """Each once, as they are kept."""
    return sorted(set(scopes))
