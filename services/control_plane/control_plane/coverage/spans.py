"""Stretches of time as sets of instants: `[start, end)` in UTC, in order, none touching the next."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

Span = tuple[datetime, datetime]


def union(spans: Iterable[Span]) -> list[Span]:
    """All that any of them has. Empty ones count for nothing."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def within(spans: Iterable[Span], bounds: Span) -> list[Span]:
    """What of them lies within the bounds."""
    first, last = bounds
    return [(max(start, first), min(end, last)) for start, end in spans if start < last and end > first]


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """What of the first set is not in the second."""
    left: list[Span] = []
    for start, end in spans:
        begin = start
        for taken_start, taken_end in taken:
            if taken_end <= begin or taken_start >= end:
                continue
            if taken_start > begin:
                left.append((begin, taken_start))
            begin = taken_end
        if begin < end:
            left.append((begin, end))
    return left


def common(*bounds: Span) -> Span | None:
    """What all of them share."""
    start, end = max(start for start, _ in bounds), min(end for _, end in bounds)
    return (start, end) if start < end else None


def seconds(spans: Iterable[Span]) -> float:
    """Their length together."""
    return sum((end - start).total_seconds() for start, end in spans)


def multirange(spans: Iterable[Span]) -> str:
    """As PostgreSQL reads a tstzmultirange."""
    return "{" + ",".join(f'["{_written(start)}","{_written(end)}")' for start, end in spans) + "}"


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
