"""A folder as a store: a mounted disk, or the demo's."""

import asyncio
import errno
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from recorder.errors import LocalFileDamaged, ObjectDiffers, StorageRefused, StorageUnavailable
from recorder.storage.interface import SessionMemory, Upload, checksum, pieces

GENERATION = 0
BATCH_BYTES = 4 * 1024 * 1024
# One part of an object's name: no separator, no "..", nothing hidden; stricter than any file system.
PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
WILL_NOT_MEND = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}

P = ParamSpec("P")
T = TypeVar("T")


class Folder:
    """Writes under a temporary name, syncs, reads back, then renames: no reader ever sees half an object."""

    needs_session = False

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, upload: Upload, memory: SessionMemory) -> int:  # noqa: ARG002 - a folder needs no session
        """Copies the segment into the folder. Cancelling stops between two batches, not in a write."""
        await asyncio.to_thread(upload.check_size)
        target = await self._off_loop(self._target, upload.object_name)
        if await self._off_loop(target.exists):
            await self._off_loop(self._compare, target, upload)
            return GENERATION
        # The name is the object's own, so that a retry after a crash overwrites what the crash left behind.
        partial = target.with_name(f".{target.name}.part")
        start = 0
        while start < upload.size_bytes:
            end = start + await upload.grant(min(BATCH_BYTES, upload.size_bytes - start))
            await self._off_loop(_write, upload.path, partial, start, end)
            upload.advanced(end - start)
            start = end
        await self._off_loop(_sync, partial)
        if await self._off_loop(_read_back, partial, upload.size_bytes) != upload.crc32c:
            await self._off_loop(partial.unlink)
            await upload.check_content()
            raise StorageUnavailable("what was read back differs from what was written: check that disk")
        if not await self._off_loop(_publish, partial, target):
            await self._off_loop(self._compare, target, upload)  # another writer was first
        return GENERATION

    async def check(self) -> None:
        """Writes and removes a small file."""
        await self._off_loop(self._probe)

    async def close(self) -> None:
        """Nothing is held open."""

    def _target(self, object_name: str) -> Path:
        parts = object_name.split("/")
        if not all(PART.fullmatch(part) for part in parts):
            raise StorageRefused(f"{object_name!r} is no name for an object")
        root = self._existing_root()
        folder = root
        for part in parts[:-1]:
            folder = folder / part
            _make_folder(folder)
        if not folder.resolve().is_relative_to(root):
            raise StorageRefused(f"{folder} leads out of the storage folder: remove that symbolic link")
        return folder / parts[-1]

    def _existing_root(self) -> Path:
        # Never made here: a missing folder is most often an unmounted disk, and the boot disk would fill up.
        if not self._root.is_dir():
            raise StorageRefused(f"the storage folder {self._root} does not exist: mount the disk, or create it")
        return self._root.resolve()

    def _probe(self) -> None:
        probe = self._existing_root() / f".recorder-check-{os.getpid()}"
        try:
            probe.write_bytes(b"camfleet")
        finally:
            probe.unlink(missing_ok=True)

    def _compare(self, target: Path, upload: Upload) -> None:
        same = target.stat().st_size == upload.size_bytes and _read(target, upload.size_bytes) == upload.crc32c
        if not same:
            raise ObjectDiffers(f"{upload.object_name} is there already with other bytes")

    async def _off_loop(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            told = f"the storage folder {self._root}: {error.strerror or type(error).__name__}"
            if error.errno == errno.EROFS:
                raise StorageRefused(f"{told}: mounted read-only, perhaps after an error: check that disk") from None
            if error.errno in WILL_NOT_MEND:
                raise StorageRefused(f"{told}: let the recorder's user write there") from None
            raise StorageUnavailable(told) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        return
    _share(folder, 0o750)


def _share(path: Path, mode: int) -> None:
    """The control plane reads the store under an account of its own, by group; the recorder's umask is private."""
    with suppress(OSError):  # network and FAT mounts have modes of their own
        path.chmod(path.stat().st_mode | mode)


def _write(source: Path, partial: Path, start: int, end: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if start == 0 else 0)
    descriptor = os.open(partial, flags, 0o640)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        if start == 0:
            _share(partial, 0o640)
        start = _copied_by_the_system(source, descriptor, start, end)
        file.seek(start)
        for piece in pieces(source, start, end):
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]


def _copied_by_the_system(source: Path, target: int, start: int, end: int) -> int:
    """How far the kernel could copy by itself, which spares half the work; it can't between most file systems."""
    copy = getattr(os, "copy_file_range", None)  # Linux alone has it
    if copy is None:
        return start
    # Whose fault an error is shows when the rest is copied piece by piece.
    with suppress(OSError), source.open("rb", buffering=0) as file:
        while start < end and (size := copy(file.fileno(), target, end - start, start, start)):
            start += size
    return start


def _sync(partial: Path) -> None:
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        # Reading back must come from the disk, not from memory, where the kernel lets us ask for that.
        _forget(descriptor)
    finally:
        os.close(descriptor)


def _read_back(partial: Path, size_bytes: int) -> str:
    told = _read(partial, size_bytes)
    with partial.open("rb", buffering=0) as file:
        _forget(file.fileno())  # nobody here reads it again: memory is for what is being recorded
    return told


def _read(stored: Path, size_bytes: int) -> str:
    """The checksum of what is in the store: that it can't be read says nothing against the file it came from."""
    try:
        return checksum(stored, size_bytes)
    except LocalFileDamaged as error:
        raise StorageUnavailable(f"what was stored can't be read back: {error}: check that disk") from None


def _forget(descriptor: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _publish(partial: Path, target: Path) -> bool:
    """Gives the file its name, durably; False if the name was taken meanwhile."""
    is_first = True
    try:
        os.link(partial, target)  # unlike rename, never replaces what is there
    except FileExistsError:
        is_first = False
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}:
            raise
        # FAT and some network mounts have no hard links. Segment ids are unique, so nobody else writes this name.
        partial.rename(target)
    partial.unlink(missing_ok=True)
    sync_folders(target.parent)
    return is_first


def sync_folders(folder: Path, levels: int = 6) -> None:
    """Makes new names durable: the file's in its folder, and new folders' in theirs."""
    for parent in [folder, *folder.parents][:levels]:
        try:
            descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return  # a parent that we may not open is none that we made
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network mounts can't sync a folder
                raise
        finally:
            os.close(descriptor)
