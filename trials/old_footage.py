"""Stored footage that is past its days, made by the thousand: work for the retention of a trial."""

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import google_crc32c
from uuid_utils.compat import uuid7

_CONTENT = b"footage of long ago" * 50
_DAYS = 30


@dataclass(frozen=True, slots=True)
class OldFootage:
    """Cameras that keep footage for 30 days, in the database and in the store's folder."""

    connection: "asyncpg.Pool[asyncpg.Record]"
    store: Path
    client_id: uuid.UUID
    cameras: list[uuid.UUID]

    async def add(self, segments: int, *, is_held: bool = False) -> None:
        """So many segments of each camera, each in a recording of its own wave; with their files."""
        for camera_id in self.cameras:
            recording_id = uuid.UUID(str(uuid7()))
            begun = datetime.now(UTC) - timedelta(days=2 * _DAYS)
            await self.connection.execute(
                "INSERT INTO recordings (client_id, id, camera_id, name, status, started_at, held_at)"
                " VALUES ($1, $2, $3, 'old', 'completed', $4, $5)",
                self.client_id,
                recording_id,
                camera_id,
                begun,
                begun if is_held else None,
            )
            await self._add_segments(camera_id, recording_id, begun, segments)

    async def _add_segments(self, camera_id: uuid.UUID, recording_id: uuid.UUID, begun: datetime, count: int) -> None:
        folder = self.store / "cameras" / str(camera_id) / str(recording_id)
        folder.mkdir(parents=True)
        crc32c = base64.b64encode(google_crc32c.value(_CONTENT).to_bytes(4, "big")).decode()
        sha256 = hashlib.sha256(_CONTENT).hexdigest()
        rows = []
        for number in range(count):
            id_, start = uuid.UUID(str(uuid7())), begun + timedelta(seconds=10 * number)
            file = folder / f"{id_}.mp4"
            file.write_bytes(_CONTENT)
            end, name = start + timedelta(seconds=10), str(file.relative_to(self.store))
            rows.append((camera_id, start, id_, end, self.client_id, recording_id, len(_CONTENT), crc32c, sha256, name))
        await self.connection.executemany(
            "INSERT INTO segments (camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes,"
            " crc32c, sha256, codec, packets, object_name, generation, stored_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, 'stored', $7, $8, $9, 'h264', 250, $10, 0, $4)",
            rows,
        )


async def make_cameras(
    connection: "asyncpg.Pool[asyncpg.Record]", store: Path, client_id: uuid.UUID, count: int
) -> OldFootage:
    """Cameras at the client's site, with nothing stored yet."""
    cameras = [uuid.UUID(str(uuid7())) for _ in range(count)]
    for number, camera_id in enumerate(cameras, start=1):
        await connection.execute(
            "INSERT INTO cameras"
            " (id, site_id, name, camera_type, ip_address, record_quality, recording_mode, retention_days)"
            " SELECT $1, site_id, $2, 'rtsp', 'camera', 'medium', 'local_client', $3 FROM clients WHERE id = $4",
            camera_id,
            f"camera {number}",
            _DAYS,
            client_id,
        )
    return OldFootage(connection, store, client_id, cameras)
