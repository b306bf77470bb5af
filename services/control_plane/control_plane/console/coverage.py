"""How much of what was due of a camera is covered, for its page."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.console import display
from control_plane.coverage.days import account_of, days_between, site_day
from control_plane.coverage.due import zone_or_utc
from control_plane.coverage.measurement import CameraDay, Covered

_DAYS = 7
_WHOLE = 100.0
_COLOURS = {
    "stored": "green",
    "at the site only": "azure",
    "stored, deleted since": "secondary",
    "lost": "red",
    "not known": "yellow",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a day's bar."""

    name: str
    colour: str
    length: timedelta
    percent: float


@dataclass(frozen=True, slots=True)
class DayShown:
    """One day for people."""

    day: date
    covered: Covered

    @property
    def due(self) -> timedelta:
        """What the schedules wanted, until now."""
        return timedelta(seconds=self.covered.due)

    @property
    def percent(self) -> str:
        """Of what was due, what is or was recorded: never rounded up to 100, nor down to 0."""
        if not self.covered.due:
            return "–"
        share = _WHOLE * self.covered.recorded / self.covered.due
        return f"{share:.0f} %" if share in {0.0, _WHOLE} else f"{min(max(share, 0.1), 99.9):.1f} %"

    @property
    def parts(self) -> Sequence[Part]:
        """What became of what was due."""
        covered = self.covered
        figures = (covered.stored, covered.local_only, covered.deleted, sum(covered.lost.values()), covered.unaccounted)
        return [
            Part(name, colour, timedelta(seconds=figure), _WHOLE * figure / covered.due)
            for (name, colour), figure in zip(_COLOURS.items(), figures, strict=True)
            if figure
        ]

    @property
    def losses(self) -> str:
        """As in `30 s: camera unreachable`, the longest first."""
        causes = sorted(self.covered.lost.items(), key=lambda lost: -lost[1])
        return ", ".join(f"{display.seconds(timedelta(seconds=s))} {display.words(cause)}" for cause, s in causes)


async def coverage_of(session: AsyncSession, camera_id: uuid.UUID, timezone: str, now: datetime) -> list[DayShown]:
    """The last seven days at its site, today first."""
    today = now.astimezone(zone_or_utc(timezone)).date()
    days = [
        CameraDay(camera_id, day, site_day(day, timezone))
        for day in days_between(today - timedelta(days=_DAYS - 1), today)
    ]
    found = await account_of(session, days, now)
    return [DayShown(day.day, found[camera_id, day.day]) for day in reversed(days)]
