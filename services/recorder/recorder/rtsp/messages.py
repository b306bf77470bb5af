"""RTSP messages as bytes (RFC 2326, which cameras speak; RFC 7826 where it is stricter about the same thing)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from recorder.errors import RecorderError

HEAD_LIMIT_BYTES = 16 << 10
BODY_LIMIT_BYTES = 256 << 10
OK = 200

_BEGINNING = re.compile(rb"[A-Z_]{4,13}[ /]|[A-Z_]{0,13}\Z")
"""`RTSP/1.0`, or a method; perhaps not all of it is here."""


class NotRtspError(RecorderError):
    """What came is no RTSP message."""


@dataclass(frozen=True, slots=True)
class Message:
    """An answer, or a request that the camera sends (then `status` is 0)."""

    status: int
    method: str
    headers: Mapping[str, tuple[str, ...]]
    """By name in lower case; a header may come several times."""
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first of that name, else an empty text."""
        return self.headers.get(name, ("",))[0]


def read_message(data: bytes, at: int = 0) -> tuple[Message, int] | None:
    """The message that begins at `at` and where it ends; None while it is incomplete. NotRtspError."""
    if not _BEGINNING.match(data, at):
        raise NotRtspError("The answer is not RTSP.")
    ends = [(found, mark) for mark in (b"\r\n\r\n", b"\n\n") if (found := data.find(mark, at)) >= 0]
    if not ends:
        if len(data) - at > HEAD_LIMIT_BYTES:
            raise NotRtspError("The head of the answer never ends.")
        return None
    end, mark = min(ends)
    if end - at > HEAD_LIMIT_BYTES:
        raise NotRtspError("The head of the answer is too long.")
    status, method, headers = _head(data[at:end].decode("utf-8", "surrogateescape"))
    start = end + len(mark)
    length = _body_bytes(headers.get("content-length", ("0",))[0])
    if len(data) - start < length:
        return None
    return Message(status, method, headers, bytes(data[start : start + length])), start + length


def request(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    """A request without a body."""
    lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {text}" for name, text in headers.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def answer(sequence: str, status: int) -> bytes:
    """An answer to what a camera asks."""
    reason = "OK" if status == OK else "Not Implemented"
    return f"RTSP/1.0 {status} {reason}\r\nCSeq: {sequence}\r\n\r\n".encode("utf-8", "surrogateescape")


def _head(text: str) -> tuple[int, str, dict[str, tuple[str, ...]]]:
    first, *lines = text.splitlines() or [""]
    words = first.split()
    if len(words) >= 2 and words[0].startswith("RTSP/"):  # noqa: PLR2004 - version and status
        if not (words[1].isascii() and words[1].isdigit() and len(words[1]) == 3):  # noqa: PLR2004 - RFC 2326, 7.1.1
            raise NotRtspError("The answer has no status.")
        status, method = int(words[1]), ""
    elif len(words) == 3 and words[2].startswith("RTSP/"):  # noqa: PLR2004 - method, address and version
        status, method = 0, words[0]
    else:
        raise NotRtspError("The answer is not RTSP.")
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = (*headers.get(key, ()), value.strip())
    return status, method, headers


def _body_bytes(text: str) -> int:
    # Digits are counted first: int() refuses thousands of them with an error of its own.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(BODY_LIMIT_BYTES))):
        raise NotRtspError("The length of the answer is no number.")
    if int(text) > BODY_LIMIT_BYTES:
        raise NotRtspError("The answer is too long.")
    return int(text)
