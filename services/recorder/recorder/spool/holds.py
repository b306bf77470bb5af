"""The spool's holds: recordings whose local files stay, whatever the rules of retention say."""

import sqlite3
import threading
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from recorder.spool.database import Database, from_column, to_column
from recorder.spool.rows import Hold, HoldOrigin


class Holds:
    """Rows of holds, and the mark on the segments that they keep."""

    def __init__(self, database: Database, removing: threading.Lock) -> None:
        """`removing` is held by whoever is about to delete files: a hold comes before that or after, not between."""
        self._database = database
        self._removing = removing

    def hold(self, recording_id: UUID, origin: HoldOrigin, now: datetime) -> None:
        """From now on nothing of the recording is deleted by rule. Repeating changes nothing."""
        with self._removing, self._database.transaction() as db:
            _hold(db, recording_id, origin, now)

    def release(self, recording_id: UUID, origin: HoldOrigin) -> bool:
        """This origin needs it no longer; it stays held while another does. False if it didn't hold it."""
        with self._database.transaction() as db:
            return _release(db, recording_id, origin)

    def converge(self, told: Collection[UUID], now: datetime, *, is_all: bool) -> None:
        """What the control plane holds: these recordings and, if `is_all`, no others."""
        known = {hold.recording_id for hold in self.all() if hold.origin is HoldOrigin.CONTROL_PLANE}
        new, gone = set(told) - known, known - set(told) if is_all else set()
        if not new and not gone:
            return
        with self._removing, self._database.transaction() as db:
            for recording_id in new:
                _hold(db, recording_id, HoldOrigin.CONTROL_PLANE, now)
            for recording_id in gone:
                _release(db, recording_id, HoldOrigin.CONTROL_PLANE)

    def all(self) -> list[Hold]:
        """Oldest first, also those of recordings that have no file here."""
        return [
            Hold(UUID(row["recording_id"]), HoldOrigin(row["origin"]), from_column(row["since"]))
            for row in self._database.rows("SELECT * FROM holds ORDER BY since, recording_id")
        ]


def _hold(db: sqlite3.Connection, recording_id: UUID, origin: HoldOrigin, now: datetime) -> None:
    db.execute("INSERT INTO holds VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (str(recording_id), origin, to_column(now)))
    db.execute("UPDATE segments SET held = 1 WHERE recording_id = ? AND held = 0", (str(recording_id),))


def _release(db: sqlite3.Connection, recording_id: UUID, origin: HoldOrigin) -> bool:
    changed = db.execute("DELETE FROM holds WHERE recording_id = ? AND origin = ?", (str(recording_id), origin))
    db.execute(
        "UPDATE segments SET held = 0 WHERE recording_id = ? AND held = 1"
        " AND NOT EXISTS (SELECT 1 FROM holds WHERE recording_id = segments.recording_id)",
        (str(recording_id),),
    )
    return changed.rowcount > 0
