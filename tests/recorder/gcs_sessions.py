"""One resumable upload as Google's documentation and the answers of the live service have it.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any

import google_crc32c

UNIT = 256 * 1024
CONTENT_RANGE = re.compile(r"bytes (?:\*|(\d+)-(\d+))/(\d+|\*)")


@dataclass(frozen=True)
class Span:
    """What `Content-Range` announces: bytes [start, end) of a total, or the question how far it is."""

    start: int
    end: int
    total: int | None
    is_question: bool

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def is_last(self) -> bool:
        return self.end == self.total


def announced(content_range: str | None, content_length: str | None, persisted: int) -> Span | None:
    """None where the header makes no sense; without one, the body is all that is missing."""
    length = int(content_length or 0)
    if content_range is None:
        return Span(persisted, persisted + length, persisted + length, is_question=False)
    told = CONTENT_RANGE.fullmatch(content_range)
    if told is None:
        return None
    total = None if told[3] == "*" else int(told[3])
    if told[1] is None:
        return None if length else Span(persisted, persisted, total, is_question=True)
    span = Span(int(told[1]), int(told[2]) + 1, total, is_question=False)
    return None if span.length <= 0 or (total is not None and span.end > total) else span


@dataclass
class Session:
    """One resumable upload."""

    name: str
    declared: dict[str, Any]
    size: int | None
    must_be_new: bool = True
    received: bytearray = field(default_factory=bytearray)
    told: int = 0
    """Where the client was last told to go on, be it true or not."""
    history: list[str] = field(default_factory=list)
    """Every request, and what came of it."""
    turns: int = 0
    """Requests so far: who is still being read when another comes is not taken seriously any more."""
    sent_bytes: int = 0
    """Announced by all chunks together."""
    lost_bytes: int = 0
    """Announced by chunks, and not persisted by their requests."""
    broken: int = 0
    """Chunks of which that is true."""
    stored: dict[str, Any] | None = None
    """The object, once it is finished."""
    is_gone: int = 0
    """The status that every further request gets."""

    @property
    def persisted(self) -> int:
        return int(self.stored["size"]) if self.stored else len(self.received)

    def is_of_another_size(self, span: Span) -> bool:
        return span.total is not None and (self.size or span.total) != span.total

    def objection(self, span: Span, content_length: str | None) -> str | None:
        """What the protocol has against this chunk, by the letter."""
        if span.start not in {self.persisted, self.told}:
            return f"{span}: {self.persisted} bytes are persisted"
        if not span.is_last and span.length % UNIT:
            return f"{span}: not a multiple of 256 KiB"
        if content_length != str(span.length):
            return f"{span}: Content-Length {content_length}"
        return None

    def take(self, span: Span, body: bytes, most: int) -> None:
        """Persists what is new of the body, at most so many bytes of it; whole units only, before the end."""
        end = span.start + min(len(body), most)
        if end < span.end or not span.is_last:
            end = end // UNIT * UNIT
        body = body[: max(0, end - span.start)]
        known = len(self.received) - span.start  # the service ignores bytes that it has
        kept = body[known:]
        self.received += kept
        self.lost_bytes -= len(kept)
        self.broken -= len(kept) == span.length

    def announce(self, span: Span) -> None:
        """A chunk begins; what is not persisted of it is lost."""
        self.sent_bytes += span.length
        self.lost_bytes += span.length
        self.broken += 1

    def crc32c(self) -> str:
        return base64.b64encode(google_crc32c.value(bytes(self.received)).to_bytes(4, "big")).decode()
