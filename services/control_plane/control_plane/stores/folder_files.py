"""The files of a folder that is a store: read without ever leaving it, whatever links lie in there."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NoReturn

import google_crc32c

from control_plane.stores.checksums import as_base64
from control_plane.stores.interface import Examined, ListedObject, StoredObject, StoreUnavailableError

# One part of an object's name: no separator, no "..", nothing hidden.
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
# The last is what a link gives that is not followed.
_NO_SUCH_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_CHUNK_BYTES = 1024 * 1024
_UNFINISHED = re.compile(r"\..*\.part")
PAGE = 1000


def parts_of(object_name: str) -> list[str] | None:
    """The names of its folders and of itself; None if no object can be called so."""
    parts = object_name.split("/")
    return parts if all(_PART.fullmatch(part) for part in parts) else None


def stored_object(root: Path, parts: list[str]) -> StoredObject | None:
    """Read the whole file for its checksum."""
    found = examined(root, parts, 0, with_sha256=False)
    return None if found is None else StoredObject(found.size_bytes, found.crc32c, generation=0)


def examined(root: Path, parts: list[str], tail_bytes: int, *, with_sha256: bool = True) -> Examined | None:
    """Read the whole file for its checksums, and keep its end."""
    with _opened(root, parts) as file:
        if file is None:
            return None
        size, checksum, sha256, tail = 0, 0, hashlib.sha256(), b""
        while chunk := os.read(file, _CHUNK_BYTES):
            size += len(chunk)
            checksum = google_crc32c.extend(checksum, chunk)
            if with_sha256:
                sha256.update(chunk)
            if tail_bytes:
                tail = (tail + chunk)[-tail_bytes:]
        return Examined(size, as_base64(checksum), sha256.hexdigest() if with_sha256 else "", tail)


def tail_of(root: Path, parts: list[str], tail_bytes: int) -> bytes | None:
    """The file's last bytes."""
    with _opened(root, parts) as file:
        if file is None:
            return None
        os.lseek(file, max(0, os.fstat(file).st_size - tail_bytes), os.SEEK_SET)
        return os.read(file, tail_bytes)


def piece_of(root: Path, parts: list[str], offset: int) -> bytes | None:
    """A piece of the file, empty at its end; opened for each, since nobody says when the last was wanted."""
    with _opened(root, parts) as file:
        if file is not None:
            return os.pread(file, _CHUNK_BYTES, offset)
    _require_disk(root, parts)
    return None


def pages(root: Path, parts: Sequence[str] = ()) -> Iterator[Sequence[ListedObject]]:
    """All files, or those below one folder, but those that are still being written, in order."""
    try:
        if not root.is_dir():
            raise StoreUnavailableError(f"the storage folder {root} does not exist: mount the disk, or name another")
        folder = _open_folder(root, parts)
        if folder is None:
            return
        os.close(folder)
        files = _files(root, parts)
        while page := list(islice(files, PAGE)):
            yield page
    except OSError as error:
        _unreadable(error)


def unlink(root: Path, parts: list[str]) -> None:
    """Delete the file, if it is there."""
    folder = _open_folder(root, parts[:-1])
    if folder is None:
        _require_disk(root, parts)
        return
    try:
        os.unlink(parts[-1], dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            _unreadable(error)
    finally:
        os.close(folder)


def _files(root: Path, parts: Sequence[str]) -> Iterator[ListedObject]:
    for folder, folders, names in os.walk(root.joinpath(*parts), onerror=_raise):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - millions of them, and a Path costs ten times as much
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue  # deleted meanwhile
            if stat.S_ISREG(found.st_mode) and not _UNFINISHED.fullmatch(name):
                shown = os.path.relpath(path, root)
                yield ListedObject(shown, found.st_size, None, 0, {}, is_held=False)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a folder that went meanwhile
        raise error


def _require_disk(root: Path, parts: list[str]) -> None:
    """An unmounted disk leaves an empty folder: what is on it is not gone."""
    if not (root / parts[0]).is_dir():
        raise StoreUnavailableError(f"the storage folder has no folder {parts[0]}: is its disk mounted?")


@contextmanager
def _opened(root: Path, parts: list[str]) -> Iterator[int | None]:
    folder = _open_folder(root, parts[:-1])
    if folder is None:
        yield None
        return
    try:
        # O_NONBLOCK: a named pipe must not hang the thread.
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            _unreadable(error)
        file = None
    finally:
        os.close(folder)
    if file is None:
        yield None
        return
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else None
    except OSError as error:
        _unreadable(error)
    finally:
        os.close(file)


def _open_folder(root: Path, parts: Sequence[str]) -> int | None:
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


def _unreadable(error: OSError) -> NoReturn:
    raise StoreUnavailableError(f"the storage folder can't be read: {error.strerror}") from None
