"""Makes growing segment files durable soon after they have grown, off the threads that write them."""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from recorder.growing_file import flush
from recorder.spool.directory import sync_folder

EVERY_SECONDS = 0.15
"""A power cut costs what a crash does, and up to this. A file grows twice a second."""
_SYNC_FILE_RANGE_WRITE = 2


def _libc_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux alone has it
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    found: Callable[[int, int, int, int], int] = function
    return found


_sync_file_range = _libc_sync_file_range()

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Growing:
    """One file, as the syncer's thread knows it."""

    path: Path
    descriptor: int | None = None
    """Kept open: the kernel tells a descriptor of every failed write since it was opened, and opening costs."""
    synced: int = -1
    """The size up to which it is on disk; -1 while not even its name is."""
    is_in_use: bool = False
    """The syncer's thread works with it just now, and closes it if it has ended meanwhile."""
    is_doubtful: bool = False
    """The kernel once failed to write a part."""
    has_ended: bool = False


class Syncer:
    """One thread for all cameras. The kernel by itself may keep half a minute of footage from the disk.

    A disk that stands still makes this thread wait and no other; what is due meanwhile is done in the next round, so
    nothing queues up.
    """

    def __init__(
        self,
        sync_rows: Callable[[], None],
        every_seconds: float = EVERY_SECONDS,
        flush: Callable[[int], None] = flush,
    ) -> None:
        """`sync_rows` makes the rows of all files durable, `flush` the data behind a descriptor."""
        self._sync_rows = sync_rows
        self._every_seconds = every_seconds
        self._flush = flush
        self._growing: dict[Path, _Growing] = {}
        self._lock = threading.Lock()
        """Never held while the disk is asked for anything."""
        self._closed = threading.Event()
        # A daemon: a disk that never answers an fsync must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="syncer", daemon=True)
        self._thread.start()

    def begin(self, path: Path) -> None:
        """The file grows from now on."""
        with self._lock:
            self._growing[path] = _Growing(path)

    def is_doubtful(self, path: Path) -> bool:
        """Whether a flush of the file has failed: the kernel tells that once, and later flushes succeed regardless.

        What it holds of the file in memory may then never reach the disk: only a copy is safe.
        https://wiki.postgresql.org/wiki/Fsync_Errors
        """
        with self._lock:
            file = self._growing.get(path)
            return file is not None and file.is_doubtful

    def end(self, path: Path) -> None:
        """The file is sealed, or nothing more comes."""
        with self._lock:
            file = self._growing.pop(path, None)
            if file is None:
                return
            file.has_ended = True
            if file.is_in_use:
                return
        _close(file)

    def close(self) -> None:
        """Ends the thread, soon."""
        self._closed.set()

    def _run(self) -> None:
        failed = ""
        while not self._closed.wait(self._every_seconds):
            with self._lock:
                growing = list(self._growing.values())
                for file in growing:
                    file.is_in_use = True
            try:
                self._sync(growing)
                failed = ""
            except OSError as error:
                if failed != str(error):
                    log.warning("growing_files_not_synced", reason=str(error))
                failed = str(error)
            finally:
                self._let_go(growing)

    def _let_go(self, files: list[_Growing]) -> None:
        with self._lock:
            for file in files:
                file.is_in_use = False
            ended = [file for file in files if file.has_ended]
        for file in ended:
            _close(file)

    def _sync(self, growing: list[_Growing]) -> None:
        if any(file.synced < 0 for file in growing):
            self._sync_rows()  # the row is there before the file, also after a power cut
        grown: list[tuple[_Growing, int, int]] = []
        for file in growing:
            descriptor = file.descriptor if file.descriptor is not None else _open(file)
            if descriptor is not None and (size := os.fstat(descriptor).st_size) != file.synced:
                grown.append((file, descriptor, size))
        # All on their way before the first is waited for: then one commit of the file system's journal serves all.
        for _, descriptor, _ in grown:
            _start_writing(descriptor)
        for file, descriptor, size in grown:
            try:
                self._flush(descriptor)
            except OSError:
                with self._lock:
                    file.is_doubtful = True
                raise
            if file.synced < 0:
                # The file's name, its day's and its camera's.
                for folder in (file.path.parent, file.path.parent.parent, file.path.parent.parent.parent):
                    sync_folder(folder)
            file.synced = size


def _open(file: _Growing) -> int | None:
    """None when it was sealed or abandoned meanwhile."""
    try:
        file.descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    return file.descriptor


def _close(file: _Growing) -> None:
    if file.descriptor is not None:
        with suppress(OSError):  # what it has to tell was told, or is told to whoever seals the file
            os.close(file.descriptor)
        file.descriptor = None


def _start_writing(descriptor: int) -> None:
    """A hint: where the system knows no such call, or refuses it, the flush does it all."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)
