"""What an MP4 is made of (ISO/IEC 14496-12, 4.2)."""

import struct
from collections.abc import Iterator

HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of at most 4 GiB."""
    return struct.pack(">I4s", HEADER_BYTES + sum(map(len, content)), kind) + b"".join(content)


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """One with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def large_header(kind: bytes, size_bytes: int) -> bytes:
    """The header of a box of any size, which counts with it."""
    return struct.pack(">I4sQ", 1, kind, size_bytes)


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box in there, which is none of 4 GiB or more. ValueError if that isn't what it is."""
    at = 0
    while at < len(content):
        if at + HEADER_BYTES > len(content):
            raise ValueError("A box's header is cut off.")
        size, kind = struct.unpack_from(">I4s", content, at)
        if not HEADER_BYTES <= size <= len(content) - at:
            raise ValueError(f"A box {kind!r} has a size that doesn't fit.")
        yield kind, content[at + HEADER_BYTES : at + size]
        at += size


def the_box(content: bytes, *path: bytes) -> bytes:
    """The content of the first box of this kind, inside the first of the kind before. ValueError if there is none."""
    for kind in path:
        content = next((inner for found, inner in boxes(content) if found == kind), b"")
        if not content:
            raise ValueError(f"There is no box {kind!r}.")
    return content
