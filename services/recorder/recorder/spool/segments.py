"""The spool's segments: every step of one from its first byte to the end of its local file."""

import os
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path, PurePosixPath
from uuid import UUID

from recorder.spool.chains import append
from recorder.spool.database import Database, from_column, to_column, waiting
from recorder.spool.directory import RECORDINGS
from recorder.spool.gaps import insert_gap
from recorder.spool.rows import Backlog, MissedFootage, Sealed, Segment, SegmentState

_UNSEALED = "The segment is not open any more"


class Segments:
    """Rows of segments and the paths of their files. The order of the steps is the invariants of the design."""

    def __init__(self, database: Database, base: Path, chain_id: UUID) -> None:
        self._database = database
        self._base = base
        self._chain_id = chain_id

    # -- written by the cameras

    def begin(self, segment_id: UUID, recording_id: UUID, camera_id: UUID, opened_at: datetime) -> Segment:
        """The row, before there is a file. `Spool.sync` makes it survive a power cut."""
        path = PurePosixPath(RECORDINGS, str(camera_id), f"{opened_at:%Y-%m-%d}", f"{segment_id}.mp4")
        segment = Segment(segment_id, recording_id, camera_id, SegmentState.OPEN, path, opened_at)
        with self._database.hasty_transaction() as db:
            db.execute(
                "INSERT INTO segments (id, recording_id, camera_id, state, path, opened_at, held)"
                " VALUES (?, ?, ?, ?, ?, ?, EXISTS (SELECT 1 FROM holds WHERE recording_id = ?))",
                (
                    str(segment_id),
                    str(recording_id),
                    str(camera_id),
                    segment.state,
                    str(path),
                    to_column(opened_at),
                    str(recording_id),
                ),
            )
        return segment

    def seal(self, segment_id: UUID, sealed: Sealed) -> None:
        """The file stands under its final name and is synced. Continues the camera's chain."""
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT recording_id FROM segments WHERE id = ? AND state = ?", (str(segment_id), SegmentState.OPEN)
            ).fetchone()
            if row is None:
                raise LookupError(f"{_UNSEALED}: {segment_id}")
            db.execute(
                "UPDATE segments SET state = ?, start_at = ?, end_at = ?, size_bytes = ?, crc32c = ?, sha256 = ?,"
                " codec = ?, packets = ?, clock_error_seconds = ? WHERE id = ?",
                (
                    SegmentState.SEALED,
                    to_column(sealed.start),
                    to_column(sealed.end),
                    sealed.size_bytes,
                    sealed.crc32c,
                    sealed.sha256,
                    sealed.codec,
                    sealed.packets,
                    sealed.clock_error_seconds,
                    str(segment_id),
                ),
            )
            append(db, self._chain_id, segment_id, sealed)
            db.execute(
                "UPDATE recordings SET frames = frames + ?, size_bytes = size_bytes + ? WHERE id = ?",
                (sealed.packets, sealed.size_bytes, row["recording_id"]),
            )

    def abandon(self, segment_id: UUID) -> None:
        """An open segment that holds no footage: its file goes, then its row."""
        for segment in self._select("SELECT * FROM segments WHERE id = ? AND state = 'open'", (str(segment_id),)):
            for path in (self.open_file(segment), self.file(segment)):
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    # On a disk that can't be written not even what isn't there can be deleted.
                    if os.path.lexists(path):
                        raise
            with self._database.transaction() as db:
                db.execute("DELETE FROM segments WHERE id = ?", (str(segment_id),))

    def mark_lost(self, segment_id: UUID, gap: MissedFootage | None) -> None:
        """The row has no file. The gap is recorded with it, in one step."""
        with self._database.transaction() as db:
            db.execute("UPDATE segments SET state = 'lost', refusal = NULL WHERE id = ?", (str(segment_id),))
            if gap is not None:
                insert_gap(db, gap)

    # -- read and marked by the uploads

    def to_upload(self, now: datetime, *, newest_first: bool = True, limit: int = 100) -> list[Segment]:
        """Sealed segments whose turn it is."""
        return self._waiting((SegmentState.SEALED,), now, newest_first=newest_first, limit=limit)

    def to_offer(self, now: datetime, *, newest_first: bool = True, limit: int = 500) -> list[Segment]:
        """Sealed or uploaded segments whose turn it is."""
        return self._waiting((SegmentState.SEALED, SegmentState.UPLOADED), now, newest_first=newest_first, limit=limit)

    def uploaded(self, now: datetime, *, newest_first: bool = True, limit: int = 500) -> list[Segment]:
        """Uploaded segments that wait for their proof and whose turn it is."""
        return self._waiting((SegmentState.UPLOADED,), now, newest_first=newest_first, limit=limit)

    def get(self, segment_id: UUID) -> Segment | None:
        found = self._select("SELECT * FROM segments WHERE id = ?", (str(segment_id),))
        return found[0] if found else None

    def set_upload_session(self, segment_id: UUID, object_name: str | None, session: bytes | None) -> None:
        """`session` is the encrypted URI; None forgets it."""
        self._update(
            "UPDATE segments SET object_name = ?, upload_session = ? WHERE id = ?",
            (object_name, session, str(segment_id)),
        )

    def refuse(self, segment_id: UUID, refusal: str, retry_at: datetime) -> None:
        """The control plane or the store said no: try again at `retry_at`."""
        self._update(
            "UPDATE segments SET refusal = ?, retry_at = ? WHERE id = ?",
            (refusal, to_column(retry_at), str(segment_id)),
        )

    def clear_refusal(self, segment_id: UUID) -> None:
        self._update("UPDATE segments SET refusal = NULL, retry_at = NULL WHERE id = ?", (str(segment_id),))

    def mark_uploaded(self, segment_id: UUID, object_name: str, generation: int | None) -> None:
        """The object is complete in the store."""
        self._update(
            "UPDATE segments SET state = 'uploaded', object_name = ?, generation = ?, upload_session = NULL,"
            " refusal = NULL, retry_at = NULL WHERE id = ? AND state IN ('sealed', 'uploaded')",
            (object_name, generation, str(segment_id)),
        )

    def mark_stored(self, segment_ids: Iterable[UUID]) -> None:
        """The control plane has proven the objects: the files may go."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE segments SET state = 'stored', upload_session = NULL, refusal = NULL, retry_at = NULL"
                " WHERE id = ? AND state IN ('sealed', 'uploaded')",
                [(str(segment_id),) for segment_id in segment_ids],
            )

    def mark_sealed_again(self, segment_id: UUID, refusal: str, retry_at: datetime) -> None:
        """The object is missing or wrong: upload anew, into a new session.

        The name stays, which tells the next offer that there was a session: else the control plane would hand out the
        one that has ended, and it answers with the object that was.
        """
        self._update(
            "UPDATE segments SET state = 'sealed', generation = NULL, upload_session = NULL,"
            " refusal = ?, retry_at = ? WHERE id = ? AND state IN ('sealed', 'uploaded')",
            (refusal, to_column(retry_at), str(segment_id)),
        )

    # -- read by everybody

    def file(self, segment: Segment) -> Path:
        """Where the sealed file is."""
        return self._base / segment.path

    def open_file(self, segment: Segment) -> Path:
        """Where the file is while the segment is open."""
        return self._base / f"{segment.path}.part"

    def exist(self) -> bool:
        """Whether any segment should have a file."""
        return bool(self._database.rows("SELECT 1 FROM segments WHERE state != 'lost' LIMIT 1"))

    def in_state(self, state: SegmentState) -> list[Segment]:
        """All segments in a state, in the order they were opened."""
        return self._select("SELECT * FROM segments WHERE state = ? ORDER BY opened_at, id", (state,))

    def end_of(self, recording_id: UUID) -> datetime | None:
        """Where a recording's sealed footage ends."""
        query = "SELECT max(end_at) AS end_at FROM segments WHERE recording_id = ?"
        end: int | None = self._database.rows(query, (str(recording_id),))[0]["end_at"]
        return from_column(end)

    def backlog(self) -> Backlog:
        """What is sealed and not yet proven."""
        row = self._database.rows(
            "SELECT coalesce(sum(segments), 0) AS segments, coalesce(sum(size_bytes), 0) AS size_bytes,"
            " (SELECT min(oldest) FROM (SELECT min(start_at) AS oldest FROM segments WHERE state = 'sealed'"
            " UNION ALL SELECT min(start_at) FROM segments WHERE state = 'uploaded')) AS oldest"
            " FROM tallies WHERE state IN ('sealed', 'uploaded')"
        )[0]
        return Backlog(row["segments"], row["size_bytes"], from_column(row["oldest"]))

    def last_footage(self) -> dict[UUID, datetime]:
        """Per camera, the end of its newest sealed footage."""
        return {
            UUID(row["id"]): from_column(row["last_footage_at"]) for row in self._database.rows("SELECT * FROM cameras")
        }

    def refusals(self, limit: int = 5) -> dict[str, int]:
        """Why segments wait that were refused, the most frequent reasons first, and how many."""
        rows = self._database.rows(
            "SELECT refusal, count(*) AS segments FROM segments WHERE refusal IS NOT NULL GROUP BY refusal"
            " ORDER BY segments DESC LIMIT ?",
            (limit,),
        )
        return {row["refusal"]: int(row["segments"]) for row in rows}

    def counts(self) -> dict[SegmentState, int]:
        """How many segments are in which state."""
        rows = self._database.rows("SELECT state, sum(segments) AS segments FROM tallies GROUP BY state")
        counted = {SegmentState(row["state"]): int(row["segments"]) for row in rows}
        return {state: counted.get(state, 0) for state in SegmentState}

    def _waiting(
        self, states: tuple[SegmentState, ...], now: datetime, *, newest_first: bool, limit: int
    ) -> list[Segment]:
        # One query a state: each walks the index and stops at the limit, however long the backlog is.
        query = (
            "SELECT * FROM segments WHERE state = ? AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?)"
            " ORDER BY start_at DESC LIMIT ?"
            if newest_first
            else "SELECT * FROM segments WHERE state = ? AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?)"
            " ORDER BY start_at LIMIT ?"
        )
        found = [s for state in states for s in self._select(query, (state, *waiting(now), limit))]
        return sorted(found, key=started, reverse=newest_first)[:limit]

    def _select(self, query: str, parameters: tuple[object, ...]) -> list[Segment]:
        return [as_segment(row) for row in self._database.rows(query, parameters)]

    def _update(self, query: str, parameters: tuple[object, ...]) -> None:
        with self._database.transaction() as db:
            db.execute(query, parameters)


def started(segment: Segment) -> datetime:
    """When its footage begins."""
    return segment.sealed.start if segment.sealed else segment.opened_at


def as_segment(row: sqlite3.Row) -> Segment:
    """A row of the table."""
    sealed = (
        None
        if row["sha256"] is None
        else Sealed(
            start=from_column(row["start_at"]),
            end=from_column(row["end_at"]),
            size_bytes=row["size_bytes"],
            crc32c=row["crc32c"],
            sha256=row["sha256"],
            codec=row["codec"],
            packets=row["packets"],
            clock_error_seconds=row["clock_error_seconds"],
        )
    )
    return Segment(
        id=UUID(row["id"]),
        recording_id=UUID(row["recording_id"]),
        camera_id=UUID(row["camera_id"]),
        state=SegmentState(row["state"]),
        path=PurePosixPath(row["path"]),
        opened_at=from_column(row["opened_at"]),
        sealed=sealed,
        previous_sha256=row["previous_sha256"],
        sequence=row["sequence"],
        link_sha256=row["link_sha256"],
        object_name=row["object_name"],
        generation=row["generation"],
        upload_session=row["upload_session"],
        refusal=row["refusal"],
        retry_at=from_column(row["retry_at"]),
    )
