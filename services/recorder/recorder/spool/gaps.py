"""The spool's gaps: kept until the control plane has them."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.spool.database import Database, from_column, to_column, waiting
from recorder.spool.rows import MissedFootage

_TOLD_UNTIL = "gaps_told_until:"
_NOTED = "missing_when_last_seen"


class Gaps:
    """Rows of gaps that are still to be reported."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, gaps: Iterable[MissedFootage]) -> None:
        """What was due until now and is missing. Durable when it returns."""
        with self._database.transaction() as db:
            for gap in gaps:
                insert_gap(db, gap)
                _note_end(db, gap)

    def go_on(self, gap: MissedFootage, end: datetime) -> MissedFootage:
        """The gap lasts until `end`; durable when it returns. One that was told already is told again, and grows."""
        longer = replace(gap, end=end)
        with self._database.transaction() as db:
            insert_gap(db, longer)
            _note_end(db, longer)
        return longer

    def note(self, missing: Sequence[MissedFootage]) -> None:
        """What is missing at this moment, in place of what was noted before: for the next run, if this one is killed.

        Not on disk when it returns: what a power cut takes is seconds of a cause.
        """
        text = json.dumps([_as_text(gap) for gap in missing])
        with self._database.hasty_transaction() as db:
            _set_fact(db, _NOTED, text)

    def noted(self) -> list[MissedFootage]:
        """What the last run, or this one, noted last."""
        return [_from_text(texts) for texts in json.loads(self._database.fact(_NOTED) or "[]")]

    def told_until(self) -> dict[UUID, datetime]:
        """Per camera, the end of the gap that was added last, also when the control plane has it by now."""
        rows = self._database.rows("SELECT name, value FROM facts WHERE name GLOB ?", (f"{_TOLD_UNTIL}*",))
        return {UUID(row["name"].removeprefix(_TOLD_UNTIL)): datetime.fromisoformat(row["value"]) for row in rows}

    def to_report(self, now: datetime, limit: int = 500) -> list[MissedFootage]:
        """Those the control plane doesn't have yet, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM gaps WHERE retry_at IS NULL OR retry_at NOT BETWEEN ? AND ? ORDER BY start_at LIMIT ?",
            (*waiting(now), limit),
        )
        return [_gap(row) for row in rows]

    def mark_reported(self, told: Iterable[MissedFootage]) -> None:
        """The control plane has them as they were told: their rows go. One that went on meanwhile is told once more."""
        with self._database.transaction() as db:
            db.executemany(
                "DELETE FROM gaps WHERE id = ? AND end_at = ?", [(str(gap.id), to_column(gap.end)) for gap in told]
            )

    def postpone(self, gap_ids: Iterable[UUID], retry_at: datetime) -> None:
        """Don't report them before `retry_at`."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE gaps SET retry_at = ? WHERE id = ?", [(to_column(retry_at), str(gap_id)) for gap_id in gap_ids]
            )


def insert_gap(db: sqlite3.Connection, gap: MissedFootage) -> None:
    """Within a transaction of the caller's. A row that is there already ends later now."""
    db.execute(
        "INSERT INTO gaps (id, camera_id, schedule_id, recording_id, start_at, end_at, cause, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET end_at = excluded.end_at",
        (
            str(gap.id),
            str(gap.camera_id),
            str(gap.schedule_id) if gap.schedule_id else None,
            str(gap.recording_id) if gap.recording_id else None,
            to_column(gap.start),
            to_column(gap.end),
            gap.cause,
            gap.detail,
        ),
    )


def _as_text(gap: MissedFootage) -> list[str]:
    owners = [str(owner or "") for owner in (gap.camera_id, gap.schedule_id, gap.recording_id)]
    return [*owners, gap.start.isoformat(), gap.end.isoformat(), gap.cause.value, gap.detail]


def _from_text(texts: list[str]) -> MissedFootage:
    camera, schedule, recording, start, end, cause, detail = texts
    return MissedFootage(
        id=uuid7(),
        camera_id=UUID(camera),
        schedule_id=UUID(schedule) if schedule else None,
        recording_id=UUID(recording) if recording else None,
        start=datetime.fromisoformat(start),
        end=datetime.fromisoformat(end),
        cause=GapCause(cause),
        detail=detail,
    )


def _note_end(db: sqlite3.Connection, gap: MissedFootage) -> None:
    _set_fact(db, f"{_TOLD_UNTIL}{gap.camera_id}", gap.end.isoformat())


def _set_fact(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value))


def _gap(row: sqlite3.Row) -> MissedFootage:
    return MissedFootage(
        id=UUID(row["id"]),
        camera_id=UUID(row["camera_id"]),
        schedule_id=UUID(row["schedule_id"]) if row["schedule_id"] else None,
        recording_id=UUID(row["recording_id"]) if row["recording_id"] else None,
        start=from_column(row["start_at"]),
        end=from_column(row["end_at"]),
        cause=GapCause(row["cause"]),
        detail=row["detail"],
    )
