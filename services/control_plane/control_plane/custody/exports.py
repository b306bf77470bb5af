"""Exports: footage of an interval with the manifest that proves it, as one file or as a folder."""

import asyncio
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from starlette.responses import StreamingResponse
from starlette.types import Send

from camfleet_contract.chains import moment
from control_plane.custody.manifest import Subject, read_subject
from control_plane.errors import Invalid
from control_plane.events import Actor, record_event
from control_plane.security.principals import UNLIMITED, Principal
from control_plane.services import Services
from control_plane.stores import NoSuchObjectError, Store

MOST_SEGMENTS = 20_000
"""Two weeks of a camera in segments of a minute; the manifest is made in memory."""
FORMAT = "camfleet-export-1"
_VERIFIER = Path(__file__).with_name("offline_verifier.py")
_README = b"""An export of camfleet.

Check it with Python 3.8 or later:

    python3 verify.py

and compare the SHA-256 of the manifest, which that prints first, with the control plane's audit log (event
camera.exported). Whoever can change the files can change the manifest and verify.py as well: only that comparison, and
a verify.py from somewhere you trust, prove anything.
"""


@dataclass(frozen=True, slots=True)
class File:
    """One stored segment that goes along."""

    name: str
    """In the export."""
    object_name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """All that is known before the first byte of footage is read."""

    name: str
    manifest: bytes
    files: Sequence[File]
    exported_at: datetime

    @property
    def sha256(self) -> str:
        """Of the manifest: what the audit log keeps."""
        return hashlib.sha256(self.manifest).hexdigest()

    def headers(self) -> Mapping[str, str]:
        """Of the answer that carries it."""
        return {"Content-Disposition": f'attachment; filename="{self.name}.zip"', "X-Manifest-SHA256": self.sha256}

    def papers(self) -> Sequence[tuple[str, bytes]]:
        """What comes before the footage."""
        return [("manifest.json", self.manifest), ("verify.py", _VERIFIER.read_bytes()), ("README.txt", _README)]


async def prepare_export(
    services: Services,
    camera_id: uuid.UUID,
    start: datetime,
    end: datetime,
    actor: Actor,
    now: datetime,
    seen_by: Principal = UNLIMITED,
) -> Export:
    """Put the manifest together and write the audit row. Raises NotFound, Invalid."""
    if start >= end:
        raise Invalid("until", "must be after from")
    async with services.sessions.begin() as session:
        subject = await read_subject(session, services.store.url, camera_id, start, end, MOST_SEGMENTS, seen_by)
        document = _document(subject, start, end, actor, now)
        manifest = json.dumps(document, indent=1, ensure_ascii=True).encode()
        name = f"camfleet_{camera_id}_{start.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        files = [
            File(_file_name(segment.object_name), segment.object_name, segment.size_bytes)
            for segment in subject.segments
            if subject.has_file(segment)
        ]
        export = Export(name, manifest, files, now)
        detail = {
            "from": start,
            "until": end,
            "segments": len(files),
            "bytes": sum(file.size_bytes for file in files),
            "manifest_sha256": export.sha256,
            "chain_ends": [
                {"chain_id": head.chain_id, "sequence": head.sequence, "link_sha256": head.link_sha256}
                for head in subject.heads.values()
            ],
        }
        record_event(session, "camera", camera_id, "camera.exported", actor, detail)
    return export


class Download(StreamingResponse):
    """The answer that carries an export; the store's connection is let go at once when the caller breaks off."""

    def __init__(self, export: Export, store: Store) -> None:
        self._pieces = zipped(export, store)
        super().__init__(self._pieces, media_type="application/zip", headers=dict(export.headers()))

    async def stream_response(self, send: Send) -> None:
        """Send all of it."""
        async with aclosing(self._pieces):
            await super().stream_response(send)


async def zipped(export: Export, store: Store) -> AsyncGenerator[bytes, None]:
    """The export as a ZIP file, not compressed, as it is read: memory stays at a piece of one segment.

    An object that the store does not have is left out, which `verify.py` tells. Raises StoreUnavailableError midway:
    better a download that breaks off than one that looks whole.
    """
    sink = _Sink()
    stamp = export.exported_at.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, content in export.papers():
            archive.writestr(zipfile.ZipInfo(f"{export.name}/{name}", stamp), content)
        yield sink.taken()
        for file in export.files:
            async with aclosing(store.read(file.object_name)) as pieces:
                try:
                    piece = await anext(pieces, b"")
                except NoSuchObjectError:
                    continue
                entry = zipfile.ZipInfo(f"{export.name}/{file.name}", stamp)
                with archive.open(entry, "w", force_zip64=file.size_bytes >= zipfile.ZIP64_LIMIT // 2) as written:
                    while piece:
                        written.write(piece)
                        yield sink.taken()
                        piece = await anext(pieces, b"")
    yield sink.taken()


async def unfolded(export: Export, store: Store, folder: Path) -> AsyncIterator[File]:
    """The export as a folder, which must not exist yet; each file once it is written. Raises OSError."""
    await asyncio.to_thread(_begin, export, folder)
    for file in export.files:
        async with aclosing(store.read(file.object_name)) as pieces:
            try:
                piece = await anext(pieces, b"")
            except NoSuchObjectError:
                continue
            with (folder / file.name).open("xb") as written:
                while piece:
                    written.write(piece)
                    piece = await anext(pieces, b"")
        yield file


def _begin(export: Export, folder: Path) -> None:
    (folder / "segments").mkdir(parents=True)
    for name, content in export.papers():
        (folder / name).write_bytes(content)


def _document(subject: Subject, start: datetime, end: datetime, actor: Actor, now: datetime) -> dict[str, object]:
    return {
        "format": FORMAT,
        "camfleet_version": version("camfleet-control-plane"),
        "exported_at": moment(now),
        "exported_by": actor.name,
        "camera": {"id": str(subject.camera.id), "name": subject.camera.name, "site": subject.camera.site.name},
        "from": moment(start),
        "until": moment(end),
        "chains": subject.chains(),
        "segments": [subject.entry(segment, _file_name(segment.object_name)) for segment in subject.segments],
        "gaps": [
            {"start": moment(gap.started_at), "end": moment(gap.ended_at), "cause": gap.cause, "detail": gap.detail}
            for gap in subject.gaps
        ],
    }


def _file_name(object_name: str) -> str:
    return f"segments/{object_name.rsplit('/', 1)[1]}"


class _Sink(io.RawIOBase):
    """Takes what the ZIP writer writes until somebody fetches it; can't be sought in."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._written += view
        return view.nbytes

    def taken(self) -> bytes:
        """What came since the last time."""
        written, self._written = bytes(self._written), bytearray()
        return written
