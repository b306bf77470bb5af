"""RTCP packets (RFC 3550, section 6): the end of a stream, and reports that tell the camera that somebody listens."""

import struct
from collections.abc import Iterator

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, BYE = 200, 201, 202, 203
_NAME = b"camfleet"


def packet_types(data: bytes, start: int, stop: int) -> Iterator[int]:
    """The kinds of packets in a compound."""
    while stop - start >= 4 and data[start] >> 6 == 2:  # noqa: PLR2004 - a packet's head; the version
        yield data[start + 1]
        start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])


def receiver_report(source: int) -> bytes:
    """An empty report with the name that must go with it: a sign of life, nothing more."""
    item = bytes((1, len(_NAME))) + _NAME
    item += bytes(4 - len(item) % 4)
    report = struct.pack(">BBHI", 0x80, RECEIVER_REPORT, 1, source)
    return report + struct.pack(">BBHI", 0x81, DESCRIPTION, 1 + len(item) // 4, source) + item
