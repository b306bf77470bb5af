"""Recordings and segments as recorders leave them in the database."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Recording, Segment, SegmentState
from control_plane.services import Services

NOW = datetime.now(UTC).replace(microsecond=0)


class Footage:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def recording(self, client: Any, camera: Any, *, started_at: datetime = NOW, **given: object) -> Recording:
        values = {"name": "Night", "status": RecordingStatus.RECORDING} | given
        recording = Recording(
            id=uuid7(),
            client_id=uuid.UUID(client["id"]),
            camera_id=uuid.UUID(camera["id"]),
            started_at=started_at,
            **values,
        )
        async with self._services.sessions.begin() as session:
            session.add(recording)
        return recording

    async def segments(self, recording: Recording, count: int, *, stored: int, size_bytes: int = 1000) -> list[Segment]:
        """`count` segments of 60 s, the first `stored` of them stored."""
        segments = [
            Segment(
                id=uuid7(),
                recording_id=recording.id,
                camera_id=recording.camera_id,
                client_id=recording.client_id,
                started_at=recording.started_at + timedelta(minutes=number),
                ended_at=recording.started_at + timedelta(minutes=number + 1),
                state=SegmentState.STORED if number < stored else SegmentState.OFFERED,
                stored_at=NOW if number < stored else None,
                size_bytes=size_bytes,
                crc32c="yZRlqg==",
                sha256="9f" * 32,
                codec="h264",
                packets=1500,
                object_name=f"cameras/{recording.camera_id}/{number}.mp4",
                generation=1 if number < stored else None,
            )
            for number in range(count)
        ]
        async with self._services.sessions.begin() as session:
            session.add_all(segments)
        return segments
