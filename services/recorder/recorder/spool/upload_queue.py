"""What of the spool is still to be uploaded, camera by camera."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from recorder.spool.database import Database, to_column, waiting
from recorder.spool.rows import Backlog, Segment, SegmentState
from recorder.spool.segments import as_segment, started

LONGEST_SEGMENT = timedelta(hours=2)
"""Twice what a schedule may ask for: what begins before footage by more than this can't reach into it."""


class UploadQueue:
    """Reads only. Each query walks an index and stops at its limit, however long the backlog is.

    What is put off is walked past: a camera whose offers are all refused for an hour costs a walk over its backlog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def cameras(self) -> Collection[UUID]:
        """Those that have sealed segments, also where none may go right now."""
        rows = self._database.rows(
            "SELECT DISTINCT camera_id FROM tallies WHERE state = ? AND segments > 0 ORDER BY camera_id",
            (SegmentState.SEALED,),
        )
        return [UUID(row["camera_id"]) for row in rows]

    def of_camera(self, camera_id: UUID, now: datetime, *, newest_first: bool, limit: int) -> list[Segment]:
        """A camera's sealed segments whose time to be tried has come, in order."""
        # Held or not is a part of the index, so that each of both is walked in order.
        query = (
            "SELECT * FROM segments WHERE camera_id = ? AND state = ? AND held = ?"
            " AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?) ORDER BY start_at DESC LIMIT ?"
            if newest_first
            else "SELECT * FROM segments WHERE camera_id = ? AND state = ? AND held = ?"
            " AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?) ORDER BY start_at LIMIT ?"
        )
        parameters = (*waiting(now), limit)
        found = [
            as_segment(row)
            for held in (0, 1)
            for row in self._database.rows(query, (str(camera_id), SegmentState.SEALED, held, *parameters))
        ]
        return sorted(found, key=started, reverse=newest_first)[:limit]

    def within(self, camera_id: UUID, start: datetime, end: datetime, now: datetime, limit: int) -> list[Segment]:
        """A camera's sealed segments with footage between two moments whose time to be tried has come, oldest first."""
        query = (
            "SELECT * FROM segments WHERE camera_id = ? AND state = ? AND held = ? AND start_at BETWEEN ? AND ?"
            " AND start_at < ? AND end_at > ? AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?)"
            " ORDER BY start_at LIMIT ?"
        )
        found = [
            as_segment(row)
            for held in (0, 1)
            for row in self._database.rows(
                query,
                (str(camera_id), SegmentState.SEALED, held, *_reach(start, end), *waiting(now), limit),
            )
        ]
        return sorted(found, key=started)[:limit]

    def left(self, camera_id: UUID, start: datetime, end: datetime) -> Backlog:
        """How much footage of a camera between two moments is not proven to be stored, with what is being written."""
        segments = size_bytes = 0
        for state in (SegmentState.SEALED, SegmentState.UPLOADED):
            for held in (0, 1):
                row = self._database.rows(
                    "SELECT count(*) AS segments, coalesce(sum(size_bytes), 0) AS size_bytes FROM segments"
                    " WHERE camera_id = ? AND state = ? AND held = ? AND start_at BETWEEN ? AND ?"
                    " AND start_at < ? AND end_at > ?",
                    (str(camera_id), state, held, *_reach(start, end)),
                )[0]
                segments += row["segments"]
                size_bytes += row["size_bytes"]
        being_written = self._database.rows(
            "SELECT count(*) AS segments FROM segments WHERE camera_id = ? AND state = ? AND opened_at < ?",
            (str(camera_id), SegmentState.OPEN, to_column(end)),
        )[0]["segments"]
        return Backlog(segments + being_written, size_bytes, None)

    def unproven_bytes(self) -> Counter[UUID]:
        """What of each camera's sealed footage is not proven to be stored."""
        rows = self._database.rows(
            "SELECT camera_id, sum(size_bytes) AS size_bytes FROM tallies WHERE state IN ('sealed', 'uploaded')"
            " GROUP BY camera_id"
        )
        return Counter({UUID(row["camera_id"]): row["size_bytes"] for row in rows if row["size_bytes"]})

    def sealed_bytes(self) -> Counter[UUID]:
        """How many bytes of each camera were ever sealed here: it only grows."""
        rows = self._database.rows("SELECT id, sealed_bytes FROM cameras")
        return Counter({UUID(row["id"]): row["sealed_bytes"] for row in rows})


def _reach(start: datetime, end: datetime) -> tuple[int, int, int, int]:
    return to_column(start - LONGEST_SEGMENT), to_column(end), to_column(end), to_column(start)
