"""RTSP messages on the wire (RFC 2326, the version that cameras speak)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HEAD_LIMIT_BYTES = 16 * 1024
BODY_LIMIT_BYTES = 64 * 1024
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
}


class MalformedRequestError(Exception):
    """The peer does not speak RTSP; the connection can't go on."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def path(self) -> str:
        """The path without outer slashes: `yard` or `yard/track0`."""
        return urlsplit(self.url).path.strip("/")


@dataclass(frozen=True, slots=True)
class InterleavedFrame:
    """What a client sends back on an RTP or RTCP channel of its TCP connection."""

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encode(self, sequence: str) -> bytes:
        """The bytes that answer the request with this CSeq."""
        headers = {"CSeq": sequence, "Server": "camera-simulator", **self.headers}
        if self.body:
            headers["Content-Length"] = str(len(self.body))
        lines = [
            f"RTSP/1.0 {self.status} {REASONS[self.status]}",
            *(f"{name}: {text}" for name, text in headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


async def read_message(reader: asyncio.StreamReader) -> Request | InterleavedFrame | None:
    """The next message, None at the end of the connection. Raises `MalformedRequestError`."""
    try:
        first = await reader.readexactly(1)
        if first == b"$":
            channel, high, low = await reader.readexactly(3)
            return InterleavedFrame(channel, await reader.readexactly(high << 8 | low))
        head = first + await reader.readuntil(b"\r\n\r\n")
        request = _parse(head)
        await reader.readexactly(_body_bytes(request.headers.get("content-length", "0")))
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise MalformedRequestError("the request's head is too long") from error
    return request


def _body_bytes(text: str) -> int:
    # Digits are counted first: int() refuses thousands of them with an error of its own.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(BODY_LIMIT_BYTES))):
        raise MalformedRequestError(f"Content-Length {text[:20]!r}")
    if int(text) > BODY_LIMIT_BYTES:
        raise MalformedRequestError(f"a body of {text} bytes")
    return int(text)


def _parse(head: bytes) -> Request:
    try:
        first, *lines = head.decode("utf-8").strip("\r\n").split("\r\n")
        method, url, version = first.split(" ")
        headers = {name.strip().lower(): text.strip() for name, text in (line.split(":", 1) for line in lines if line)}
        urlsplit(url)
    except ValueError as error:
        raise MalformedRequestError("not an RTSP request") from error
    if not version.startswith("RTSP/"):
        raise MalformedRequestError(f"{version} is not RTSP")
    return Request(method, url, headers)
