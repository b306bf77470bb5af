"""JPEG pictures as RTP payloads (RFC 2435): the headers abridged, the quantization tables in each picture."""

import struct

from camera_simulator.rtp import PAYLOAD_LIMIT_BYTES, Payload

_START_OF_FRAME, _TABLES, _START_OF_SCAN, _RESTARTS = 0xC0, 0xDB, 0xDA, 0xDD
_IN_BAND = 255
"""The Q of pictures that carry their tables."""
_TABLE_BYTES = 64
_YUV420 = 1
_LUMA_OF_YUV420 = 0x22


def packetize_jpeg(picture: bytes) -> tuple[Payload, ...]:
    """One baseline 4:2:0 picture with the default Huffman tables, as `generation` makes them. ValueError for others."""
    tables: dict[int, bytes] = {}
    width = height = at = 0
    at = 2
    while picture[at + 1] != _START_OF_SCAN:
        marker, (length,) = picture[at + 1], struct.unpack_from("!H", picture, at + 2)
        body = picture[at + 4 : at + 2 + length]
        if marker == _TABLES:
            for start in range(0, len(body), 1 + _TABLE_BYTES):
                tables[body[start] & 15] = body[start + 1 : start + 1 + _TABLE_BYTES]
        elif marker == _START_OF_FRAME:
            height, width = struct.unpack_from("!HH", body, 1)
            if body[7] != _LUMA_OF_YUV420:
                raise ValueError("only 4:2:0 JPEG can be sent")
        elif marker == _RESTARTS and any(body):
            raise ValueError("JPEG with restart intervals can't be sent")
        at += 2 + length
    (length,) = struct.unpack_from("!H", picture, at + 2)
    scan = picture[at + 2 + length :].removesuffix(b"\xff\xd9")
    quantization = tables[0] + tables.get(1, tables[0])
    first = struct.pack("!BBH", 0, 0, len(quantization)) + quantization
    payloads, offset = [], 0
    while offset < len(scan):
        head = struct.pack("!B3sBBBB", 0, offset.to_bytes(3, "big"), _YUV420, _IN_BAND, width // 8, height // 8)
        head += first if offset == 0 else b""
        part = scan[offset : offset + PAYLOAD_LIMIT_BYTES - len(head)]
        offset += len(part)
        payloads.append(Payload(head + part, marker=offset == len(scan)))
    return tuple(payloads)
