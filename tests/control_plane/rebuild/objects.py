"""Objects that say what they are, in a folder."""

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google_crc32c
from uuid_utils.compat import uuid7

from camfleet_contract.descriptions import SegmentDescription
from camfleet_contract.segments import object_name
from control_plane.rebuild import Finding, Rebuild, Summary
from control_plane.services import Services
from control_plane.stores import Store
from control_plane.stores.checksums import as_base64

START = datetime(2026, 3, 1, 20, 0, 0, 40_123, UTC)
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Camera:
    """One camera's recording, segment after segment."""

    client_id: uuid.UUID = field(default_factory=uuid7)
    camera_id: uuid.UUID = field(default_factory=uuid7)
    recording_id: uuid.UUID = field(default_factory=uuid7)
    recorder_id: uuid.UUID = field(default_factory=uuid7)

    def segment(self, number: int = 0, **more: Any) -> "Object":
        start = START + timedelta(minutes=number)
        told = {
            "segment_id": uuid7(),
            "recording_id": self.recording_id,
            "camera_id": self.camera_id,
            "client_id": self.client_id,
            "recorder_id": self.recorder_id,
            "start": start,
            "end": start + timedelta(minutes=1),
            "clock_error_seconds": 0.012 + number,
            "codec": "h264",
            "packets": 1500 + number,
            "sequence": number + 1 if number >= 0 else None,
            "previous_link_sha256": "5f" * 32,
            "previous_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
            "recording_name": "Yard by night",
            "recording_started_at": START - timedelta(seconds=1),
        }
        return Object(SegmentDescription.model_validate(told | more), f"footage {number}".encode() * 50)


@dataclass(frozen=True)
class Object:
    """A segment that was uploaded."""

    description: SegmentDescription
    footage: bytes

    @property
    def content(self) -> bytes:
        return self.footage + self.description.box()

    @property
    def name(self) -> str:
        about = self.description
        return object_name(about.camera_id, about.recording_id, about.segment_id, about.start)

    @property
    def crc32c(self) -> str:
        return as_base64(google_crc32c.value(self.content))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def put(self, folder: Path) -> Path:
        file = folder / self.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content)
        return file

    def row(self, generation: int = 0) -> dict[str, Any]:
        """What the database is to say of it."""
        about = self.description
        return {
            "camera_id": about.camera_id,
            "started_at": about.start,
            "id": about.segment_id,
            "ended_at": about.end,
            "client_id": about.client_id,
            "recording_id": about.recording_id,
            "state": "stored",
            "size_bytes": len(self.content),
            "crc32c": self.crc32c,
            "sha256": self.sha256,
            "previous_sha256": about.previous_sha256,
            "codec": about.codec,
            "packets": about.packets,
            "clock_error_seconds": about.clock_error_seconds,
            "object_name": self.name,
            "generation": generation,
            "stored_at": NOW,
            "chain_id": about.recorder_id if about.sequence else None,
            "sequence": about.sequence,
            "link_sha256": about.link_sha256(len(self.content), self.crc32c, self.sha256),
        }


@dataclass(frozen=True)
class Rebuilt:
    """What a run counted and told."""

    summary: Summary
    findings: list[Finding]

    @property
    def told(self) -> list[tuple[str, str]]:
        return sorted((str(finding.kind), finding.object_name) for finding in self.findings)

    @property
    def made(self) -> tuple[int, int, int, int]:
        """Segments, recordings, cameras, recorders."""
        return self.summary.segments, self.summary.recordings, self.summary.cameras, self.summary.clients


async def rebuilt(services: Services, store: Store | None = None, **how: Any) -> Rebuilt:
    findings: list[Finding] = []
    summary = Summary(findings.append)
    await Rebuild(services.sessions, store or services.store, summary, **{"clock": lambda: NOW} | how).run()
    return Rebuilt(summary, findings)
