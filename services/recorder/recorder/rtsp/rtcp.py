"""RTCP packets (RFC 3550, section 6): the end of a stream, and reports that tell the camera that somebody listens."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _BYE = 200, 201, 202, 203
_TIMES = struct.Struct(">QI")
_NAME = b"camfleet"


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What the camera's clock showed at a timestamp."""

    ntp: int
    """Seconds since 1900, with 32 bits behind the point."""
    time: int


class Bye:
    """The track is over."""


def packets(data: bytes, start: int, stop: int) -> Iterator[SenderReport | Bye]:
    """What matters of a compound packet."""
    while stop - start >= 4 and data[start] >> 6 == 2:  # noqa: PLR2004 - a packet's head; the version
        after = start + 4 + 4 * (data[start + 2] << 8 | data[start + 3])
        if data[start + 1] == _SENDER_REPORT and min(after, stop) - start >= 20:  # noqa: PLR2004 - up to the timestamp
            yield SenderReport(*_TIMES.unpack_from(data, start + 8))
        elif data[start + 1] == _BYE:
            yield Bye()
        start = after


def receiver_report(source: int) -> bytes:
    """An empty report with the name that must go with it: a sign of life, nothing more."""
    item = bytes((1, len(_NAME))) + _NAME
    item += bytes(4 - len(item) % 4)
    report = struct.pack(">BBHI", 0x80, _RECEIVER_REPORT, 1, source)
    return report + struct.pack(">BBHI", 0x81, _DESCRIPTION, 1 + len(item) // 4, source) + item
