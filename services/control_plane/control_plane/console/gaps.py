"""Gaps as people look at them: those a few seconds apart are one, and those of a few seconds alarm nobody."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter

from camfleet_contract.gaps import GapCause
from control_plane.models import Gap

NEAR = timedelta(seconds=10)
"""A camera that comes and goes within this is one trouble, not many."""
WORTH_AN_ALARM = timedelta(seconds=10)
"""A camera takes a few seconds to answer when its network blinks: the recording's page lists those."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time without footage of one camera for one cause: one gap, or several a few seconds apart."""

    camera_id: uuid.UUID
    recording_id: uuid.UUID | None
    cause: GapCause
    start: datetime
    end: datetime
    detail: str
    gaps: int = 1

    @property
    def length(self) -> timedelta:
        """From the first moment that is missing to the last."""
        return self.end - self.start

    @property
    def is_alarming(self) -> bool:
        """Whether somebody should look after it."""
        return self.length >= WORTH_AN_ALARM


def merged(gaps: Iterable[Gap]) -> list[Stretch]:
    """The gaps as stretches, by camera and time."""
    stretches: list[Stretch] = []
    for gap in sorted(gaps, key=attrgetter("camera_id", "started_at", "ended_at")):
        last = stretches[-1] if stretches else None
        if last and (last.camera_id, last.cause) == (gap.camera_id, gap.cause) and gap.started_at <= last.end + NEAR:
            end = max(last.end, gap.ended_at)
            stretches[-1] = replace(last, end=end, detail=gap.detail or last.detail, gaps=last.gaps + 1)
        else:
            stretches.append(
                Stretch(gap.camera_id, gap.recording_id, gap.cause, gap.started_at, gap.ended_at, gap.detail)
            )
    return stretches


def alarming(gaps: Iterable[Gap], most: int) -> list[Stretch]:
    """The newest stretches that somebody should know of."""
    found = [stretch for stretch in merged(gaps) if stretch.is_alarming]
    return sorted(found, key=attrgetter("end"), reverse=True)[:most]
