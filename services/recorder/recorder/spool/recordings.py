"""The spool's recordings: begun by the cameras, registered and reported by the control-plane side."""

import sqlite3
from datetime import datetime, timedelta
from uuid import UUID

from camfleet_contract.recordings import RecordingStatus
from recorder.spool.database import Database, from_column, to_column, waiting
from recorder.spool.rows import Recording

REFUSED_KEPT = timedelta(days=7)
"""A camera that was taken away from this recorder may be given back."""
_DONE = (
    "WHERE ended_at IS NOT NULL AND (registered AND reported_status = status OR retry_at - refused_since > :patience"
    " AND id NOT IN (SELECT recording_id FROM gaps WHERE recording_id IS NOT NULL AND retry_at IS NULL))"
)
"""Over, and the control plane knows it or doesn't want to; of its gaps, too, there is none that nobody was told."""


class Recordings:
    """Rows of recordings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, recording: Recording) -> None:
        """Before its first segment."""
        with self._database.hasty_transaction() as db:
            db.execute(
                "INSERT INTO recordings (id, camera_id, schedule_id, name, started_at, until, status)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    str(recording.id),
                    str(recording.camera_id),
                    str(recording.schedule_id) if recording.schedule_id else None,
                    recording.name,
                    to_column(recording.started_at),
                    to_column(recording.until),
                    recording.status,
                ),
            )

    def finish(
        self,
        recording_id: UUID,
        status: RecordingStatus,
        ended_at: datetime,
        *,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> None:
        """The recording is over. The first end stands; repeating changes nothing."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE recordings SET status = ?, ended_at = ?, error_code = ?, error_message = ?"
                " WHERE id = ? AND ended_at IS NULL",
                (status, to_column(ended_at), error_code, error_message, str(recording_id)),
            )

    def extend(self, recording_id: UUID, until: datetime) -> None:
        """Its window now ends at `until`."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE recordings SET until = ? WHERE id = ? AND ended_at IS NULL",
                (to_column(until), str(recording_id)),
            )

    def get(self, recording_id: UUID) -> Recording | None:
        rows = self._database.rows("SELECT * FROM recordings WHERE id = ?", (str(recording_id),))
        return _recording(rows[0]) if rows else None

    def open(self) -> list[Recording]:
        """Those that are not over."""
        return [
            _recording(row)
            for row in self._database.rows("SELECT * FROM recordings WHERE ended_at IS NULL ORDER BY started_at")
        ]

    def to_register(self, now: datetime, limit: int = 100) -> list[Recording]:
        """Those the control plane doesn't know yet, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM recordings WHERE NOT registered AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?)"
            " ORDER BY started_at LIMIT ?",
            (*waiting(now), limit),
        )
        return [_recording(row) for row in rows]

    def mark_registered(self, recording_id: UUID) -> None:
        with self._database.transaction() as db:
            db.execute(
                "UPDATE recordings SET registered = 1, retry_at = NULL, refused_since = NULL WHERE id = ?",
                (str(recording_id),),
            )

    def mark_unregistered(self, recording_id: UUID) -> bool:
        """The control plane says that it doesn't know the recording (its database was restored, say).

        Whether it was registered before; if not, its registration waits as it did.
        """
        with self._database.transaction() as db:
            changed = db.execute(
                "UPDATE recordings SET registered = 0, reported_status = NULL, retry_at = NULL, refused_since = NULL"
                " WHERE id = ? AND registered",
                (str(recording_id),),
            )
            return changed.rowcount > 0

    def to_report(self, now: datetime, limit: int = 100) -> list[Recording]:
        """Those that are registered and whose status the control plane doesn't know yet, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM recordings WHERE reported_status IS NOT status AND registered"
            " AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?) ORDER BY started_at LIMIT ?",
            (*waiting(now), limit),
        )
        return [_recording(row) for row in rows]

    def mark_reported(self, recording_id: UUID, status: RecordingStatus) -> None:
        """The control plane acknowledged `status`, which need not be the newest any more."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE recordings SET reported_status = ?, retry_at = NULL, refused_since = NULL WHERE id = ?",
                (status, str(recording_id)),
            )

    def postpone(self, recording_id: UUID, retry_at: datetime) -> None:
        """Don't register or report it before `retry_at`."""
        with self._database.transaction() as db:
            db.execute("UPDATE recordings SET retry_at = ? WHERE id = ?", (to_column(retry_at), str(recording_id)))

    def refuse(self, recording_id: UUID, now: datetime, retry_at: datetime) -> None:
        """The control plane doesn't take what it was told of it. Don't tell it again before `retry_at`."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE recordings SET retry_at = ?, refused_since = coalesce(refused_since, ?) WHERE id = ?",
                (to_column(retry_at), to_column(now), str(recording_id)),
            )

    def forget_finished(self) -> int:
        """Drop the rows that nobody needs any more: no file left, and its end told, or refused for a week.

        Returns how many.
        """
        patience = {"patience": REFUSED_KEPT // timedelta(microseconds=1)}
        with self._database.transaction() as db:
            db.execute(
                f"DELETE FROM segments WHERE state = 'lost' AND recording_id IN (SELECT id FROM recordings {_DONE})",  # noqa: S608 - a constant
                patience,
            )
            forgotten = db.execute(
                f"DELETE FROM recordings {_DONE}"  # noqa: S608 - a constant
                " AND NOT EXISTS (SELECT 1 FROM segments WHERE recording_id = recordings.id)",
                patience,
            ).rowcount
            if forgotten:
                db.execute(
                    "DELETE FROM holds WHERE origin = 'site'"
                    " AND NOT EXISTS (SELECT 1 FROM recordings WHERE id = holds.recording_id)"
                )
            return forgotten


def _recording(row: sqlite3.Row) -> Recording:
    return Recording(
        id=UUID(row["id"]),
        camera_id=UUID(row["camera_id"]),
        schedule_id=UUID(row["schedule_id"]) if row["schedule_id"] else None,
        name=row["name"],
        started_at=from_column(row["started_at"]),
        until=from_column(row["until"]),
        ended_at=from_column(row["ended_at"]),
        status=RecordingStatus(row["status"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        frames=row["frames"],
        size_bytes=row["size_bytes"],
    )
