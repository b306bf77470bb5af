"""One client that watches one camera."""

import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from camera_simulator.media import AccessUnit, Kind
from camera_simulator.transports import Transport

_NTP_EPOCH_SECONDS = 2_208_988_800  # 1900 to 1970, RFC 5905
_MODULO_16, _MODULO_32 = 1 << 16, 1 << 32


class Sender:
    """RTP (RFC 3550) of one track to one viewer: its own source id and sequence numbers, as real cameras do it."""

    def __init__(self, transport: Transport, payload_type: int) -> None:
        self.transport = transport
        self.ssrc = random.getrandbits(32)
        self.next_sequence = random.getrandbits(15)
        self._payload_type = payload_type
        self._packets = 0
        self._octets = 0

    def send(self, unit: AccessUnit, rtp_time: int) -> None:
        packets = []
        for data, marker in unit.payloads:
            kind = self._payload_type | 0x80 if marker else self._payload_type
            packets.append((struct.pack("!BBHII", 0x80, kind, self.next_sequence, rtp_time, self.ssrc), data))
            self.next_sequence = (self.next_sequence + 1) % _MODULO_16
            self._octets += len(data)
        self._packets += len(packets)
        self.transport.send_rtp(packets)

    def send_report(self, wall_seconds: float, rtp_time: int) -> None:
        """A sender report with the name that RFC 3550 section 6.1 wants beside it."""
        whole, fraction = divmod(wall_seconds + _NTP_EPOCH_SECONDS, 1)
        counts = (self._packets % _MODULO_32, self._octets % _MODULO_32)
        times = (int(whole) % _MODULO_32, int(fraction * _MODULO_32), rtp_time)
        report = struct.pack("!BBHIIIIII", 0x80, 200, 6, self.ssrc, *times, *counts)
        self.transport.send_rtcp(report + self._description())

    def send_bye(self) -> None:
        report = struct.pack("!BBHI", 0x80, 201, 1, self.ssrc)
        self.transport.send_rtcp(report + self._description() + struct.pack("!BBHI", 0x81, 203, 1, self.ssrc))

    def _description(self) -> bytes:
        name = b"camera"
        item = struct.pack("!BB", 1, len(name)) + name
        item += bytes(4 - len(item) % 4)
        return struct.pack("!BBHI", 0x81, 202, 1 + len(item) // 4, self.ssrc) + item


@dataclass(eq=False, slots=True)
class Viewer:
    """A session that is playing."""

    number: int
    user_agent: str
    protocol: str
    senders: Mapping[Kind, Sender]
    needs_keyframe: bool
    is_started: bool = False
    """Video has been sent; audio waits for it, so that both start at the same instant."""
    next_report_at: dict[Kind, float] = field(default_factory=dict)

    def accepts(self, kind: Kind, *, is_keyframe: bool) -> bool:
        """Whether the next unit of this kind is for this viewer."""
        sender = self.senders.get(kind)
        if sender is None:
            return False
        if sender.transport.is_congested():
            self.needs_keyframe = self.needs_keyframe or kind is Kind.VIDEO
            return False
        if kind is Kind.AUDIO:
            return self.is_started or Kind.VIDEO not in self.senders
        if self.needs_keyframe and not is_keyframe:
            return False
        self.needs_keyframe, self.is_started = False, True
        return True
