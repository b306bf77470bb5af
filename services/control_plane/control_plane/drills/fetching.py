"""A stored object's bytes on their way into a local file: written, counted and hashed as they come."""

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from typing import BinaryIO

import google_crc32c

from control_plane.stores import NoSuchObjectError, Store
from control_plane.stores.checksums import as_base64


class TargetFullError(Exception):
    """Where the object was to be fetched to, it can't be written."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came."""

    size_bytes: int
    crc32c: str
    sha256: str


async def fetch(store: Store, object_name: str, file: BinaryIO, most_bytes: int) -> Fetched | None:
    """Write the object's bytes into `file`, a piece at a time; None if there is no such object.

    Of one that is larger than `most_bytes` no more than a piece beyond them is read, and what is said is of that. Raise
    TargetFullError, StoreUnavailableError.
    """
    size, checksum, sha256 = 0, 0, hashlib.sha256()
    try:
        async with aclosing(store.read(object_name)) as pieces:
            async for piece in pieces:
                # A disk may have to be waited for.
                await asyncio.to_thread(_write, file, piece)
                size += len(piece)
                checksum = google_crc32c.extend(checksum, piece)
                sha256.update(piece)
                if size > most_bytes:
                    break
    except NoSuchObjectError:
        return None
    return Fetched(size, as_base64(checksum), sha256.hexdigest())


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise TargetFullError(f"what is fetched can't be written: {error.strerror}") from error
