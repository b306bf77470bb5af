"""How often a login may fail before further ones have to wait. Counted in the events, so it holds on every replica."""

import asyncio
import hashlib
import ipaddress
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.events import Actor, record_event
from control_plane.models import Event

WINDOW = timedelta(minutes=15)
FAILURES_PER_NAME = 5
FAILURES_PER_ADDRESS = 50

_FAILED, _SUCCEEDED = "login.failed", "login.succeeded"
_PLACE = uuid.UUID("6ad0bd5c-7d0b-4b7e-9f1c-3a2f6e1f5b1d")


class LoginThrottle:
    """Five failures for a name from one address within 15 minutes, or fifty for any names, and the door stays shut."""

    def __init__(self) -> None:
        # One attempt at a time for each address: a burst would otherwise be counted only after it is through.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, address: str | None) -> AsyncIterator[None]:
        """Wait until no other attempt from `address` is under way."""
        lock = self._turns.setdefault(_neighbourhood(address or ""), asyncio.Lock())
        async with lock:
            yield

    async def is_shut(self, session: AsyncSession, username: str, address: str | None, now: datetime) -> bool:
        """Whether `username` may not try from `address` now."""
        attempts = await session.execute(
            select(Event.kind, Event.detail)
            .where(
                Event.subject_id == _subject(address),
                Event.occurred_at > now.astimezone(UTC) - WINDOW,
                Event.kind.in_([_FAILED, _SUCCEEDED]),
            )
            .order_by(Event.occurred_at.desc())
            .limit(FAILURES_PER_ADDRESS * 2)
        )
        rows = [(kind, detail.get("name")) for kind, detail in attempts]
        failures = sum(kind == _FAILED for kind, _ in rows)
        of_name = [kind for kind, name in rows if name == _digest(username)]
        since_success = of_name.index(_SUCCEEDED) if _SUCCEEDED in of_name else len(of_name)
        return failures >= FAILURES_PER_ADDRESS or since_success >= FAILURES_PER_NAME

    def record(self, session: AsyncSession, username: str, address: str | None, *, success: bool) -> None:
        """Remember how an attempt ended."""
        kind = _SUCCEEDED if success else _FAILED
        actor = Actor(f"operator:{username}" if success else "nobody", address)
        record_event(session, "login", _subject(address), kind, actor, {"name": _digest(username)})


def _subject(address: str | None) -> uuid.UUID:
    """Attempts from one address are one subject: the events' key finds them at once."""
    return uuid.uuid5(_PLACE, _neighbourhood(address or ""))


def _neighbourhood(address: str) -> str:
    """Of an IPv6 address its /64: whoever has one has 18 quintillion of them to try from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)


def _digest(username: str) -> str:
    """The name, not readable: people type passwords into the wrong field."""
    return hashlib.sha256(username.strip().casefold().encode()).hexdigest()[:16]
