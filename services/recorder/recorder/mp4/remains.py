"""What of a file that was cut off can be read: libav gives up all of it where the places of a fragment are cut."""

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO

from recorder.mp4.boxes import HEADER_BYTES, LARGE_HEADER_BYTES

_TO_THE_END, _LARGE = 0, 1
_CUT_IS_WORTHLESS = (b"moof", b"moov", b"uuid", bytes(4))
"""Of an `mdat` what is there can be used. Zeros are what a file system leaves where nothing was written."""


def readable_bytes(path: Path) -> int:
    """How much of it, from its beginning, is worth reading. OSError if that can't be found out."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        at = 0
        while at < end:
            file.seek(at)
            header = file.read(LARGE_HEADER_BYTES)
            if len(header) < HEADER_BYTES:
                return at
            size, kind = struct.unpack_from(">I4s", header)
            if size == _LARGE and len(header) == LARGE_HEADER_BYTES:
                (size,) = struct.unpack_from(">Q", header, HEADER_BYTES)
            if size == _TO_THE_END or at + size > end or size < HEADER_BYTES:
                return at if kind in _CUT_IS_WORTHLESS else end
            at += size
        return end


class Beginning(io.RawIOBase):
    """The first bytes of a file, for who reads files to their end."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        super().__init__()
        self._file, self._size = file, size_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        rest = max(0, self._size - self._file.tell())
        return self._file.read(rest if size < 0 else min(size, rest))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._file.seek(self._size + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
