"""What the operators' API answers about coverage."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from camfleet_contract.gaps import GapCause
from control_plane.cctv.answers import Answer
from control_plane.coverage.measurement import CameraDay, Covered
from control_plane.coverage.totals import Total

Seconds = Annotated[float, Field(ge=0)]


class CoverageSums(Answer):
    """`due_seconds` is the sum of `stored`, `local_only`, `deleted`, `lost` and `unaccounted_seconds`."""

    due_seconds: Seconds
    """What the schedules wanted, until now. A stretch that several wanted counts once."""
    recorded_seconds: Seconds
    """Of what was due: `stored`, `local_only` and `deleted` together."""
    stored_seconds: Seconds
    """Proven to be in the store."""
    local_only_seconds: Seconds
    """On the recorder's disk and not in the store yet."""
    deleted_seconds: Seconds
    """Was in the store, and was deleted since by the rules of retention."""
    lost_seconds: Seconds
    """Reported as a gap, and no recorder has it."""
    lost: Annotated[dict[GapCause, Seconds], Field(examples=[{"camera_unreachable": 30.5}])]
    """The same by cause; causes without any are left out."""
    unaccounted_seconds: Seconds
    """Neither footage nor a gap was told of: the recorder is offline, is recording it just now, or there is none."""
    beyond_due_seconds: Seconds
    """Footage that no schedule asked for, as of manual runs. Not part of `recorded_seconds`."""


class CoverageAnswer(CoverageSums):
    """One day of one camera."""

    camera_id: UUID
    day: date
    """As the camera's site counts days."""
    start: datetime
    """Midnight at the site."""
    end: datetime

    @classmethod
    def of(cls, day: CameraDay, covered: Covered) -> "CoverageAnswer":
        return cls(camera_id=day.camera_id, day=day.day, start=day.span[0], end=day.span[1], **sums(covered))


class CoverageTotal(CoverageSums):
    """All cameras and days that were asked for, together."""

    camera_days: Annotated[int, Field(ge=0)]
    """So many days of cameras are in the sums."""
    missing_camera_days: Annotated[int, Field(ge=0)]
    """So many are not: they are not reckoned yet."""

    @classmethod
    def of(cls, found: Total) -> "CoverageTotal":
        return cls(camera_days=found.camera_days, missing_camera_days=found.missing, **sums(found.covered))


def sums(covered: Covered) -> dict[str, object]:
    """The figures as an answer has them."""
    return {
        "due_seconds": covered.due,
        "recorded_seconds": covered.recorded,
        "stored_seconds": covered.stored,
        "local_only_seconds": covered.local_only,
        "deleted_seconds": covered.deleted,
        "lost_seconds": sum(covered.lost.values()),
        "lost": covered.lost,
        "unaccounted_seconds": covered.unaccounted,
        "beyond_due_seconds": covered.beyond_due,
    }
