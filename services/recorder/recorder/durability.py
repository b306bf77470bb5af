"""Makes growing segment files durable soon after they have grown, off the threads that write them."""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import structlog

from recorder.growing_file import flush
from recorder.spool.directory import sync_folder

EVERY_SECONDS = 0.15
"""A power cut costs what is not yet in a fragment (half a second), and up to this. A file grows twice a second."""
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
        self._growing: dict[Path, int] = {}
        """The size up to which each file is on disk; -1 while not even its name is."""
        self._doubtful: set[Path] = set()
        """Files of which the kernel once failed to write a part."""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # A daemon: a disk that never answers an fsync must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="syncer", daemon=True)
        self._thread.start()

    def begin(self, path: Path) -> None:
        """The file grows from now on."""
        with self._lock:
            self._growing[path] = -1

    def is_doubtful(self, path: Path) -> bool:
        """Whether a flush of the file has failed: the kernel tells that once, and later flushes succeed regardless.

        What it holds of the file in memory may then never reach the disk: only a copy is safe.
        https://wiki.postgresql.org/wiki/Fsync_Errors
        """
        with self._lock:
            return path in self._doubtful

    def end(self, path: Path) -> None:
        """The file is sealed, or nothing more comes."""
        with self._lock:
            self._growing.pop(path, None)
            self._doubtful.discard(path)

    def close(self) -> None:
        """Ends the thread, soon."""
        self._closed.set()

    def _run(self) -> None:
        failed = ""
        while not self._closed.wait(self._every_seconds):
            with self._lock:
                growing = list(self._growing.items())
            try:
                self._sync(growing)
                failed = ""
            except OSError as error:
                if failed != str(error):
                    log.warning("growing_files_not_synced", reason=str(error))
                failed = str(error)

    def _sync(self, growing: list[tuple[Path, int]]) -> None:
        if any(size < 0 for _, size in growing):
            self._sync_rows()  # the row is there before the file, also after a power cut
        with ExitStack() as opened:
            grown = [
                (path, synced, size, descriptor)
                for path, synced in growing
                if (size := _size(path)) not in {None, synced} and (descriptor := _opened(path, opened)) is not None
            ]
            # All on their way before the first is waited for: then one commit of the file system's journal serves all.
            for *_, descriptor in grown:
                _start_writing(descriptor)
            for path, synced, size, descriptor in grown:
                try:
                    self._flush(descriptor)
                except OSError:
                    with self._lock:
                        self._doubtful |= {path} & self._growing.keys()
                    raise
                if synced < 0:
                    # The file's name, its day's and its camera's.
                    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
                        sync_folder(folder)
                with self._lock:
                    if path in self._growing:
                        self._growing[path] = size or 0


def _size(path: Path) -> int | None:
    """None when it was sealed or abandoned meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _opened(path: Path, opened: ExitStack) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    opened.callback(os.close, descriptor)
    return descriptor


def _start_writing(descriptor: int) -> None:
    """A hint: where the system knows no such call, or refuses it, the flush does it all."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)
