"""How local files go, and what may: the file first, then its row, and never what is held."""

import threading
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from recorder.spool.database import Database, to_column
from recorder.spool.directory import sync_folder
from recorder.spool.gaps import insert_gap
from recorder.spool.holds import Holds
from recorder.spool.rows import MissedFootage, Occupied, Segment, SegmentState
from recorder.spool.segments import Segments, as_segment, started


class Removals:
    """Deletes segments. One at a time decides and deletes, and no hold is set in between."""

    def __init__(self, database: Database, segments: Segments, holds: Holds, removing: threading.Lock) -> None:
        self._database = database
        self._segments = segments
        self._holds = holds
        self._removing = removing

    def delete_stored(self, ended_before: datetime, limit: int = 500, camera_id: UUID | None = None) -> list[Segment]:
        """Delete stored segments whose footage ended before the moment: the files first, then the rows.

        At most `limit` at once, oldest first; returns what is gone. OSError if a file can't be deleted.
        """
        with self._removing:
            segments = self.oldest(SegmentState.STORED, ended_before, limit, camera_id)
            for segment in segments:
                self._segments.file(segment).unlink(missing_ok=True)
            for folder in {self._segments.file(segment).parent for segment in segments}:
                if folder.is_dir():
                    # A row gone and its file back after a power cut would be adopted as new footage.
                    sync_folder(folder)
            with self._database.transaction() as db:
                db.executemany("DELETE FROM segments WHERE id = ?", [(str(segment.id),) for segment in segments])
        return segments

    def give_up(self, segment: Segment, gap: MissedFootage) -> bool:
        """Delete a segment that is not proven, by a rule: the file, then the row together with its gap.

        False if it is held or proven meanwhile: what is proven goes by `delete_stored`, and is no gap. OSError if the
        file can't be deleted. A power cut in between leaves a row without a file: closed as lost.
        """
        with self._removing:
            row = self._database.rows(
                "SELECT 1 FROM segments WHERE id = ? AND held = 0 AND state != 'stored'", (str(segment.id),)
            )
            if not row:
                return False
            self._segments.file(segment).unlink(missing_ok=True)
            folder = self._segments.file(segment).parent
            if folder.is_dir():
                sync_folder(folder)
            with self._database.transaction() as db:
                proven = db.execute("SELECT state = 'stored' FROM segments WHERE id = ?", (str(segment.id),)).fetchone()
                db.execute("DELETE FROM segments WHERE id = ?", (str(segment.id),))
                if proven is not None and not proven[0]:
                    insert_gap(db, gap)
        return True

    def close_missing(self, segment: Segment, gap: MissedFootage) -> bool:
        """A sealed segment whose file is gone counts as lost, together with its gap; False if that isn't so."""
        with self._removing:
            fresh = self._segments.get(segment.id)
            if fresh is None or fresh.state is not SegmentState.SEALED or self._segments.file(segment).exists():
                return False
            self._segments.mark_lost(segment.id, gap)
        return True

    def oldest(
        self, state: SegmentState, ended_before: datetime, limit: int, camera_id: UUID | None = None
    ) -> list[Segment]:
        """Of what isn't held, the footage that ended before the moment: of all cameras or of one, oldest first."""
        # A camera at a time: each walks its index and stops at the limit. What ended before also began before.
        query = (
            "SELECT * FROM segments WHERE camera_id = ? AND state = ? AND held = 0 AND start_at < ? AND end_at < ?"
            " ORDER BY start_at LIMIT ?"
        )
        before = to_column(ended_before)
        found = [
            as_segment(row)
            for camera in ([str(camera_id)] if camera_id else self._cameras_with(state))
            for row in self._database.rows(query, (camera, state, before, before, limit))
        ]
        return sorted(found, key=started)[:limit]

    def occupied(self) -> Sequence[Occupied]:
        """What each camera has on the disk in sealed files."""
        rows = self._database.rows(
            "SELECT camera_id, sum(size_bytes) AS size_bytes, sum(held * size_bytes) AS held_bytes FROM tallies"
            " WHERE state IN ('sealed', 'uploaded', 'stored') GROUP BY camera_id ORDER BY camera_id"
        )
        return [Occupied(UUID(row["camera_id"]), row["size_bytes"], row["held_bytes"]) for row in rows]

    def deletable_bytes(self) -> int:
        """What is stored and not held: it goes as soon as there is need of room."""
        query = "SELECT coalesce(sum(size_bytes), 0) AS size_bytes FROM tallies WHERE state = 'stored' AND held = 0"
        return int(self._database.rows(query)[0]["size_bytes"])

    def held_note(self) -> str:
        """What to tell of a full disk on which only held footage is left; empty while other footage could go."""
        occupied = self.occupied()
        held = sum(camera.held_bytes for camera in occupied)
        if not held or held < sum(camera.size_bytes for camera in occupied):
            return ""
        recordings = len({hold.recording_id for hold in self._holds.all()})
        return (
            f"Held footage fills the disk: all {held / 2**20:,.0f} MiB here are held and never deleted by a rule"
            f" ({recordings} recordings). Release recordings, or give the disk more room."
        )

    def _cameras_with(self, state: SegmentState) -> list[str]:
        rows = self._database.rows(
            "SELECT camera_id FROM tallies WHERE state = ? AND held = 0 AND segments > 0 ORDER BY camera_id", (state,)
        )
        return [row["camera_id"] for row in rows]
