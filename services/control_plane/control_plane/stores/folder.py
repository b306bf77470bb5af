"""A folder as a store: a mounted disk, or the demo's."""

import asyncio
import base64
import errno
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import google_crc32c

from control_plane.stores.interface import (
    NewUpload,
    OpenedUpload,
    Removal,
    StoredObject,
    StoreUnavailableError,
    UploadsNotBrokeredError,
)

# One part of an object's name: no separator, no "..", nothing hidden.
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
# The last is what a link gives that is not followed.
_NO_SUCH_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_CHUNK_BYTES = 1024 * 1024
# Threads of its own: a dead network mount hangs them for good, and must not take the process's other threads along.
_THREADS = 4
_LOOK_UP_SECONDS = 60.0
"""An hour of a very good camera, read from a slow disk, is done in this."""


class FolderStore:
    """Reads what others wrote below `root`. Checksums are computed from the bytes each time they are asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="folder-store")

    @property
    def url(self) -> str:
        """`file:///folder`."""
        return self._root.as_uri()

    @property
    def is_brokered(self) -> bool:
        """A folder has no upload sessions."""
        return False

    async def look_up(self, object_name: str) -> StoredObject | None:
        """Read the whole file and say what its bytes are."""
        parts = object_name.split("/")
        if not all(_PART.fullmatch(part) for part in parts):
            return None
        reading = asyncio.get_running_loop().run_in_executor(self._threads, _read, self._root, parts)
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                return await reading
        except TimeoutError:
            raise StoreUnavailableError(f"the storage folder does not answer within {_LOOK_UP_SECONDS:.0f} s") from None

    async def open_upload(self, upload: NewUpload, now: datetime) -> OpenedUpload:
        """Refuse: there is no way into a folder over HTTP."""
        del upload, now
        raise UploadsNotBrokeredError(
            f"the control plane stores to {self.url}, a folder that it can't open uploads into: "
            "set STORAGE_URL on the recorder to the same folder, or STORAGE_URL=gs://... on the control plane"
        )

    async def delete(self, object_name: str, generation: int) -> Removal:
        """Unlink the file; a folder knows no generations."""
        del generation
        parts = object_name.split("/")
        if not all(_PART.fullmatch(part) for part in parts):
            return Removal.GONE
        unlinking = asyncio.get_running_loop().run_in_executor(self._threads, _unlink, self._root, parts)
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                await unlinking
        except TimeoutError:
            raise StoreUnavailableError(f"the storage folder does not answer within {_LOOK_UP_SECONDS:.0f} s") from None
        return Removal.GONE

    @property
    def has_holds(self) -> bool:
        """A folder keeps nobody from deleting."""
        return False

    async def set_hold(self, object_name: str, *, is_held: bool) -> bool:
        """There is no such thing here."""
        del object_name, is_held
        return False

    async def close(self) -> None:
        """Let the threads go; one that hangs in the disk is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _read(root: Path, parts: list[str]) -> StoredObject | None:
    folder = _open_folder(root, parts[:-1])
    if folder is None:
        return None
    try:
        # O_NONBLOCK: a named pipe must not hang the thread.
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            return _checksummed(file) if stat.S_ISREG(os.fstat(file).st_mode) else None
        finally:
            os.close(file)
    except OSError as error:
        if error.errno in _NO_SUCH_FILE:
            return None
        _unreadable(error)
    finally:
        os.close(folder)


def _unlink(root: Path, parts: list[str]) -> None:
    folder = _open_folder(root, parts[:-1])
    if folder is None:
        if not (root / parts[0]).is_dir():
            # An unmounted disk leaves an empty folder: what is on it is not gone.
            raise StoreUnavailableError(f"the storage folder has no folder {parts[0]}: is its disk mounted?")
        return
    try:
        os.unlink(parts[-1], dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            _unreadable(error)
    finally:
        os.close(folder)


def _open_folder(root: Path, parts: list[str]) -> int | None:
    """The folder, reached without following links, so that none in the store leads out of it; None if there is none."""
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        _unreadable(error)
    for part in parts:
        outer = folder
        try:
            folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
        except OSError as error:
            if error.errno in _NO_SUCH_FILE:
                return None
            _unreadable(error)
        finally:
            os.close(outer)
    return folder


def _checksummed(file: int) -> StoredObject:
    size, checksum = 0, 0
    while chunk := os.read(file, _CHUNK_BYTES):
        size += len(chunk)
        checksum = google_crc32c.extend(checksum, chunk)
    return StoredObject(size, base64.b64encode(checksum.to_bytes(4, "big")).decode(), generation=0)


def _unreadable(error: OSError) -> NoReturn:
    raise StoreUnavailableError(f"the storage folder can't be read: {error.strerror}") from None
