"""The chains of the spool: each camera's sealed segments hang together by their hashes, in the order of sealing."""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from camfleet_contract.chains import Link
from recorder.spool.database import Database, to_column
from recorder.spool.rows import Head, Place, Sealed


class Chains:
    """Reads how far each chain has come, and lets one segment of a camera be sealed at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: defaultdict[UUID, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def turn(self, camera_id: UUID) -> Iterator[Place]:
        """The place of the segment that is sealed in here: its file names the one before, so none may come between.

        The sealer has an order of its own for each camera; but a file may be adopted meanwhile.
        """
        with self._turns[camera_id]:
            rows = self._database.rows(
                "SELECT last_sha256, last_link_sha256, sequence FROM cameras WHERE id = ?", (str(camera_id),)
            )
            yield (
                Place(rows[0]["sequence"] + 1, rows[0]["last_sha256"], rows[0]["last_link_sha256"])
                if rows
                else Place(1, None, None)
            )

    def heads(self) -> Sequence[Head]:
        """Of each camera that has sealed anything since chains are counted."""
        rows = self._database.rows(
            "SELECT c.*, (SELECT min(s.sequence) FROM segments s WHERE s.camera_id = c.id"
            " AND s.state IN ('sealed', 'uploaded') AND s.sequence IS NOT NULL) AS waiting_from"
            " FROM cameras c WHERE c.sequence > 0 ORDER BY c.last_footage_at DESC"
        )
        return [
            Head(
                camera_id=UUID(row["id"]),
                sequence=row["sequence"],
                segment_id=UUID(row["last_segment_id"]),
                sha256=row["last_sha256"],
                link_sha256=row["last_link_sha256"],
                waiting_from=row["waiting_from"] or row["sequence"] + 1,
                given_up=row["given_up"],
            )
            for row in rows
        ]


def append(db: sqlite3.Connection, chain_id: UUID, segment_id: UUID, sealed: Sealed) -> None:
    """Make a segment that is being sealed its camera's newest link, in the transaction that seals it."""
    segment = db.execute(
        "SELECT s.recording_id, s.camera_id, c.last_sha256, c.last_link_sha256, coalesce(c.sequence, 0) AS sequence"
        " FROM segments s LEFT JOIN cameras c ON c.id = s.camera_id WHERE s.id = ?",
        (str(segment_id),),
    ).fetchone()
    sequence = segment["sequence"] + 1
    link = Link(
        chain_id=chain_id,
        sequence=sequence,
        segment_id=segment_id,
        camera_id=UUID(segment["camera_id"]),
        recording_id=UUID(segment["recording_id"]),
        start=sealed.start,
        end=sealed.end,
        size_bytes=sealed.size_bytes,
        crc32c=sealed.crc32c,
        sha256=sealed.sha256,
        codec=sealed.codec,
        packets=sealed.packets,
        clock_error_seconds=sealed.clock_error_seconds,
    ).sha256_after(segment["last_link_sha256"])
    db.execute(
        "UPDATE segments SET previous_sha256 = ?, sequence = ?, link_sha256 = ? WHERE id = ?",
        (segment["last_sha256"], sequence, link, str(segment_id)),
    )
    db.execute(
        "INSERT INTO cameras (id, last_sha256, last_footage_at, sealed_bytes, sequence, last_segment_id,"
        " last_link_sha256) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET last_sha256 = excluded.last_sha256, sequence = excluded.sequence,"
        " last_segment_id = excluded.last_segment_id, last_link_sha256 = excluded.last_link_sha256,"
        " last_footage_at = max(last_footage_at, excluded.last_footage_at),"
        " sealed_bytes = sealed_bytes + excluded.sealed_bytes",
        (
            segment["camera_id"],
            sealed.sha256,
            to_column(sealed.end),
            sealed.size_bytes,
            sequence,
            str(segment_id),
            link,
        ),
    )
