"""Segments of one recording, as a recorder offers them."""

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import google_crc32c
from uuid_utils.compat import uuid7

from camfleet_contract.segments import object_name
from tests.control_plane.local_client.sites import Place, Recorder

START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Footage:
    """One recording, and segments of it."""

    place: Place
    recorder: Recorder
    camera_id: uuid.UUID
    recording_id: uuid.UUID

    def offer(self, number: int = 0, *, uploaded: bool = True, **more: Any) -> dict[str, Any]:
        content = self.content(number)
        segment_id = uuid7()
        start = START + timedelta(minutes=number)
        name = object_name(self.camera_id, self.recording_id, segment_id, start)
        return {
            "id": str(segment_id),
            "recording_id": str(self.recording_id),
            "camera_id": str(self.camera_id),
            "start": start.isoformat(),
            "end": (start + timedelta(minutes=1)).isoformat(),
            "size_bytes": len(content),
            "crc32c": base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "codec": "h264",
            "packets": 1500,
            "object_name": name if uploaded else None,
            "generation": 0 if uploaded else None,
        } | more

    def content(self, number: int) -> bytes:
        return f"segment {number}".encode() * 100

    def put(self, offer: dict[str, Any], number: int = 0) -> Path:
        """Upload it, as a direct recorder does before it offers."""
        file = bucket_of(self.place) / str(offer["object_name"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content(number))
        return file

    async def answers(self, *offers: dict[str, Any], recorder: Recorder | None = None) -> list[Any]:
        response = await (recorder or self.recorder).post("segments/offer", json={"segments": offers})
        assert response.status_code == 200, response.text
        answers = response.json()["segments"]
        assert [answer["id"] for answer in answers] == [offer["id"] for offer in offers]
        return list(answers)

    async def verdicts(self, *offers: dict[str, Any]) -> list[str]:
        return [answer["code"] or answer["verdict"] for answer in await self.answers(*offers)]


def bucket_of(place: Place) -> Path:
    folder = Path(unquote(urlsplit(place.service.services.store.url).path))
    folder.mkdir(exist_ok=True)
    return folder
