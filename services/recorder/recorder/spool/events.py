"""The spool's scene events: kept until the control plane has them and they are over."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from recorder.spool.database import Database, from_column, to_column, waiting
from recorder.spool.rows import SceneEvent

MOST = 10_000
"""An older control plane takes none in: then the oldest go."""


class Events:
    """Rows of events that are still to be reported, or are not over yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, events: Iterable[SceneEvent]) -> None:
        """New ones, or known ones that are over now: they are told (again)."""
        with self._database.transaction() as db:
            for event in events:
                db.execute(
                    "INSERT INTO events (id, camera_id, kind, begin_at, end_at, usual, seen)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id)"
                    " DO UPDATE SET end_at = excluded.end_at, reported = 0, retry_at = NULL",
                    (
                        str(event.id),
                        str(event.camera_id or ""),
                        event.kind,
                        to_column(event.begin),
                        to_column(event.end),
                        json.dumps(dict(event.usual)),
                        json.dumps(dict(event.seen)),
                    ),
                )
            db.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY begin_at DESC LIMIT -1 OFFSET ?)",
                (MOST,),
            )

    def end_all(self, now: datetime) -> None:
        """A run begins: what was on when the last one ended is over, and was seen no later than `now`."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE events SET end_at = max(begin_at, ?), reported = 0 WHERE end_at IS NULL", (to_column(now),)
            )

    def to_report(self, now: datetime, limit: int = 500) -> list[SceneEvent]:
        """Those the control plane doesn't have as they are, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM events WHERE NOT reported AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?)"
            " ORDER BY begin_at LIMIT ?",
            (*waiting(now), limit),
        )
        return [_event(row) for row in rows]

    def mark_reported(self, events: Iterable[SceneEvent]) -> None:
        """The control plane has them as they are here: rows of those that are over go, unless they changed since."""
        with self._database.transaction() as db:
            for event in events:
                as_told = (str(event.id), to_column(event.end))
                db.execute("DELETE FROM events WHERE id = ? AND end_at = ?", as_told)
                db.execute("UPDATE events SET reported = 1 WHERE id = ? AND end_at IS ?", as_told)

    def postpone(self, event_ids: Iterable[UUID], retry_at: datetime) -> None:
        """Don't report them before `retry_at`."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE events SET retry_at = ? WHERE id = ?",
                [(to_column(retry_at), str(event_id)) for event_id in event_ids],
            )


def _event(row: sqlite3.Row) -> SceneEvent:
    return SceneEvent(
        id=UUID(row["id"]),
        camera_id=UUID(row["camera_id"]) if row["camera_id"] else None,
        kind=row["kind"],
        begin=from_column(row["begin_at"]),
        end=from_column(row["end_at"]),
        usual=json.loads(row["usual"]),
        seen=json.loads(row["seen"]),
    )
