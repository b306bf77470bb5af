"""The file under a muxer's hands, written so that a disk that stands still makes one thread wait and no other."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
_PARTS_AT_ONCE = 1024
"""IOV_MAX, wherever it is known."""


class GrowingFile:
    """What libav writes through, in place of a file of its own, and what `Mp4File` writes to.

    libav's close holds the interpreter's lock while it writes a file's end: a disk that takes seconds for that would
    stop every thread. Here the write itself lets go of the lock, wherever it is called from.
    """

    def __init__(self, path: Path, flush: Callable[[int], None] = flush) -> None:
        """`flush` makes what was written durable. OSError if it can't be made."""
        self.name = str(path)
        self._flush = flush
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self.closed = False
        self.failure: OSError | None = None
        """Why nothing more is written; libav forgets it."""

    def write(self, data: bytes) -> int:
        """All of it; a disk that is nearly full takes a part and fails at the rest. OSError, then and ever after."""
        if self.failure is not None:
            # libav goes on, and would close the file over the hole: its whole fragments could not be found any more.
            raise self.failure
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.failure = error
            raise
        return len(data)

    def write_all(self, parts: Sequence[bytes | memoryview], size_bytes: int) -> None:
        """One after the other, and none of them copied before the kernel does. OSError as of `write`."""
        if self.failure is not None:
            raise self.failure
        written = 0
        try:
            for at in range(0, len(parts), _PARTS_AT_ONCE):
                some = parts[at : at + _PARTS_AT_ONCE]
                taken = os.writev(self._descriptor, some)
                written += taken
                if written < size_bytes and taken < sum(map(len, some)):
                    break
        except OSError as error:
            self.failure = error
            raise
        if written < size_bytes:
            self.write(b"".join(parts)[written:])

    def patch(self, offset: int, data: bytes) -> None:
        """Change what is there, after all that was written is on disk; see `seek`. OSError as of `write`."""
        if self.failure is not None:
            raise self.failure
        self.seek(offset)
        self.write(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file.

        Going back is how libav ends a file: it changes the head so that it points to the index behind the fragments.
        A disk writes in whatever order it likes, and after a power cut with the new head and without the index nothing
        of the segment could be read. So the index is on disk first.
        """
        if whence == os.SEEK_SET and offset < self.tell():
            self._flush(self._descriptor)
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def close(self) -> None:
        """May be repeated."""
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)
