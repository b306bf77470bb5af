"""Which part of a file is asked for: the header `Range` (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes `[start, end)` of a file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many."""
        return self.end - self.start


def part_of(header: str | None, size_bytes: int) -> Part | None:
    """The part that is asked for; all of it without a header, and for one that means nothing here, as for two ranges.

    None if the file has nothing of it.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[1] == found[2] == "":
        return Part(0, size_bytes)
    if found[1] == "":
        start, end = max(0, size_bytes - int(found[2])), size_bytes
    else:
        start = int(found[1])
        end = min(size_bytes, int(found[2]) + 1) if found[2] else size_bytes
        if found[2] and int(found[2]) < start:
            return Part(0, size_bytes)  # not valid: to be ignored
    return Part(start, end) if start < end else None
