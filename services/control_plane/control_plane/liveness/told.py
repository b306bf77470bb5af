"""What recorders tell, read with care: it was kept as it came, perhaps from a recorder that is newer than this."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

_LONGEST_AGO = timedelta(days=60)


def instant(text: object, now: datetime, clock_behind: timedelta = timedelta()) -> datetime | None:
    """An instant by a recorder's clock, corrected; what lies far away is nothing that a clock can have said."""
    try:
        at = datetime.fromisoformat(str(text)) + clock_behind
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo is not None and now - _LONGEST_AGO < at <= now else None


def clock_behind(clock: object, received_at: datetime | None) -> timedelta:
    """By how much a recorder's clock is behind ours; nothing where the way of the message explains it."""
    try:
        behind = received_at - datetime.fromisoformat(str(clock)) if received_at is not None else timedelta()
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    return behind if abs(behind) > _ON_THE_WAY else timedelta()


_ON_THE_WAY = timedelta(seconds=5)


def number(value: object) -> int:
    """A count; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def mapping(value: object) -> Mapping[str, Any]:
    """An object; empty for what is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
