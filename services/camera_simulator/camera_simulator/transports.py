"""How RTP reaches a viewer: inside the RTSP connection (RFC 2326 section 10.12) or by UDP."""

import asyncio
import struct
from collections.abc import Callable
from typing import Protocol, Self

BACKLOG_LIMIT_BYTES = 4 * 1024 * 1024
_PAIR_ATTEMPTS = 50


class Transport(Protocol):
    """The way of one track to one viewer."""

    def send_rtp(self, packets: list[tuple[bytes, bytes]]) -> None:
        """Sends packets, each given as header and payload."""

    def send_rtcp(self, packet: bytes) -> None: ...

    def is_congested(self) -> bool:
        """The viewer doesn't take what it is sent; a camera then leaves out pictures."""

    def close(self) -> None: ...


class Interleaved:
    """Two channels of the viewer's own TCP connection."""

    def __init__(self, writer: asyncio.StreamWriter, rtp_channel: int, rtcp_channel: int) -> None:
        self._transport = writer.transport
        self.channels = (rtp_channel, rtcp_channel)

    def send_rtp(self, packets: list[tuple[bytes, bytes]]) -> None:
        channel = self.channels[0]
        pieces = [
            piece
            for header, data in packets
            for piece in (struct.pack("!cBH", b"$", channel, len(header) + len(data)), header, data)
        ]
        self._transport.write(b"".join(pieces))

    def send_rtcp(self, packet: bytes) -> None:
        self._transport.write(struct.pack("!cBH", b"$", self.channels[1], len(packet)) + packet)

    def is_congested(self) -> bool:
        return self._transport.is_closing() or self._transport.get_write_buffer_size() > BACKLOG_LIMIT_BYTES

    def close(self) -> None:
        """Nothing of its own to close."""


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, on_packet: Callable[[], None]) -> None:
        self._on_packet = on_packet

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        self._on_packet()

    def error_received(self, exc: Exception) -> None:
        """A viewer that is gone answers with ICMP; the session's own time limit deals with it."""


class UdpPair:
    """A pair of sockets with neighbouring ports, the even one for RTP."""

    def __init__(
        self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport, viewer: tuple[str, int, int]
    ) -> None:
        self._rtp, self._rtcp = rtp, rtcp
        host, rtp_port, rtcp_port = viewer
        self._rtp_address, self._rtcp_address = (host, rtp_port), (host, rtcp_port)
        self.ports = (_port(rtp), _port(rtcp))

    @classmethod
    async def open(cls, local: str, viewer: tuple[str, int, int], on_packet: Callable[[], None]) -> Self:
        """`on_packet` is called for whatever the viewer sends (RTCP reports, packets that open a NAT)."""
        loop = asyncio.get_running_loop()
        for _ in range(_PAIR_ATTEMPTS):
            rtp, _ = await loop.create_datagram_endpoint(lambda: _Socket(on_packet), local_addr=(local, 0))
            if _port(rtp) % 2 == 0:
                try:
                    address = (local, _port(rtp) + 1)
                    rtcp, _ = await loop.create_datagram_endpoint(lambda: _Socket(on_packet), local_addr=address)
                    return cls(rtp, rtcp, viewer)
                except OSError:
                    pass  # the neighbour is taken: try another pair
            rtp.close()
        raise OSError("no two neighbouring UDP ports are free")

    def send_rtp(self, packets: list[tuple[bytes, bytes]]) -> None:
        for header, data in packets:
            self._rtp.sendto(header + data, self._rtp_address)

    def send_rtcp(self, packet: bytes) -> None:
        self._rtcp.sendto(packet, self._rtcp_address)

    def is_congested(self) -> bool:
        return self._rtp.is_closing()

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()


def _port(transport: asyncio.DatagramTransport) -> int:
    port: int = transport.get_extra_info("sockname")[1]
    return port
