"""Makes growing segment files durable about once a second, off the threads that write them."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from recorder.spool.directory import sync_folder

EVERY_SECONDS = 1.0
_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync

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
        flush: Callable[[int], None] = _flush,
    ) -> None:
        """`sync_rows` makes the rows of all files durable, `flush` the data behind a descriptor."""
        self._sync_rows = sync_rows
        self._every_seconds = every_seconds
        self._flush = flush
        self._growing: dict[Path, int] = {}
        """The size up to which each file is on disk; -1 while not even its name is."""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # A daemon: a disk that never answers an fsync must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="syncer", daemon=True)
        self._thread.start()

    def begin(self, path: Path) -> None:
        """The file grows from now on."""
        with self._lock:
            self._growing[path] = -1

    def end(self, path: Path) -> None:
        """The file is sealed, or nothing more comes."""
        with self._lock:
            self._growing.pop(path, None)

    def close(self) -> None:
        """Ends the thread, soon."""
        self._closed.set()

    def _run(self) -> None:
        failed = ""
        while not self._closed.wait(self._every_seconds):
            with self._lock:
                growing = list(self._growing.items())
            try:
                if any(size < 0 for _, size in growing):
                    self._sync_rows()  # the row is there before the file, also after a power cut
                for path, size in growing:
                    self._sync(path, size)
                failed = ""
            except OSError as error:
                if failed != str(error):
                    log.warning("growing_files_not_synced", reason=str(error))
                failed = str(error)

    def _sync(self, path: Path, synced: int) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # sealed or abandoned meanwhile
        try:
            size = os.fstat(descriptor).st_size
            if size == synced:
                return  # a camera that sends nothing costs nothing
            self._flush(descriptor)
        finally:
            os.close(descriptor)
        if synced < 0:
            # The file's name, its day's and its camera's.
            for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
                sync_folder(folder)
        with self._lock:
            if path in self._growing:
                self._growing[path] = size
