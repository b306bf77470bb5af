"""Time zones: their names, and which instants a wall-clock time of theirs means."""

import difflib
import importlib.resources
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_WELL_FORMED = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_NOT_A_PLACE = {"localtime", "posixrules", "Factory", "posix", "right"}
"""Files that some machines keep beside the zones: they mean another thing on every machine, or count leap seconds."""


_LONGEST = 80


def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name.

    Raises ValueError, with a message for a person, for anything that is not the name of a zone.
    """
    if not _WELL_FORMED.fullmatch(name) or name.partition("/")[0] in _NOT_A_PLACE:
        raise ValueError(_unknown(name))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        # Which one it is depends on whether the name is missing, a folder ("Europe"), too long or no zone file.
        raise ValueError(_unknown(name)) from error


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a clock of the zone first shows `wall` (naive), in UTC; in a gap, the moment the clock jumps over it."""
    before, after = _readings(wall, zone)
    return before if before <= after else _jump_over(wall, zone)


def last_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a clock of the zone last shows `wall` (naive), in UTC; in a gap, the moment the clock jumps over it."""
    before, after = _readings(wall, zone)
    return after if before <= after else _jump_over(wall, zone)


def _readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """`wall` read with the offset from before a change of the clock and with the one from after it (PEP 495).

    They are the same far from any change, the first is the earlier one where the wall clock repeats itself, and the
    later one in a gap.
    """
    aware = wall.replace(tzinfo=zone)
    return aware.replace(fold=0).astimezone(UTC), aware.replace(fold=1).astimezone(UTC)


def _jump_over(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the zone's clock is past `wall`, which it never shows; to the second."""
    too_late, too_early = _readings(wall, zone)
    while too_late - too_early > timedelta(seconds=1):
        middle = too_early + timedelta(seconds=(too_late - too_early) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            too_early = middle
        else:
            too_late = middle
    return too_late


def _unknown(name: str) -> str:
    shown = repr(name) if len(repr(name)) <= _LONGEST else "This"
    message = f"{shown} is not a time zone. Use a name of the IANA database, as in Europe/Berlin or UTC"
    close = _closest(name)
    return f"{message}; did you mean {close}?" if close else f"{message}."


def _closest(name: str) -> str | None:
    wanted = name.strip().replace(" ", "_").casefold()[:_LONGEST]
    by_folded = {known.casefold(): known for known in _known_names()}
    cities = {known.rsplit("/", 1)[-1].casefold(): known for known in _known_names()}
    if wanted in cities:
        return cities[wanted]
    close = difflib.get_close_matches(wanted, by_folded, n=1, cutoff=0.75)
    return by_folded[close[0]] if close else None


@cache
def _known_names() -> tuple[str, ...]:
    return tuple(importlib.resources.files("tzdata").joinpath("zones").read_text("utf-8").split())
