"""Whether a chain's rows hang together, from one to the next."""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import chain as joined
from itertools import islice

from control_plane.custody.findings import Finding, Kind
from control_plane.custody.numbers import Range, count, without
from control_plane.custody.objects import Objects
from control_plane.custody.rows import CameraRows, Chain, link_of
from control_plane.models import ChainHead, Segment, SegmentState

_UNDER_WAY = timedelta(minutes=5)
"""What a recorder seals and has stored meanwhile may not be in a heartbeat that comes later; and clocks differ."""
_MOST_NAMED = 1000
"""Of the numbers of one hole; a hole of millions is told by its ends."""


class Walk:
    """One pass over a chain: give it each row in order, then ask for what is missing at the end."""

    def __init__(self, rows: CameraRows, objects: Objects, chain: Chain, now: datetime) -> None:
        self._rows = rows
        self._objects = objects
        self._chain = chain
        self._now = now
        # Who has told nothing since the index was rebuilt had everything stored that was found then.
        self._waiting_from = chain.head.waiting_from if chain.head else chain.last + 1 if chain.rebuilt else 0
        self._absent = chain.rebuilt.absent if chain.rebuilt else []
        self._given_up = chain.head.given_up if chain.head else 0
        self._told: dict[int, list[ChainHead]] = {}
        for head in chain.heads:
            self._told.setdefault(head.sequence, []).append(head)
        self._last: Segment | None = None
        self._is_last_sound = True
        self._link_before_last: str | None = None
        self._missing = 0
        """How many of those that were proven have no row."""
        self._explained = 0
        """How many of those that the recorder gave up were passed."""

    async def next(self, segment: Segment, *, is_in_period: bool) -> AsyncIterator[Finding]:
        """What there is to say of this row and of what is missing before it. Raises StoreUnavailableError."""
        last, sequence = self._last, segment.sequence or 0
        if last is not None and sequence == last.sequence:
            yield self._twice(last, segment)
            return
        expected = self._chain.first if last is None else (last.sequence or 0) + 1
        async for finding in self._hole(expected, sequence - 1, last, segment):
            yield finding
        follows = last is not None and last.sequence == sequence - 1
        findings = list(self._altered(segment, last if follows else None))
        if is_in_period and not follows and sequence > 1:
            findings += await self._altered_after_a_hole(segment)
        for finding in findings:
            yield finding
        if (beyond := self._beyond_the_head(segment)) is not None:
            yield beyond
        self._link_before_last = last.link_sha256 if last is not None and follows else None
        self._last, self._is_last_sound = segment, not any(finding.is_problem for finding in findings)

    async def end(self) -> AsyncIterator[Finding]:
        """What is missing at the end, and in the whole chain."""
        last = self._last
        expected = self._chain.first if last is None else (last.sequence or 0) + 1
        async for finding in self._hole(expected, self._chain.last, last, None):
            yield finding
        for earlier, later in zip(self._chain.heads, self._chain.heads[1:], strict=False):
            if later.sequence < earlier.sequence:
                text = (
                    f"on {later.day} the recorder's chain ended with #{later.sequence}, on {earlier.day} with "
                    f"#{earlier.sequence} already: its spool was put back to an older state, or another poses as it"
                )
                yield self._finding(Kind.HEAD_DIFFERS, text, sequence=later.sequence)
        if not self._chain.heads:
            yield self._nothing_told()
            return
        proven = await self._rows.proven(self._chain, self._waiting_from)
        all_proven = [(1, self._waiting_from - 1)]
        unknown = count(all_proven) - count(without(all_proven, self._absent))
        if (lost := self._waiting_from - 1 - self._given_up - proven - unknown) > self._missing:
            text = (
                f"of the whole chain, not only of this period, {lost} segments are missing whose recorder was told that"
                " they are stored: verify from the chain's beginning to name them"
            )
            yield self._finding(Kind.SEGMENT_REMOVED, text)

    def _nothing_told(self) -> Finding:
        rebuilt = self._chain.rebuilt
        if rebuilt is not None and self._chain.last <= rebuilt.highest:
            text = f"its recorder has told nothing of this chain since the index was rebuilt at {_shown(rebuilt.at)}"
            return self._finding(Kind.UNCONFIRMED, text, sequence=self._chain.last)
        text = "no recorder ever told that it has this chain"
        return self._finding(Kind.SEGMENT_INSERTED, text, sequence=self._chain.last)

    def _altered(self, segment: Segment, before: Segment | None) -> Sequence[Finding]:
        """A row is judged by its own hash, which it can't have got without being what was sealed."""
        sequence = segment.sequence or 0
        found = []
        if sequence == 1 or before is not None:
            link = link_of(segment).sha256_after(before.link_sha256 if before else None)
            if link != segment.link_sha256:
                also = "" if before is None else f", or that of #{before.sequence} {before.id} was"
                text = f"its row was altered{also}: its link hash is not that of what the row says"
                found.append(self._about(Kind.ROW_ALTERED, text, segment))
        if (
            before is not None
            and not found
            and self._is_last_sound
            and segment.previous_sha256 != before.sha256  # of a row that was found altered, this says nothing new
        ):
            text = (
                f"its previous_sha256 is {segment.previous_sha256}, #{before.sequence} {before.id} has {before.sha256}"
            )
            found.append(self._about(Kind.ROW_ALTERED, text, segment))
        for head in self._told.get(sequence, ()):
            if (head.segment_id, head.sha256, head.link_sha256) != (segment.id, segment.sha256, segment.link_sha256):
                text = (
                    f"on {head.day} its recorder told {head.segment_id} with SHA-256 {head.sha256} under this number:"
                    " the row was exchanged, or the chain before it altered"
                )
                found.append(self._about(Kind.HEAD_DIFFERS, text, segment))
        if sequence < self._waiting_from and segment.state is SegmentState.OFFERED:
            if self._explained < self._given_up:
                self._explained += 1
            else:
                text = "its row says that it is not stored, its recorder was told that it is"
                found.append(self._about(Kind.ROW_ALTERED, text, segment))
        return found

    async def _altered_after_a_hole(self, segment: Segment) -> Sequence[Finding]:
        """The link before has no row, but the segment's file names it.

        What the file says proves nothing by itself; but nobody finds a link before it from which another row, or
        another file, leads to the link hash that the next row follows.
        """
        if segment.state is not SegmentState.STORED:
            return []
        box = await self._objects.told_before(segment)
        if box is None or box.previous_link_sha256 is None:
            text = (
                "the one before it has no row, and its file names no link before it: only its bytes could be compared"
            )
            return [self._about(Kind.NOT_CHAINED, text, segment)]
        if link_of(segment).sha256_after(box.previous_link_sha256) == segment.link_sha256:
            return []
        text = (
            "its row was altered: its link hash is not that of what the row says after the link that its file names, "
            f"{box.previous_link_sha256}"
        )
        return [self._about(Kind.ROW_ALTERED, text, segment)]

    def _beyond_the_head(self, segment: Segment) -> Finding | None:
        """A recorder tells of each segment that it seals, sooner or later than it is stored."""
        head = self._chain.head
        at = segment.stored_at or segment.offered_at
        if head is None or (segment.sequence or 0) <= head.sequence:
            return None
        end = f"at {_shown(head.seen_at)} its recorder told that the chain ends with #{head.sequence}"
        if at < head.seen_at - _UNDER_WAY:
            return self._about(Kind.SEGMENT_INSERTED, f"it is there since {_shown(at)}, and {end}", segment)
        if at < self._now - _UNDER_WAY:
            text = f"never confirmed by its recorder: it is there since {_shown(at)}; {end}, and nothing since"
            return self._about(Kind.UNCONFIRMED, text, segment)
        return None

    def _twice(self, last: Segment, segment: Segment) -> Finding:
        """Which of two under one number is the recorder's shows by the link."""
        is_second = link_of(segment).sha256_after(self._link_before_last) == segment.link_sha256
        inserted, other = (last, segment) if is_second and not self._is_last_sound else (segment, last)
        self._last = other
        return self._about(Kind.SEGMENT_INSERTED, f"#{inserted.sequence} is {other.id} already", inserted)

    async def _hole(
        self, first: int, last: int, before: Segment | None, after: Segment | None
    ) -> AsyncIterator[Finding]:
        waiting = max(first, self._waiting_from)
        if self._chain.heads and waiting <= last:
            text = f"#{waiting} to #{last} wait at the recorder, it says" if waiting < last else "waits at the recorder"
            yield self._finding(Kind.WAITING, text, sequence=waiting)
        proven = [(first, min(last, waiting - 1))] if first < waiting else []
        missing = without(proven, self._absent)
        for begin, end in without(proven, missing):
            yield self._not_rebuilt(begin, end)
        if missing:
            async for finding in self._named(missing, before, after):
                yield finding

    async def _named(
        self, missing: Sequence[Range], before: Segment | None, after: Segment | None
    ) -> AsyncIterator[Finding]:
        why = None
        if before is not None or after is not None:
            start = before.ended_at if before else after.started_at if after else None
            end = after.started_at if after else before.ended_at if before else None
            if start and end:
                why = await self._rows.why_given_up(min(start, end), max(start, end))
        numbers = joined.from_iterable(range(begin, end + 1) for begin, end in missing)
        for sequence in islice(numbers, _MOST_NAMED):
            told = next(iter(self._told.get(sequence, ())), None)
            if why is not None and told is None and self._explained < self._given_up:
                self._explained += 1
                yield self._finding(Kind.GIVEN_UP, f"never stored, as its recorder told: {why}", sequence=sequence)
                continue
            self._missing += 1
            text = (
                f"removed: its recorder was told that it is stored, and no row has this number{_between(before, after)}"
            )
            yield self._finding(
                Kind.SEGMENT_REMOVED, text, sequence=sequence, segment_id=told.segment_id if told else None
            )
        if (more := count(missing) - _MOST_NAMED) > 0:
            self._missing += more
            text = f"and {more} more, up to #{missing[-1][1]}"
            yield self._finding(Kind.SEGMENT_REMOVED, text, sequence=next(numbers))

    def _not_rebuilt(self, first: int, last: int) -> Finding:
        at = f" at {_shown(self._chain.rebuilt.at)}" if self._chain.rebuilt else ""
        which = f"#{first} to #{last} were" if first < last else "it was"
        text = (
            f"{which} not in the store when the index was rebuilt{at}: deleted by retention, given up or removed"
            " before, nobody can tell"
        )
        return self._finding(Kind.NOT_REBUILT, text, sequence=first)

    def _about(self, kind: Kind, text: str, segment: Segment) -> Finding:
        return Finding(kind, text, segment.id, segment.chain_id, segment.sequence, segment.object_name)

    def _finding(
        self, kind: Kind, text: str, *, sequence: int | None = None, segment_id: uuid.UUID | None = None
    ) -> Finding:
        return Finding(kind, text, segment_id, self._chain.chain_id, sequence)


def _between(before: Segment | None, after: Segment | None) -> str:
    sides = [f"after {before.id}, which ends {_shown(before.ended_at)}"] if before else []
    sides += [f"before {after.id}, which begins {_shown(after.started_at)}"] if after else []
    return f" ({', '.join(sides)})" if sides else ""


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
