"""Whether retention deleted what is said to be deleted: its audit event tells of it, and the footage was old enough."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.models import Event, Segment

FOOTAGE_DELETED = "camera.footage_deleted"
_REASON = re.compile(r"retention: ([0-9]{1,6}) days")
# A batch's event is written in its own transaction, at the database's time; all batches of a run are marked with the
# time when the run began, which is broken off after half an hour.
_BEFORE = timedelta(minutes=5)
_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What one audit event says: all that lies within was deleted for that reason."""

    told_at: datetime
    reason: str
    start: datetime
    end: datetime

    @classmethod
    def of(cls, event: Event) -> "Deletion | None":
        """None where somebody has changed it so that it says nothing."""
        try:
            start, end = (datetime.fromisoformat(event.detail[name]) for name in ("from", "to"))
            return cls(event.occurred_at, str(event.detail["reason"]), start, end)
        except (KeyError, TypeError, ValueError):
            return None

    def covers(self, segment: Segment, deleted_at: datetime) -> bool:
        """Whether it is of this segment."""
        return (
            deleted_at - _BEFORE <= self.told_at <= deleted_at + _AFTER
            and self.reason == segment.deletion_reason
            and self.start <= segment.started_at
            and segment.ended_at <= self.end
        )


def told_of(segments: Iterable[Segment]) -> tuple[datetime, datetime] | None:
    """When the events of these deletions were written, if any was."""
    times = [segment.deleted_at for segment in segments if segment.deleted_at is not None]
    return (min(times) - _BEFORE, max(times) + _AFTER) if times else None


def doubt(segment: Segment, deletions: Iterable[Deletion]) -> str | None:
    """Why its row can't be believed that it was deleted as it should be; None if it can."""
    kept = _REASON.fullmatch(segment.deletion_reason or "")
    if segment.deleted_at is None or kept is None:
        return "no rule of retention deletes without a time and a reason of its own"
    if segment.deleted_at - segment.ended_at < timedelta(days=int(kept[1])):
        return f"it was not {kept[1]} days old then"
    if not any(deletion.covers(segment, segment.deleted_at) for deletion in deletions):
        return f"no audit event {FOOTAGE_DELETED} of that time tells of it"
    return None
