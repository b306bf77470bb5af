"""What an upload is, and what every store can do with it."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import google_crc32c

from recorder.errors import LocalFileDamaged

READ_BYTES = 128 * 1024


def _nobody(_count: int) -> None:
    return None


async def _at_once(wanted: int) -> int:
    return wanted


@dataclass(frozen=True, slots=True)
class Upload:
    """One sealed segment on its way."""

    path: Path
    object_name: str
    size_bytes: int
    crc32c: str
    """Base64 of the big-endian bytes, as GCS writes it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Kept with the object, so that the database can be rebuilt from the bucket."""
    advanced: Callable[[int], None] = _nobody
    """Told how many further bytes the store has confirmed."""
    grant: Callable[[int], Awaitable[int]] = _at_once
    """Asked before bytes of the file are sent: waits until some of so many may go, and tells how many.

    Raises `UploadsClosed`, which no store catches: the upload ends where it is, and goes on from there another time.
    """

    def check_size(self) -> None:
        """Raises `LocalFileDamaged` if the file is gone or has another size than at its sealing."""
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise LocalFileDamaged(f"{self.path.name} can't be read: {error.strerror}") from None
        if size != self.size_bytes:
            raise LocalFileDamaged(f"{self.path.name} has {size} bytes, sealed with {self.size_bytes}")

    async def check_content(self) -> None:
        """Raises `LocalFileDamaged` if the file no longer has the checksum of its sealing; reads it all."""
        if await asyncio.to_thread(checksum, self.path, self.size_bytes) != self.crc32c:
            raise LocalFileDamaged(f"{self.path.name} no longer has the checksum of its sealing: check the disk")


class SessionMemory(Protocol):
    """Where the URI of an upload session outlives a restart. The URI is a secret."""

    async def recall(self) -> str | None:
        """The URI of the session that was opened for this upload, if any."""

    async def remember(self, uri: str | None) -> None:
        """Keeps the URI; None forgets it."""


class Storage(Protocol):
    """A store. Uploads are idempotent: an equal object that is already there is a success."""

    needs_session: bool
    """Whether it needs a session that somebody else opened."""

    async def put(self, upload: Upload, memory: SessionMemory) -> int | None:
        """Uploads, has the store prove the checksum, and returns the object's generation, None where it isn't told.

        Raises a `StorageError`.
        """

    async def check(self) -> None:
        """Raises a `StorageError` that says what to do if uploads can't work."""

    async def close(self) -> None:
        """Lets go of connections."""


def as_base64(checksum: int) -> str:
    """A CRC32C as Google Cloud Storage writes it."""
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes `[start, end)` of a file, a little at a time."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            while start < end:
                piece = file.read(min(READ_BYTES, end - start))
                if not piece:
                    raise LocalFileDamaged(f"{path.name} ends at byte {start}")
                start += len(piece)
                yield piece
    except OSError as error:
        raise LocalFileDamaged(f"{path.name} can't be read: {error.strerror}") from None


def checksum(path: Path, size_bytes: int) -> str:
    """The CRC32C of a file's first `size_bytes`; blocks."""
    crc = 0
    for piece in pieces(path, 0, size_bytes):
        crc = google_crc32c.extend(crc, piece)
    return as_base64(crc)
